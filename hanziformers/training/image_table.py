"""Tables of small images as a `datasets.Dataset`: from an array, and back to it.

Both ways hand the bytes over as they are; `Dataset.from_dict` and the format "numpy" go through int64, eight times the
memory.
"""

from typing import Any

import numpy as np
import pyarrow as pa
from datasets import Dataset
from datasets.features.features import Array2DExtensionType, Array3DExtensionType

_TYPES = {2: Array2DExtensionType, 3: Array3DExtensionType}


def image_dataset(images: np.ndarray, **columns: list[Any]) -> Dataset:
    """A table of images.

    Args:
        images: uint8 [n, h, w] or [n, C, h, w].
        **columns: the other columns, n values each, which stand before `image`.

    Returns:
        The columns, and `image` (Array2D or Array3D of uint8).
    """
    storage = pa.array(np.ascontiguousarray(images).reshape(-1))
    for length in images.shape[:0:-1]:
        storage = pa.ListArray.from_arrays(np.arange(0, len(storage) + 1, length, dtype=np.int32), storage)
    kind = _TYPES[images.ndim - 1](images.shape[1:], "uint8")
    return Dataset(pa.table({**columns, "image": pa.ExtensionArray.from_storage(kind, storage)}))


def read_images(table: Dataset) -> np.ndarray:
    """The column `image` of a table: uint8 [n, C, h, w]; C is 1 where the images have two dimensions.

    Raises:
        ValueError: the column holds no images of one size in uint8.
    """
    feature = table.features.get("image")
    shape = getattr(feature, "shape", None)
    if shape is None or feature.dtype != "uint8" or None in shape or len(shape) not in _TYPES:
        raise ValueError(f"the column `image` is {feature}; needed is Array2D or Array3D of uint8, with one size")
    chunks = []
    for chunk in table.with_format("arrow")[:]["image"].chunks:
        values = chunk.storage
        for _ in shape:
            values = values.flatten()
        chunks.append(values.to_numpy(zero_copy_only=False))
    images = np.concatenate(chunks) if chunks else np.zeros(0, np.uint8)
    return images.reshape(-1, *([1] * (3 - len(shape))), *shape)


__all__ = ["image_dataset", "read_images"]
