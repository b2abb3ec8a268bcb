"""Whether a model runs, or is only recorded as a graph that will run later, on other values and sizes.

What is true of the example alone, such as its values, how many of its ids are distinct and vectors that were kept, must
not decide what the graph computes.
"""

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor

_TELLS_EXPORT = hasattr(torch.compiler, "is_exporting")  # torch 2.6 does not tell export from compile


def is_traced(tensor: Tensor) -> bool:
    """Whether operations on a tensor are recorded, so that its values must not be read.

    True under torch.compile, torch.export, torch.jit.trace, both ONNX exporters and the capture of a CUDA graph, and
    for fake tensors, which have no values.
    """
    return (
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()
        or isinstance(tensor, FakeTensor)
        or (tensor.is_cuda and torch.cuda.is_current_stream_capturing())
    )


def has_open_sizes() -> bool:
    """Whether the graph that is recorded must serve other sizes too, so that no loop may depend on them.

    False under torch.compile, which makes a graph for each size that it meets; true with torch 2.6, to be safe.
    """
    return is_exported() or (not _TELLS_EXPORT and torch.compiler.is_compiling())


def is_exported() -> bool:
    """Whether a graph is certainly recorded by torch.jit.trace or torch.export, and not by torch.compile."""
    return torch.jit.is_tracing() or (_TELLS_EXPORT and torch.compiler.is_exporting())


__all__ = ["has_open_sizes", "is_exported", "is_traced"]
