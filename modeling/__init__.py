"""Tensors in, tensors out: the models and their parts. Imports torch, transformers and its own siblings."""
