"""The figures of pre-training on image pairs: losses and accuracies of the pairs and of the classes."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F
from transformers import EvalPrediction

from ..modeling.configuration_mpm_pretraining import MpmPretrainingConfig
from .loss_curve import Plots

TASKS = {"glyph": ("rci", "gic"), "phonetic": ("pci", "pcm")}  # the task of the pairs, and that of the classes


class PairScores:
    """Figures by the names of the tasks: rci_accuracy, gic_accuracy, ... Of sounds also syllable and tone apart.

    Args:
        config: modality and classes of the model.
    """

    def __init__(self, config: MpmPretrainingConfig) -> None:
        self.tasks = TASKS[config.modality]
        labels = [config.id2label[number] for number in range(config.num_labels)]
        parts = {"base": [label[:-1] for label in labels], "tone": [label[-1:] for label in labels]}
        self._parts = {  # of a toned syllable: the number of each class's part, int64 [K]
            name: torch.from_numpy(np.unique(values, return_inverse=True)[1])
            for name, values in (parts if config.modality == "phonetic" else {}).items()
        }

    def per_pair(self, logits: Any, labels: Any) -> torch.Tensor:
        """Sums up every pair, so that no logits are kept.

        Args:
            logits: a tuple of pair_logits [B], class_logits [B, 2, K] and more.
            labels: a tuple of labels [B, 2] and pair_labels [B].

        Returns:
            float32 [B, 5 or 7]: loss and hit of the pair; loss, hits and number of its images with a class; of sounds
            also the hits of the syllable without its tone, and of the tone.
        """
        (pair_logits, class_logits), (classes, same) = logits[:2], labels
        pair_losses = F.binary_cross_entropy_with_logits(pair_logits.float(), same.float(), reduction="none")
        losses = F.cross_entropy(class_logits.float().transpose(1, 2), classes, reduction="none")  # [B, 2]
        best, known = class_logits.argmax(-1), classes != -100
        sums = [pair_losses, (pair_logits > 0) == (same > 0), losses.sum(1), (best == classes).sum(1), known.sum(1)]
        for part in self._parts.values():
            part = part.to(best.device)
            sums.append(((part[best] == part[classes.clamp(min=0)]) & known).sum(1))
        return torch.stack([value.float() for value in sums], dim=1)

    def summarise(self, prediction: EvalPrediction) -> dict[str, float]:
        """Means over all pairs and over all images with a class, from `per_pair`; no figure where there is none."""
        rows = np.asarray(prediction.predictions, np.float64)
        sums, (pair, of_class) = rows.sum(0), self.tasks
        metrics = {f"{pair}_loss": sums[0] / len(rows), f"{pair}_accuracy": sums[1] / len(rows)}
        if sums[4]:
            metrics |= {f"{of_class}_loss": sums[2] / sums[4], f"{of_class}_accuracy": sums[3] / sums[4]}
            parts = zip(self._parts, sums[5:], strict=True)
            metrics |= {f"{of_class}_{name}_accuracy": hits / sums[4] for name, hits in parts}
        return {name: float(value) for name, value in metrics.items()}

    def plots(self, sets: Iterable[str]) -> Plots:
        """Curves of the losses and accuracies of some sets, for `LossCurve`."""

        def curves(figure: str) -> dict[str, str]:
            return {f"eval_{name}_{task}_{figure}": f"{task.upper()}, {name}" for task in self.tasks for name in sets}

        return {
            "loss": {"loss (nats)": {"loss": "training, weighted sum", **curves("loss")}},
            "accuracy": {"accuracy": curves("accuracy")},
        }


__all__ = ["TASKS", "PairScores"]
