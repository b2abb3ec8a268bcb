"""Tables of images: from an array and back."""

import numpy as np
import pytest
from datasets import Array2D, Dataset, Features, Value, concatenate_datasets

from hanziformers.training.image_table import image_dataset, read_images

IMAGES = np.random.default_rng(0).integers(0, 256, (7, 3, 4, 5), dtype=np.uint8)


@pytest.mark.parametrize("images", [IMAGES, IMAGES[:, 0], IMAGES[:, :1], IMAGES[:, ::-1]])
def test_there_and_back(images, tmp_path):
    table = image_dataset(images, name=list("abcdefg"))
    assert table.column_names == ["name", "image"]
    assert np.array_equal(table[3]["image"], images[3])
    whole = images if images.ndim == 4 else images[:, None]
    assert np.array_equal(read_images(table), whole)
    assert read_images(table).dtype == np.uint8
    some = table.filter(lambda name: name in "bdg", input_columns="name", load_from_cache_file=False)
    assert np.array_equal(read_images(some), whole[[1, 3, 6]])
    assert np.array_equal(read_images(concatenate_datasets([some, table.select([0])])), whole[[1, 3, 6, 0]])
    table.save_to_disk(tmp_path / "table")
    assert np.array_equal(read_images(Dataset.load_from_disk(tmp_path / "table")), whole)


def test_a_table_that_others_made():
    features = Features({"image": Array2D((4, 5), "uint8")})
    assert np.array_equal(read_images(Dataset.from_dict({"image": IMAGES[:, 1]}, features)), IMAGES[:, 1:2])


def test_what_is_no_table_of_images_is_refused():
    for table in (
        Dataset.from_dict({"image": [1, 2]}, Features({"image": Value("uint8")})),
        Dataset.from_dict({"other": [1]}),
        Dataset.from_dict({"image": IMAGES[:, 1]}, Features({"image": Array2D((4, 5), "int32")})),
    ):
        with pytest.raises(ValueError, match="the column `image` is .*; needed is Array2D or Array3D of uint8"):
            read_images(table)
