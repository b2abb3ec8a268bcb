# Copyright 2026 The hanziformers authors. Licensed under the Apache License, Version 2.0.
"""Configuration of the biaffine dependency parser, a host of Glyce-word."""

from dataclasses import field

from huggingface_hub.dataclasses import strict

from .checks import check_sizes, require
from .configuration_recurrent import RecurrentConfig


@strict
class BiaffineConfig(RecurrentConfig):
    """BiLSTMs over words, and biaffine attention that finds the head of every word and the relation to it.

    Every field is checked when the configuration is made. The fields beside these are those of `RecurrentConfig`,
    `GlyphCnnConfig` and `CharacterConfig`; the vocabulary is one of words, the labels (`id2label`) are the relations.
    The published parser (Dozat and Manning, 2017) has hidden_size=800, arc_size=500 and relation_size=100; the defaults
    are smaller, for data of some thousand sentences.

    Args:
        arc_size: width of the vectors by which a word finds its head, >= 1.
        relation_size: width of the vectors by which the relation is found, >= 1.
        pos_tags: the parts of speech whose vectors are read beside the words, in the order of their ids 1, 2, ...; []
            for none, the default. A parser that reads them needs them for every sentence: it does not find them itself.
        tag_dim: width of the vector of a part of speech, >= 1.

    Example:
        >>> from hanziformers import BiaffineConfig
        >>> BiaffineConfig(pos_tags=["NOUN", "VERB"]).input_size
        214
    """

    model_type = "biaffine"

    hidden_size: int = 400
    num_hidden_layers: int = 3
    embedding_dropout: float | int = 0.33
    hidden_dropout: float | int = 0.33
    classifier_dropout: float | int = 0.33
    arc_size: int = 300
    relation_size: int = 100
    pos_tags: list[str] = field(default_factory=list)
    tag_dim: int = 50

    @property
    def input_size(self) -> int:
        """Width of the input vectors: word, glyphs and, where it is read, part of speech."""
        return super().input_size + (self.tag_dim if self.pos_tags else 0)

    def validate_architecture(self) -> None:
        """As every configuration here; words are no tokens of entities."""
        super().validate_architecture()
        check_sizes(self, ("arc_size", "relation_size", "tag_dim"))
        kind, tags = self.classifier, self.pos_tags
        require(self, kind == "linear", "classifier", kind, "'linear': biaffine attention takes the place of others")
        require(self, len(set(tags)) == len(tags), "pos_tags", tags, "a list of different names")


BiaffineConfig.register_for_auto_class()

__all__ = ["BiaffineConfig"]
