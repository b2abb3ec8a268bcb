"""Biaffine attention against loops, and dropout that a sentence shares."""

import pytest
import torch

from hanziformers.modeling.biaffine import Biaffine, BiaffineMLP, SharedDropout


@pytest.mark.parametrize("head_bias", [False, True])
def test_scores_are_those_of_the_equation(head_bias):
    layer = Biaffine(3, outputs=2, head_bias=head_bias).double()
    torch.nn.init.normal_(layer.weight)
    words, heads = torch.randn(2, 4, 3).double(), torch.randn(2, 5, 3).double()
    scores = layer(words, heads)
    assert scores.shape == (2, 2, 4, 5)
    one = torch.ones(1).double()
    for row in range(2):
        for word in range(4):
            for head in range(5):
                left = torch.cat([words[row, word], one])
                right = torch.cat([heads[row, head], one]) if head_bias else heads[row, head]
                for output in range(2):
                    expected = left @ layer.weight[output] @ right
                    torch.testing.assert_close(scores[row, output, word, head], expected)


def test_of_pairs_are_the_same_scores():
    layer = Biaffine(3, outputs=4, head_bias=True)
    torch.nn.init.normal_(layer.weight)
    words, heads = torch.randn(2, 5, 3), torch.randn(2, 5, 3)
    expected = layer(words, heads).diagonal(dim1=2, dim2=3).transpose(1, 2)  # [B, T, K]
    torch.testing.assert_close(layer.of_pairs(words, heads), expected)


def test_all_scores_are_0_at_first_and_learn():
    layer = Biaffine(3)
    scores = layer(torch.randn(1, 2, 3), torch.randn(1, 2, 3))
    assert not scores.any()
    scores.sum().backward()
    assert layer.weight.grad.abs().sum() > 0


def test_a_sentence_shares_its_dropout():
    layer, vectors = SharedDropout(0.5), torch.ones(40, 6, 8)
    dropped = layer(vectors)
    assert (dropped == dropped[:, :1]).all()  # at all positions the same
    assert not (dropped == dropped[:1]).all()  # but not in all sentences
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert layer.eval()(vectors) is vectors
    assert layer.train()(vectors[:, :0]).shape == (40, 0, 8)


def test_mlp():
    layer = BiaffineMLP(4, 3, 0.5).eval()
    hidden = torch.randn(2, 5, 4)
    linear = layer.dense(hidden)
    torch.testing.assert_close(layer(hidden), torch.where(linear > 0, linear, 0.1 * linear))
