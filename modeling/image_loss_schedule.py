"""The weight of Glyce's image-classification loss beside that of the task, which falls from epoch to epoch.

    L = (1 - lambda(t)) L_task + lambda(t) L_cls      section 2.3, Eq. 2
    lambda(t) = lambda_0 * lambda_1 ** t              t in epochs

A Trainer's GlyphLossCallback says at every step how many epochs are behind.
"""

from typing import Any

import torch
from torch import Tensor
from transformers.utils import logging

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*


class ImageLossSchedule:
    """For base models that classify images: how much that loss counts, and the loss of a head and of images together.

    The model sets `image_loss_weight = config.image_loss_weight` in its `__init__`, and gives `image_loss` in its
    output: a scalar in training, None in evaluation and where no image is classified.

    Attributes:
        image_loss_weight: lambda(t) of Eq. 2, the present weight of the image-classification loss, in [0, 1]; may be
            set.
    """

    _warned_of_labels = False

    @property
    def image_loss_weight(self) -> float:
        """The present weight of the image-classification loss."""
        return self.weight_of_images.item()

    @image_loss_weight.setter
    def image_loss_weight(self, value: float) -> None:
        if not 0 <= value <= 1:
            raise ValueError(f"image_loss_weight={value} is not allowed; allowed is a number from 0 to 1")
        # a tensor, as torch.compile makes another graph for every number; neither saved nor on the meta device
        self.weight_of_images = torch.tensor(float(value), dtype=torch.float64, device="cpu")

    def set_epoch(self, epoch: float) -> None:
        """Sets the weight of the image-classification loss to lambda_0 * lambda_1 ** t.

        Args:
            epoch: t, the epochs that are behind, with fractions; 0 or more. A Trainer's `state.epoch`.

        Raises:
            ValueError: it is below 0.
        """
        if not epoch >= 0:
            raise ValueError(f"epoch={epoch} is not allowed; allowed is a number of 0 or more: the epochs behind")
        self.image_loss_weight = self.config.image_loss_weight * self.config.image_loss_decay**epoch

    def total_loss(self, task_loss: Tensor | None, out: Any) -> Tensor | None:
        """Eq. 2; the loss of the task alone in evaluation, and where no image is classified.

        Args:
            task_loss: a scalar; None where a head got no labels.
            out: the base model's output, with `image_loss`.
        """
        if out.image_loss is None:
            return task_loss
        if task_loss is None:
            if torch.is_grad_enabled() and not self._warned_of_labels:
                self._warned_of_labels = True
                logger.warning(
                    "a head of Glyce is trained without labels, so its loss is computed elsewhere, without the image "
                    "classification. Pass labels (the Trainer: label_smoothing_factor=0), or build the model with "
                    "use_image_loss=False"
                )
            return None
        weight = self.weight_of_images.to(task_loss)
        return (1 - weight) * task_loss + weight * out.image_loss


__all__ = ["ImageLossSchedule"]
