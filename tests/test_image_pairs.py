"""Pairs of images for the Trainer."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from hanziformers.training.image_pairs import EpochSampler, ImagePairs, collate_pairs
from hanziformers.training.pair_sampling import PairSampler

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 2, 8, 9), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 3, -100, 5])


def make(flips=False, **options):
    return ImagePairs(IMAGES, LABELS, PairSampler(range(6), [0, 0, 1, 1, 2, 2], flips, seed=1), **options)


@pytest.mark.parametrize("flips", [False, True])
def test_items_are_the_pairs_of_their_epoch(flips):
    data = make(flips)
    assert len(data) == 6 * (1 + flips)
    for epoch in (0, 3, 1):
        pairs = data.pairs.epoch(epoch)
        for number in range(len(data)):
            item = data[epoch * len(data) + number]
            for side in (0, 1):
                image = IMAGES[pairs.rows[number, side]]
                assert np.array_equal(item["images"][side], image[..., ::-1] if pairs.flipped[number, side] else image)
            assert item["labels"].tolist() == LABELS[pairs.rows[number]].tolist()
            assert item["pair_labels"] == pairs.same[number]


@pytest.mark.parametrize("most", [0, -3])
def test_no_pairs_at_all_are_refused(most):
    with pytest.raises(ValueError, match=f"most={most} is not allowed; allowed is 1 or more pairs"):
        make(most=most)


def test_shifts_move_each_side_by_itself_and_repeat_the_edge():
    data, plain = make(shift=2), make()
    seen = set()
    for index in range(60 * 6):
        for moved, image in zip(data[index]["images"], plain[index]["images"], strict=True):
            padded = np.pad(image, ((0, 0), (2, 2), (2, 2)), mode="edge")
            found = [
                (2 - down, 2 - right)
                for down in range(5)
                for right in range(5)
                if np.array_equal(padded[:, down : down + 8, right : right + 9], moved)
            ]
            assert len(found) == 1
            seen |= set(found)
    assert len(seen) == 25
    assert np.array_equal(data[7]["images"], make(shift=2)[7]["images"])


def test_batches_of_an_epoch():
    data = make()
    sampler = EpochSampler(data)
    loader = DataLoader(data, batch_size=4, sampler=sampler, collate_fn=collate_pairs)
    seen = []
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        batches = list(loader)
        assert [len(batch["images"]) for batch in batches] == [4, 2]
        seen.append(torch.cat([batch["images"] for batch in batches]))
        expected = np.stack([data[epoch * 6 + number]["images"] for number in range(6)])
        assert np.array_equal(seen[-1].numpy(), expected)
    assert not torch.equal(*seen)
    batch = batches[0]
    assert {name: (value.dtype, tuple(value.shape)) for name, value in batch.items()} == {
        "images": (torch.uint8, (4, 2, 2, 8, 9)),
        "labels": (torch.int64, (4, 2)),
        "pair_labels": (torch.int64, (4,)),
    }


def test_most_cuts_an_epoch():
    data = make(most=4)
    assert len(data) == 4
    assert np.array_equal(data[4]["images"], make()[6]["images"])
    assert len(make(most=100)) == 6


def test_refusals():
    with pytest.raises(ValueError, match="shift=8 is not allowed; allowed is 0 to 7"):
        make(shift=8)
    with pytest.raises(ValueError, match=r"images are float64 .*; needed are uint8 \[N, C, h, w\]"):
        ImagePairs(IMAGES / 255, LABELS, make().pairs)
