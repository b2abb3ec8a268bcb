"""GlyceWordEmbedding: padding has no part in a word, whatever stands in it and however much there is."""

import pytest
import torch
from test_glyce_embeddings import build as build_characters
from test_glyce_embeddings import sizes_of_calls
from test_glyph_cnn import make_images
from torch.nn import functional as F

from hanziformers import GlyceWordEmbedding

WORDS = torch.tensor([[[5, 7, 9], [4, 0, 0], [0, 0, 0]], [[5, 5, -1], [-1, -1, -1], [19, 0, -1]]])


def build(pooling="max", **arguments):
    return GlyceWordEmbedding(build_characters(), pooling, **arguments)


def naive(embedding, word):
    """One word without its padding."""
    ids = [index for index in word.tolist() if index > 0]
    if not ids:
        return torch.zeros(embedding.embedding_dim)
    vectors = embedding.characters(torch.tensor(ids))
    if embedding.convolution is not None:
        padded = torch.cat([vectors, vectors.new_zeros(embedding.ngram - 1, vectors.shape[-1])])
        grams = [padded[start : start + embedding.ngram] for start in range(len(ids))]
        weight, bias = embedding.convolution.weight, embedding.convolution.bias
        vectors = torch.stack([F.conv1d(gram.T[None], weight, bias)[0, :, 0].relu() for gram in grams])
    return vectors.amax(0)


VARIANTS = [("max", {}), ("cnn", {}), ("cnn", {"ngram": 1, "word_dim": 7}), ("cnn", {"ngram": 3, "word_dim": 50})]


@pytest.mark.parametrize(("pooling", "arguments"), VARIANTS)
def test_equal_to_words_without_padding(pooling, arguments):
    embedding = build(pooling, **arguments).eval()
    found = embedding(WORDS)
    assert found.shape == (2, 3, embedding.embedding_dim)
    for word, vector in zip(WORDS.flatten(0, 1), found.flatten(0, 1), strict=True):
        torch.testing.assert_close(vector, naive(embedding, word))


@pytest.mark.parametrize(("pooling", "arguments"), VARIANTS)
@pytest.mark.parametrize("filling", [0, -1, -100])
def test_padding_has_no_part(pooling, arguments, filling):
    embedding = build(pooling, **arguments).eval()
    with torch.no_grad():  # the vector of padding would be the largest, and that of a negative id another one
        embedding.characters.ids.weight[0] = 100
    wanted = embedding(WORDS)
    filled = F.pad(WORDS.masked_fill(WORDS <= 0, filling), (0, 3), value=filling)
    torch.testing.assert_close(embedding(filled), wanted)
    torch.testing.assert_close(embedding(WORDS[:, :1]), wanted[:, :1])


@pytest.mark.parametrize("pooling", ["max", "cnn"])
def test_padding_has_no_gradient(pooling):
    embedding = build(pooling)
    embedding.characters.ids.padding_idx = None  # torch would hide it
    vectors = embedding(WORDS)
    vectors.square().sum().backward()
    used = embedding.characters.ids.weight.grad.any(-1).nonzero().flatten().tolist()
    assert used == [4, 5, 7, 9, 19]
    assert all(weight.grad.isfinite().all() for name, weight in embedding.named_parameters() if weight.grad is not None)


def test_without_an_id_of_padding_zero_is_a_character():
    characters = build_characters(fields={"pad_token_id": None}).eval()
    embedding, words = GlyceWordEmbedding(characters), torch.tensor([[0, 5], [0, -1]])
    torch.testing.assert_close(embedding(words)[1], characters(torch.tensor(0)))


@pytest.mark.parametrize("shape", [(4, 0), (0, 3), (2, 0, 3)])
@pytest.mark.parametrize("pooling", ["max", "cnn"])
def test_words_of_nothing(shape, pooling):
    embedding = build(pooling)
    assert torch.equal(
        embedding(torch.zeros(shape, dtype=torch.long)), torch.zeros(*shape[:-1], embedding.embedding_dim)
    )


def test_image_loss_is_that_of_the_characters():
    embedding = build()
    characters = WORDS[WORDS > 0][None]
    wanted = embedding.characters.image_loss(characters).item()
    assert embedding.image_loss(WORDS).item() == pytest.approx(wanted, abs=1e-6)
    sizes = sizes_of_calls(embedding.characters)
    vectors, loss = embedding.forward_with_loss(WORDS)
    assert sizes == [6]  # the distinct ones and padding, once
    assert loss.item() == pytest.approx(wanted, abs=1e-6)
    torch.testing.assert_close(vectors, embedding(WORDS))


def test_ids_that_do_not_exist():
    with pytest.raises(ValueError, match="ids holds 20; allowed are 0 to 19"):
        build()(torch.tensor([[[1, 20]]]))


@pytest.mark.parametrize(
    ("pooling", "arguments", "message"),
    [
        ("mean", {}, "pooling='mean' is not allowed; allowed is 'max' or 'cnn'"),
        ("cnn", {"ngram": 0}, "ngram=0 is not allowed"),
        ("cnn", {"ngram": 2.0}, "ngram=2.0 is not allowed"),
        ("cnn", {"word_dim": 0}, "word_dim=0 is not allowed"),
        ("max", {"word_dim": 7}, "word_dim=7 is not allowed with pooling='max'"),
    ],
)
def test_arguments_that_are_refused(pooling, arguments, message):
    with pytest.raises(ValueError, match=message):
        build(pooling, **arguments)


def test_a_compiled_graph_gives_the_same_and_serves_other_batches():
    embedding = build("cnn").eval()
    compiled = torch.compile(embedding, fullgraph=True, backend="eager", dynamic=True)
    for words in (WORDS, WORDS[:, :2, :2]):
        torch.testing.assert_close(compiled(words), embedding(words))


def test_characters_of_an_example_alone():
    embedding = GlyceWordEmbedding(build_characters(features="glyph")).eval()
    characters, extras = embedding.characters, make_images(4).view(2, 2, -1)
    words = torch.tensor([[[5, 20, -1], [0, -1, 0]], [[21, -1, -1], [20, 21, 3]]])
    found = embedding(words, extras)
    vectors = characters(words.clamp(min=0).flatten(1), extras).view(2, 2, 3, -1)
    torch.testing.assert_close(found[0, 0], vectors[0, 0, :2].amax(0))
    assert not found[0, 1].any()
    torch.testing.assert_close(found[1], torch.stack([vectors[1, 0, 0], vectors[1, 1].amax(0)]))
    with_loss, loss = embedding.forward_with_loss(words, extra_glyphs=extras)
    torch.testing.assert_close(with_loss, found)
    torch.testing.assert_close(loss, characters.image_loss(torch.tensor([[5, 3]])))  # those of extras have no class


def test_words_that_do_not_count_in_the_image_loss():
    embedding, mask = build(), torch.tensor([[1, 0, 1], [0, 1, 0]])
    wanted = embedding.characters.image_loss(torch.tensor([[5, 7, 9]]))
    torch.testing.assert_close(embedding.image_loss(WORDS, mask), wanted)
    torch.testing.assert_close(embedding.forward_with_loss(WORDS, mask)[1], wanted)
    with pytest.raises(ValueError, match=r"mask has the shape \(3, 2\); needed is that of words, \(2, 3\)"):
        embedding.image_loss(WORDS, mask.T)
