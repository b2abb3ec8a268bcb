"""The validation figures of a pre-training: losses and accuracies over all masked tokens and all sentence pairs."""

from typing import Any

import numpy as np
import torch
from torch.nn import functional as F
from transformers import EvalPrediction


def per_example(logits: Any, labels: Any) -> torch.Tensor:
    """Sums up every example, so that no logits are kept.

    Args:
        logits: of the tokens [B, L, V], and with next sentence [B, 2] in a tuple with them.
        labels: of the tokens [B, L], and with next sentence [B] in a tuple with them.

    Returns:
        float32 [B, 5]: loss, hits and number of the masked tokens; loss and hit of the next sentence (else [B, 3]).
    """
    scores = logits[0] if isinstance(logits, tuple) else logits
    masked = labels[0] if isinstance(labels, (tuple, list)) else labels
    losses = F.cross_entropy(scores.float().transpose(1, 2), masked, reduction="none")  # [B, L]
    right = (scores.argmax(-1) == masked).float()  # never where the label is -100
    sums = [losses.sum(1), right.sum(1), (masked != -100).sum(1)]
    if isinstance(labels, (tuple, list)) and len(labels) > 1:
        nsp = logits[1].float()
        sums += [F.cross_entropy(nsp, labels[1], reduction="none"), nsp.argmax(-1) == labels[1]]
    return torch.stack([value.float() for value in sums], dim=1)


def summarise(prediction: EvalPrediction) -> dict[str, float]:
    """Means over all masked tokens and over all pairs, from `per_example`."""
    sums = np.asarray(prediction.predictions, np.float64).sum(0)
    metrics = {"mlm_loss": sums[0] / sums[2], "mlm_accuracy": sums[1] / sums[2]}
    if len(sums) > 3:
        number = len(prediction.predictions)
        metrics |= {"nsp_loss": sums[3] / number, "nsp_accuracy": sums[4] / number}
    return {name: float(value) for name, value in metrics.items()}


__all__ = ["per_example", "summarise"]
