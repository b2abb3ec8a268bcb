"""How alike characters look."""

import numpy as np

from hanziformers.similar_glyphs import LENGTH, glyph_similarity, glyph_vectors


def test_pairs_that_people_mistake_are_near():
    """Each look-alike is nearer to its partner than everything else here is."""
    pairs = ["未末", "己已", "人入", "土士", "日目", "千干", "午牛", "休体"]
    first, second = ("".join(side) for side in zip(*pairs, strict=True))
    score = glyph_similarity(glyph_vectors(first), glyph_vectors(second))
    assert (score.argmax(1) == np.arange(len(pairs))).all()
    assert (score.diagonal() > 0.75).all()
    assert score.max() < 1


def test_vectors_are_integers_whose_products_are_exact():
    vectors = glyph_vectors("未末的")
    assert vectors.dtype == np.float32
    assert (vectors == np.rint(vectors)).all()
    assert (np.linalg.norm(vectors, axis=1) <= LENGTH).all()
    exact = vectors.astype(np.int64) @ vectors.T.astype(np.int64)
    assert (vectors @ vectors.T == exact).all()
    assert np.abs(exact).max() < 2**24
    assert glyph_similarity(vectors, vectors).diagonal().min() > 0.95


def test_a_vector_does_not_depend_on_the_others():
    assert (glyph_vectors("未末的")[1] == glyph_vectors("末")[0]).all()


def test_what_no_font_has_looks_like_nothing():
    rare = glyph_vectors(["\U0002fffd", "末"])
    assert not rare[0].any()
    assert not glyph_similarity(rare[:1], rare).any()
