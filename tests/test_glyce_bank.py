"""The bank of a Glyce: statistics with the images, and which characters have ink."""

import pytest
import torch
from test_glyph_cnn import make_config, make_images

from hanziformers.modeling.glyce_bank import GlyceBank


def test_images_bring_their_statistics():
    bank, images = GlyceBank(make_config(vocab_size=7)), make_images()
    assert not bank.encoder.has_statistics
    bank.set_glyphs(images)
    torch.testing.assert_close(bank.encoder.mean, images.float().mean((0, 2, 3)) / 255)
    bank.set_glyphs(255 - images.numpy())
    torch.testing.assert_close(bank.encoder.mean, 1 - images.float().mean((0, 2, 3)) / 255)


def test_further_characters_leave_the_vectors_of_the_others():
    bank, images = GlyceBank(make_config(vocab_size=7)).eval(), make_images()
    bank.set_glyphs(images[:5], range(5))  # the first ones are those that the CNN learns
    before = bank(torch.arange(5)).detach()
    bank.set_glyphs(images[5:], [5, 6])
    assert torch.equal(bank(torch.arange(5)), before)
    with torch.no_grad():
        kept = bank(torch.arange(7))
    other = GlyceBank(make_config(vocab_size=7)).eval()
    other.load_state_dict(bank.state_dict())
    assert torch.equal(other(torch.arange(7)), kept)


def test_new_statistics_make_new_vectors():
    bank, images = GlyceBank(make_config(vocab_size=7)).eval(), make_images()
    bank.set_glyphs(images)
    with torch.no_grad():
        bank(torch.arange(7))  # kept in the table
        bank.encoder.set_statistics(images // 3)
        torch.testing.assert_close(bank(torch.arange(7)), bank.encoder(images / 255))


@pytest.mark.parametrize("shape", [(2, 4), (8,), (1, 2, 4)])
def test_which_have_ink(shape):
    bank, images = GlyceBank(make_config(vocab_size=7)), make_images()
    images[:2], images[3, 0] = 0, 0  # blank, and blank in one script
    bank.set_glyphs(images)
    ids = torch.tensor([0, 1, 2, 3, 6, 7, 9, 1]).view(shape)  # from 7 on: an example's own characters
    assert bank.has_ink(ids).flatten().tolist() == [False, False, True, True, True, False, False, False]
