"""The bank of a Glyce: statistics with the images, and which characters have ink."""

import pytest
import torch
from test_glyph_cnn import make_config, make_images

from hanziformers.modeling.glyce_bank import GlyceBank, bank_rows


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


def test_rows_of_a_batch():
    ids, rows, extras = torch.tensor([[1, 2]]), torch.tensor([[1, 7]]), torch.ones(1, 2, 9, dtype=torch.uint8)
    assert bank_rows(ids, rows, extras, (1, 2), "glyce=False") is rows
    assert bank_rows(ids, None, extras[:, :0], (1, 2), "glyce=False") is ids
    for given, more in (("inputs_embeds", (None, None, None)), ("extra_glyphs", (ids, None, extras))):
        with pytest.raises(ValueError, match=f"glyph_ids are missing beside {given}.*build the model with glyce=False"):
            bank_rows(*more, (1, 2), "glyce=False")
    with pytest.raises(ValueError, match=r"glyph_ids has the shape \(1, 2\); needed is \(1, 3\): one for each token"):
        bank_rows(ids, rows, None, (1, 3), "glyce=False")
