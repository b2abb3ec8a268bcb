"""Image pairs for the Trainer: a table of images and a `PairSampler` -> examples -> batches."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from .pair_sampling import Pairs, PairSampler


class ImagePairs(Dataset):
    """The pairs of all epochs: pair i of epoch e has the index e * len(self) + i.

    Args:
        images: uint8 [N, C, h, w].
        labels: the class of each image, int64 [N]; -100 where none is to be predicted.
        pairs: draws the pairs of an epoch from the N rows.
        shift: in training, images are moved by up to so many pixels each way, both sides of a pair by themselves; what
            moves in repeats the edge.
        most: pairs of an epoch that are used; None is all of them.

    An item is {"images": uint8 [2, C, h, w], "labels": int64 [2], "pair_labels": 0 or 1}. It depends on its index, the
    sampler's seed and the table alone, so a run that resumes sees what it would have seen.

    Raises:
        ValueError: the shapes or the dtype do not fit; shift is below 0, or as large as an image; most is below 1.
    """

    def __init__(
        self, images: np.ndarray, labels: np.ndarray, pairs: PairSampler, shift: int = 0, most: int | None = None
    ) -> None:
        if images.dtype != np.uint8 or images.ndim != 4 or len(images) != len(labels):
            raise ValueError(
                f"images are {images.dtype} {images.shape} with {len(labels)} labels; needed are uint8 [N, C, h, w] "
                "and N labels"
            )
        if most is not None and most < 1:
            raise ValueError(f"most={most} is not allowed; allowed is 1 or more pairs, or None for all")
        if not 0 <= shift < min(images.shape[2:]):
            raise ValueError(f"shift={shift} is not allowed; allowed is 0 to {min(images.shape[2:]) - 1} pixels")
        self.images, self.labels, self.pairs, self.shift = images, labels, pairs, shift
        self._length = pairs.size if most is None else min(most, pairs.size)
        self._epoch: tuple[int, Pairs, np.ndarray] | None = None

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> dict[str, Any]:
        epoch, number = divmod(index, len(self))
        if self._epoch is None or self._epoch[0] != epoch:
            rng = np.random.default_rng((self.pairs.seed, epoch, 1))
            shifts = rng.integers(-self.shift, self.shift + 1, (self.pairs.size, 2, 2))  # down and to the right
            self._epoch = epoch, self.pairs.epoch(epoch), shifts
        _, pairs, shifts = self._epoch
        rows = pairs.rows[number]
        sides = zip(rows, pairs.flipped[number], shifts[number], strict=True)
        images = [self._image(row, flipped, *shift) for row, flipped, shift in sides]
        return {"images": np.stack(images), "labels": self.labels[rows], "pair_labels": int(pairs.same[number])}

    def _image(self, row: int, flipped: bool, down: int, right: int) -> np.ndarray:
        image = self.images[row]
        image = image[..., ::-1] if flipped else image
        if not (down or right):
            return image
        height, width = image.shape[1:]
        from_row = np.clip(np.arange(height) - down, 0, height - 1)
        from_column = np.clip(np.arange(width) - right, 0, width - 1)
        return image[:, from_row[:, None], from_column]


class EpochSampler(Sampler[int]):
    """The indices of an epoch of `ImagePairs`, in order: they are shuffled already.

    The Trainer tells it which epoch it is (`set_epoch`), so that no epoch repeats the pairs of another.
    """

    def __init__(self, data: ImagePairs) -> None:
        self._length, self._epoch = len(data), 0

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch that is read next."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[int]:
        return iter(range(self._epoch * self._length, (self._epoch + 1) * self._length))


def collate_pairs(examples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Items of `ImagePairs` -> a batch.

    Returns:
        images uint8 [B, 2, C, h, w], labels int64 [B, 2], pair_labels int64 [B].
    """
    return {name: torch.from_numpy(np.stack([example[name] for example in examples])) for name in examples[0]}


__all__ = ["EpochSampler", "ImagePairs", "collate_pairs"]
