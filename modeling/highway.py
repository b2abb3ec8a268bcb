"""Highway layers (Srivastava et al., 2015), which change the width of what goes through them."""

import torch
from torch import Tensor, nn


class Highway(nn.Module):
    """x <- s relu(W x) + (1 - s) V x with s = sigmoid(G x), in every layer; parameters are named as in Glyce's code.

    Args:
        input_size: width of the vectors.
        output_size: width behind the first layer, and all others.
        layers: how many, >= 1.
    """

    def __init__(self, input_size: int, output_size: int, layers: int = 1) -> None:
        super().__init__()
        sizes = [input_size, *[output_size] * (layers - 1)]
        for name in ("gate", "nonlinear", "linear"):
            setattr(self, name, nn.ModuleList(nn.Linear(size, output_size) for size in sizes))

    def forward(self, vectors: Tensor) -> Tensor:
        """[..., input_size] -> [..., output_size]."""
        for gate, nonlinear, linear in zip(self.gate, self.nonlinear, self.linear, strict=True):
            vectors = torch.lerp(linear(vectors), nonlinear(vectors).relu(), gate(vectors).sigmoid())
        return vectors


__all__ = ["Highway"]
