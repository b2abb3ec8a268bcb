"""Pre-training of MPM-CNER's encoders (section 2.2): is it the same radical or syllable, and which is it?

    v = Swin(image)                                                                              [B, 2, width]
    pair     p = sigmoid(W [a; b; |a - b|; a * b] + b)         RCI, PCI: Eq. 4 and 8, see the configuration   [B]
    class    p = softmax(W v + b), both images by the same W   GIC, PCM: Eq. 6 and 9                   [B, 2, K]
    L = lambda L_pair + (1 - lambda) L_class                   Eq. 7 and 10

Axes: B pairs, C channels, n side of an image, K classes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.processing_utils import Unpack
from transformers.utils import ModelOutput, TransformersKwargs
from transformers.utils.generic import can_return_tuple

from .auto_map import register
from .checks import check_ids, check_inputs
from .configuration_mpm_pretraining import MpmPretrainingConfig
from .swin import SwinEncoder, init_swin
from .tracing import is_traced

NOT_SCORED = -100  # the label of an image without a class
PARTS = {"interaction": 4, "linear": 2}  # vectors that the pair head reads


@dataclass
class MpmPreTrainingOutput(ModelOutput):
    """What the model returns.

    Attributes:
        loss: the weighted sum of both, a number; without labels None, like both.
        pair_loss: L_RCI or L_PCI, binary cross-entropy, the mean over the pairs.
        class_loss: L_GIC or L_PCM, the mean over all images with a class; 0 where there is none.
        pair_logits: [B], above 0 for "the same".
        class_logits: [B, 2, K].
        vectors: of the images, [B, 2, width].
    """

    loss: Tensor | None = None
    pair_loss: Tensor | None = None
    class_loss: Tensor | None = None
    pair_logits: Tensor | None = None
    class_logits: Tensor | None = None
    vectors: Tensor | None = None


class MpmForPreTraining(PreTrainedModel):
    """An encoder of glyph images or spectrograms with the heads of its two tasks.

    Only `encoder` is used afterwards: `MpmCnerForTokenClassification.from_encoders` takes the folder of this model.
    Its heads begin at 0, so that the first loss is lambda ln 2 + (1 - lambda) ln K.
    """

    config_class = MpmPretrainingConfig
    main_input_name = "images"
    base_model_prefix = "mpm"

    def __init__(self, config: MpmPretrainingConfig) -> None:
        super().__init__(config)
        sizes = ("image_size", "patch_size", "embed_dim", "depths", "num_heads", "window_size", "drop_path")
        self.encoder = SwinEncoder(config.channels, **{name: getattr(config, name) for name in sizes})
        self.pair_head = nn.Linear(PARTS[config.pair_head] * self.encoder.width, 1)
        self.class_head = nn.Linear(self.encoder.width, config.num_labels)
        self.post_init()
        if config.image_std is not None:  # the weights of a checkpoint are loaded over these
            self.encoder.standardise(config.image_mean, config.image_std)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if init_swin(module):
            return
        if module in (self.pair_head, self.class_head):
            init.zeros_(module.weight)
            init.zeros_(module.bias)
        else:
            super()._init_weights(module)

    @can_return_tuple
    def forward(
        self,
        images: Tensor,
        labels: Tensor | None = None,
        pair_labels: Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> MpmPreTrainingOutput | tuple[Tensor, ...]:
        """Scores pairs of images.

        Args:
            images: [B, 2, C, n, n], uint8 0..255, or float in 0..1.
            labels: the class of each image, int64 [B, 2], 0..K-1, or -100 to leave one out.
            pair_labels: 1 for "the same", else 0, int64 or bool [B]. Both kinds of labels give losses, or neither.
            kwargs: options of transformers, of which return_dict is read.

        Raises:
            ValueError: the images are of another shape or dtype or floats outside of 0..1; a label of another shape or
                that does not exist; one kind of labels without the other. (Values are looked at on the CPU only.)
            TypeError: an unknown input.
        """
        check_inputs(self, kwargs)
        self._check_images(images)
        self._check_labels(len(images), labels, pair_labels)
        scaled = images.to(self.dtype) / 255 if images.dtype == torch.uint8 else images.to(self.dtype)
        vectors = self.encoder(scaled.flatten(0, 1)).unflatten(0, (-1, 2))  # [B, 2, width]
        pair_logits = self.pair_head(self._pair(*vectors.unbind(1)))[:, 0]  # [B]
        class_logits = self.class_head(vectors)  # [B, 2, K]
        losses = (None, None, None)
        if labels is not None:
            losses = self._losses(pair_logits, class_logits, labels, pair_labels)
        return MpmPreTrainingOutput(*losses, pair_logits, class_logits, vectors)

    def _check_images(self, images: Tensor) -> None:
        """Refuses images of another shape, dtype or range."""
        shape = (2, self.config.channels, self.config.image_size, self.config.image_size)
        if images.dim() != 5 or tuple(images.shape[1:]) != shape:
            raise ValueError(f"images has the shape {tuple(images.shape)}; needed is [B, {', '.join(map(str, shape))}]")
        allowed = "allowed are uint8 in 0..255, and floats in 0..1"
        if images.dtype != torch.uint8 and not images.is_floating_point():
            raise ValueError(f"images are {images.dtype}; {allowed}")
        if images.is_floating_point() and images.device.type == "cpu" and images.numel() and not is_traced(images):
            low, high = (bound.item() for bound in images.aminmax())
            if not (low >= 0 and high <= 1):  # nan is refused too
                raise ValueError(f"images are floats from {low:g} to {high:g}; {allowed}")

    def _check_labels(self, pairs: int, labels: Tensor | None, pair_labels: Tensor | None) -> None:
        """Refuses labels that lack the other kind, are of another shape, or do not exist."""
        if (labels is None) != (pair_labels is None):
            given = "labels" if pair_labels is None else "pair_labels"
            raise ValueError(f"only {given} is given; give both labels and pair_labels, or neither")
        if labels is None:
            return
        for name, given, shape in (("labels", labels, (pairs, 2)), ("pair_labels", pair_labels, (pairs,))):
            if tuple(given.shape) != shape:
                raise ValueError(f"{name} has the shape {tuple(given.shape)}; needed is {shape} for {pairs} pairs")
        scored = labels.masked_fill(labels == NOT_SCORED, 0)
        check_ids("labels", scored, self.config.num_labels, "classes of id2label", "-100 leaves an image out")
        check_ids("pair_labels", pair_labels.long(), 2, "1 is the same, 0 is not", "Leave other pairs out of the batch")

    def _pair(self, first: Tensor, second: Tensor) -> Tensor:
        """Two vectors [B, width] -> what the pair head reads, [B, 2 or 4 * width]."""
        parts = [first, second, (first - second).abs(), first * second]
        return torch.cat(parts[: PARTS[self.config.pair_head]], dim=-1)

    def _losses(
        self, pair_logits: Tensor, class_logits: Tensor, labels: Tensor, pair_labels: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The weighted sum, L_pair and L_class."""
        pair_loss = F.binary_cross_entropy_with_logits(pair_logits.float(), pair_labels.float())
        summed = F.cross_entropy(class_logits.float().flatten(0, 1), labels.flatten(), reduction="sum")
        # a batch in which no image has a class (characters that were held out) has the pair loss alone
        class_loss = summed / (labels != NOT_SCORED).sum().clamp(min=1)
        weight = self.config.pair_loss_weight
        return weight * pair_loss + (1 - weight) * class_loss, pair_loss, class_loss


AUTO_CLASSES = {"AutoModelForPreTraining": MpmForPreTraining}
register(AUTO_CLASSES)

__all__ = ["MpmForPreTraining", "MpmPreTrainingOutput"]
