"""Standardises or whitens the features before a linear layer, by the statistics of a bank's glyph images.

Features that come after a ReLU, and pixels, are positive and nearly the same for all characters: a linear layer on them
learns slowly. Batch statistics would make a character's vector depend on its neighbours in the batch; these are of the
bank, so that a vector is still a function of its glyph image and the weights.

    "standard":  y_d = (x_d - m_d) / sqrt(v_d + e max v)
    "whiten":    y = V diag((l + e max l)^-1/2) V^T (x - m)      C = V diag(l) V^T: ZCA (Bell and Sejnowski, 1997)

m, v and C are the mean, the variances and the covariance of at most `feature_norm_images` images' features, e is
`epsilon`. Directions in which the images do not differ at all are left out: nothing is known of what another image has
there. With as many features as images, or more, whitened images are orthogonal to each other but for their mean and for
what `epsilon` leaves: a linear layer then learns each character's vector by itself, as a table does.

The transform T is symmetric, so y W^T = (x - m) (W T)^T: `fold` gives W T, once for all images of a call.

Axes: n images, D features, r = min(D, `most_images`), H outputs of the linear layer.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from threading import RLock
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedConfig
from transformers import initialization as init
from transformers.utils import logging

from .checks import check_sizes, require
from .tracing import is_exported, is_traced
from .vector_table import fingerprint, has_hooks, keepable

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*

KINDS = ("standard", "whiten")
NEVER = -1  # the age of statistics that were never estimated
STATISTICS_HINT = (
    "the statistics of the glyph images' features (feature_norm) are not those of the present weights and images, and "
    "a graph cannot estimate them: call model.eval() and run the model once before it is traced or exported"
)
SAME = 1e-10  # of the largest variance: below it images do not differ in a direction, but for rounding
_LOCK = RLock()  # of all modules, as one of its own could not be copied or pickled with a module


class FeatureNorm(nn.Module):
    """Features [..., D] -> features of the same shape, with mean 0 and, over the bank's images, variances of about 1.

    The statistics are buffers and carry no gradient. They stay in float32 (or float64) whatever the weights are.

    Args:
        size: D.
        kind: one of KINDS.
        epsilon: of the largest variance; it bounds how much a direction is stretched.
        most_images: of how many images the statistics may be.
    """

    def __init__(self, size: int, kind: str, epsilon: float, most_images: int) -> None:
        super().__init__()
        self.kind, self.epsilon = kind, epsilon
        shape = (size,) if kind == "standard" else (size, min(size, most_images))
        # training forwards since the estimate, or NEVER; a float as the others, which loading casts alike
        self.register_buffer("age", torch.empty((), dtype=torch.float32))
        self.register_buffer("mean", torch.empty(size, dtype=torch.float32))
        # "standard": T's diagonal [D]; "whiten": B [D, r] with T = B B^T, as T itself would be large
        self.register_buffer("transform", torch.empty(shape, dtype=torch.float32))
        self.reset()

    @torch.no_grad()
    def reset(self) -> None:
        """Forgets the statistics: until they are estimated the features are taken as they are (the first r of them)."""
        init.constant_(self.age, NEVER)
        if not getattr(self.transform, "_is_hf_initialized", False):  # also where a saved one had another size
            self.age.fill_(NEVER)
        init.zeros_(self.mean)
        one = torch.ones_like(self.transform)
        init.copy_(self.transform, one if one.dim() == 1 else torch.eye(*one.shape, device=one.device))

    @torch.no_grad()
    def forget(self) -> None:
        """Notes that the statistics are of other images."""
        self.age.fill_(NEVER)

    @torch.no_grad()
    def grow_older(self, again: bool = False) -> None:
        """Notes a training forward, after which weights and features are others.

        Args:
            again: whether the age is counted from now on, as an estimate was made or refused.
        """
        if again:
            self.age.zero_()
        self.age.add_(1)

    @torch.no_grad()
    def estimate(self, features: Tensor) -> None:
        """Takes the statistics of features [n, D], n <= `most_images`.

        Those that are not finite, and those that are all the same, are refused with a log: the statistics stay.

        They are written in place, as DataParallel and captured graphs know the buffers by their memory.
        """
        if not features.isfinite().all():
            logger.warning(
                "the features of some glyph images are not finite, so their statistics stay as they were: the training "
                "has diverged; lower the learning rate"
            )
            return
        if (features == features[0]).all():  # with gains of 0 all characters would look the same
            logger.warning(
                f"all {len(features)} glyph images have the same features, so there are no statistics to take, and "
                "those before stay: give the bank different images (set_glyphs); if it has them, the CNN has collapsed "
                "in training; lower the learning rate"
            )
            return
        # float64, as small eigenvalues matter; Apple's GPUs have none
        features = features.to("cpu" if features.device.type == "mps" else features.device, torch.float64)
        mean = features.mean(0)
        centred = features - mean
        self.mean.copy_(mean)
        if self.kind == "standard":
            self.transform.copy_(self._gains(centred.square().mean(0)))
        else:
            directions, variances = principal_directions(centred)
            root = directions * self._gains(variances).sqrt()  # [D, min(n, D)]
            self.transform.zero_()[:, : root.shape[1]].copy_(root)
        self.age.zero_()

    def forward(self, features: Tensor) -> Tensor:
        """[..., D] -> [..., D], in the dtype of the features."""
        return self.transformed(self.centred(features)).to(features.dtype)

    def centred(self, features: Tensor) -> Tensor:
        """Features [..., D] minus m, in float32 or wider."""
        wide = torch.promote_types(features.dtype, self.mean.dtype)
        return features.to(wide) - self.mean.to(wide)

    def transformed(self, rows: Tensor) -> Tensor:
        """Rows [..., D] times T, in float32 or wider: centred features, or a weight [H, D] that takes T in."""
        wide = torch.promote_types(rows.dtype, self.transform.dtype)
        with without_autocast(rows.device):
            transform = self.transform.to(wide)
            if torch.is_grad_enabled() and transform is self.transform:
                transform = transform.clone()  # the next estimate may come before the backward pass
            if transform.dim() == 1:
                return rows.to(wide) * transform
            return rows.to(wide) @ transform @ transform.T

    def extra_repr(self) -> str:
        """What is done."""
        return f"{len(self.mean)}, kind={self.kind!r}, epsilon={self.epsilon}"

    def _gains(self, variances: Tensor) -> Tensor:
        """(l + e max l)^-1/2, and 0 for directions without variance."""
        most = variances.amax()
        gains = (variances + self.epsilon * most).rsqrt()
        return torch.where(variances > SAME * most, gains, torch.zeros_like(gains))

    def _apply(self, fn, recurse: bool = True) -> "FeatureNorm":  # noqa: ANN001
        """As torch, but statistics that would be rounded keep their dtype: model.half() is for weights."""
        return keep_wide(self, partial(super()._apply, fn, recurse))


class KeepsStatistics(nn.Module):
    """Base of modules that hold features' norms, and have them estimated when it is time.

    That is at the first use, every `feature_norm_interval` training forwards, once when the module is evaluated after
    training, and after `forget_statistics`; where training does not change the features, only at the first use and the
    last. In evaluation they are estimated again, too, where weights or images were written in another way, as by an
    average of weights: some entries of each are compared at every use (`fingerprint`). `keep_statistics` is to be
    called at the start of `forward`; threads may share the module.

    An estimate that is refused leaves the statistics as they are, and is tried again when the next one is due.

    An evaluation's estimate stays for the training that goes on. So trainings that evaluate at other steps differ a
    little, and all processes of a training have to evaluate, as they do under the Trainer.
    """

    _is_current = False  # whether the statistics need no look until training goes on
    _version = -1  # torch's count of writes into the first norm's age, at the last look
    _estimated_in = torch.float32  # the dtype of the weights to which they belong
    _seen: Tensor | None = None  # the fingerprint of what makes the features, at the last look in evaluation

    def list_norms(self) -> Sequence[FeatureNorm]:
        """The norms, which are estimated together."""
        raise NotImplementedError

    def describe_features(self) -> tuple[bool, torch.dtype, int]:
        """Whether training changes the features, the dtype of the weights that make them, the interval."""
        raise NotImplementedError

    def list_sources(self) -> Sequence[Tensor]:
        """The tensors that make the features: images, and the weights of what looks at them."""
        raise NotImplementedError

    def estimate_statistics(self) -> bool:
        """Estimates the norms; False where there are no images yet."""
        raise NotImplementedError

    def forget_statistics(self) -> None:
        """Notes that the images are others than those of the statistics."""
        self._is_current = False
        for norm in self.list_norms():
            norm.forget()

    def keep_statistics(self, like: Tensor) -> None:
        """Estimates where it is time.

        Args:
            like: an input, which tells whether the module runs or is recorded as a graph.

        Raises:
            ValueError: it is time, and a graph is exported.
        """
        norms = self.list_norms()
        if not norms or like.is_meta:
            return
        moves = self.training and self.describe_features()[0]
        is_known = self._is_current and not moves
        if is_known and (is_traced(like) or (self._version == _version_of(norms[0].age) and not self._was_written())):
            return
        if is_exported():
            raise ValueError(STATISTICS_HINT)
        # torch.compile leaves its graph for them; fake tensors have no values, and a CUDA graph would not wait
        if torch.compiler.is_compiling() or not is_traced(like):
            self._estimate_if_due(moves)

    @torch.compiler.disable
    def _estimate_if_due(self, moves: bool) -> None:
        """`moves`: whether this forward belongs to a training that changes the features."""
        norms, (_, dtype, interval) = self.list_norms(), self.describe_features()
        with _LOCK:  # another thread waits for the estimate, and then finds it
            age, done = int(norms[0].age), True
            # rounded weights shift the features, so that those of another dtype need statistics of their own
            is_due = dtype != self._estimated_in or age == NEVER or age >= (interval if moves else 1)
            is_due = is_due or (self._is_current and not moves and self._was_written())
            if is_due:
                # in training under autocast the features are rounded, and those of a table of vectors are not
                exact = nullcontext() if moves else keepable(norms[0].age.device.type)
                with exact, torch.inference_mode(norms[0].age.is_inference()):  # which is written nowhere else
                    done = self.estimate_statistics()
                self._estimated_in = dtype if done else self._estimated_in
            if moves:
                for norm in norms:
                    norm.grow_older(again=is_due and done)
            self._version = _version_of(norms[0].age)
            self._is_current = done and not moves  # a blank bank will be given images
            self._seen = fingerprint(self.list_sources()) if self._is_current else None

    def _was_written(self) -> bool:
        """Whether what makes the features is not what it was at the last look in evaluation."""
        now, then = fingerprint(self.list_sources()), self._seen
        same = then is None or (now.shape == then.shape and torch.allclose(now, then, rtol=0, atol=0, equal_nan=True))
        return not same

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        """As torch, whenever weights are loaded; those that come without statistics need new ones."""
        self._is_current = False  # the loaded statistics may be older than the loaded weights
        norms = tuple(f"{prefix}{name}." for name, part in self.named_modules() if isinstance(part, FeatureNorm))
        own = {name: value for name, value in state_dict.items() if name.startswith(prefix)}
        weights = [value for name, value in own.items() if not name.startswith(norms)]
        if norms and own and len(weights) == len(own):
            self.forget_statistics()
        parameters = [state_dict.get(f"{prefix}{name}") for name, _ in self.named_parameters()]
        dtypes = {value.dtype for value in parameters if isinstance(value, Tensor)}
        self._estimated_in = dtypes.pop() if len(dtypes) == 1 else torch.float32
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def _apply(self, *args: Any, **kwargs: Any) -> Self:
        """As torch, whenever weights get another device or dtype."""
        self._is_current = False
        before = self.describe_features()[1] if self.list_norms() else None
        super()._apply(*args, **kwargs)
        if before is not None and self.describe_features()[1] != before:
            self.forget_statistics()  # the weights may have been rounded
        return self


def keep_wide(module: nn.Module, apply: Callable[[], nn.Module]) -> nn.Module:
    """Applies what torch applies to a module, such as `half()`; buffers that would be rounded keep their dtype."""
    before = dict(module._buffers)
    apply()
    for name, old in before.items():
        new = module._buffers[name]
        if new.dtype.itemsize < old.dtype.itemsize:
            module._buffers[name] = old.to(new.device)
    return module


def make_norm(size: int, config: PreTrainedConfig) -> FeatureNorm | None:
    """The norm of `size` features that a configuration asks for; None where `feature_norm` is None."""
    kind = config.feature_norm
    return None if kind is None else FeatureNorm(size, kind, config.feature_norm_epsilon, config.feature_norm_images)


def spread(rows: Tensor, most: int) -> Tensor:
    """Rows [n, ...] -> at most so many of them, evenly spaced."""
    number = len(rows)
    return rows if number <= most else rows[torch.arange(most, device=rows.device) * number // most]


def project(features: Tensor, linear: nn.Module, norm: FeatureNorm | None, folded: Tensor | None = None) -> Tensor:
    """Features [..., D] -> [..., H]: through the norm, where there is one, and the linear layer.

    Args:
        features: [..., D].
        linear: D -> H.
        norm: of the features.
        folded: see `fold`; None goes one step after the other.
    """
    if norm is None:
        return linear(features)
    if folded is None:
        return linear(norm(features))
    # the folded weight has large entries that cancel, so half precision would not do
    with without_autocast(features.device):
        centred = norm.centred(features).to(folded.dtype)
        return F.linear(centred, folded, linear.bias.to(folded.dtype)).to(features.dtype)


def fold(linear: nn.Module, norm: FeatureNorm, kind: type[nn.Linear] = nn.Linear) -> Tensor | None:
    """The layer's weight with the norm's transform in it, [H, D] float32 or wider.

    None where the layer is not of this very `kind`, as adapters and quantized ones, or has hooks: what they compute is
    not said by the weight.
    """
    return norm.transformed(linear.weight) if type(linear) is kind and not has_hooks([linear, norm]) else None


def check_norm_fields(config: PreTrainedConfig) -> None:
    """Refuses wrong values of feature_norm, and of its epsilon, images and interval.

    Raises:
        ValueError: names the field, its value and what is allowed.
    """
    norm, epsilon = config.feature_norm, config.feature_norm_epsilon
    require(config, norm in (None, *KINDS), "feature_norm", norm, " or ".join(map(repr, (None, *KINDS))))
    require(config, 0 < epsilon < 1, "feature_norm_epsilon", epsilon, "a number above 0 and below 1")
    check_sizes(config, ("feature_norm_interval",))
    images = config.feature_norm_images
    require(config, images >= 2, "feature_norm_images", images, "2 or more: one image does not vary")


def _version_of(tensor: Tensor) -> int:
    """How often torch saw a write into a tensor; it does not count those into tensors made in inference mode."""
    return 0 if tensor.is_inference() else tensor._version


def without_autocast(device: torch.device) -> AbstractContextManager:
    """Inside, operations have the dtype of what they are given; the meta device knows no autocast."""
    return nullcontext() if device.type == "meta" else torch.autocast(device.type, enabled=False)


def principal_directions(centred: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvectors and eigenvalues of the covariance of centred features.

    Args:
        centred: [n, D] float64.

    Returns:
        Directions [D, min(n, D)], those without variance being 0 or of any direction, and variances [min(n, D)].
    """
    count, size = centred.shape
    if size <= count:
        variances, directions = torch.linalg.eigh(centred.T @ centred / count)
        return directions, variances.clamp(min=0)
    # the products of the images with each other have the same eigenvalues, and are fewer
    variances, mixtures = torch.linalg.eigh(centred @ centred.T / count)
    variances = variances.clamp(min=0)
    lengths = torch.where(variances > SAME * variances.amax(), (count * variances).rsqrt(), torch.zeros_like(variances))
    return centred.T @ mixtures * lengths, variances


__all__ = [
    "KINDS",
    "NEVER",
    "STATISTICS_HINT",
    "FeatureNorm",
    "KeepsStatistics",
    "check_norm_fields",
    "fold",
    "keep_wide",
    "make_norm",
    "principal_directions",
    "project",
    "spread",
    "without_autocast",
]
