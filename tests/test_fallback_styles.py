"""Which style renders what another lacks: by itself, and in a set of styles that must not become one."""

import itertools

import pytest

from hanziformers.processors.fallback_styles import (
    FALLBACK_STYLES,
    STYLES,
    distinct_fallbacks,
    fallbacks_of,
    with_fallbacks,
)

EIGHT = ["bronze", "lishu", "seal", "wei", "traditional", "song", "fangsong", "cao"]
SHIPPED_WHOLE = {"song", "hei", "kai", "xingkai", "cao", "brush", "traditional"}
ALONE = ["song", "hei", "kai", "mine"]  # render the same in every set


def test_every_style_ends_in_song_hei_kai():
    assert set(FALLBACK_STYLES.values()) <= set(STYLES)
    for name in [*STYLES, "mine"]:
        order = with_fallbacks(name)
        assert order[0] == name
        assert len(order) == len(set(order))
        assert {"song", "hei", "kai"} <= set(order)


def test_the_eight_scripts_of_glyce():
    assert fallbacks_of(EIGHT) == {
        "bronze": [],
        "lishu": ["kai"],
        "seal": ["xingkai"],
        "wei": ["brush"],
        "traditional": with_fallbacks("traditional")[1:],
        "song": with_fallbacks("song")[1:],
        "fangsong": ["hei"],
        "cao": [],
    }


@pytest.mark.parametrize(
    "styles",
    [
        *([style] for style in STYLES),
        ["fangsong", "xingkai", "lishu"],  # ChineseBERT's
        ["song", "kai", "hei"],
        ["song", "hei", "kai", "xingkai", "cao", "brush", "traditional"],
        ["song", "xingkai", "bronze"],
        ["song", "song"],
        ["song", "mine", "other"],
    ],
)
def test_styles_that_differ_anyway_keep_their_usual_fallbacks(styles):
    assert distinct_fallbacks(styles) == {}
    assert fallbacks_of(styles) == {name: with_fallbacks(name)[1:] for name in styles}


def main_of(name, fallbacks):
    """What a style that hanziformers ships no whole font for shows of most characters; None: nothing."""
    if name in SHIPPED_WHOLE or name not in STYLES:
        return {"traditional": "song"}.get(name, name)
    return next((style for style in fallbacks if style in SHIPPED_WHOLE), None)


@pytest.mark.parametrize("number", [2, 3, 4, 8, 13, 14])
def test_no_two_styles_of_any_set_show_the_same(number):
    for styles in itertools.combinations(STYLES, number):
        found = fallbacks_of(styles)
        assert list(found) == list(styles)
        shown = [main_of(name, found[name]) for name in styles if (name, "song" in styles) != ("traditional", True)]
        shown = [one for one in shown if one]
        assert len(shown) == len(set(shown)), (styles, found)
        chosen = distinct_fallbacks(styles)
        tried = [style for fallbacks in chosen.values() for style in fallbacks]
        assert not set(tried) & set(styles)  # nobody shows what another style of the set is
        assert len(tried) == len(set(tried))
        assert not set(chosen) & {*ALONE, "traditional"}
        # one blank style at most, unless all that there is stands beside it
        everything = {"song", "hei", "kai", "xingkai", "cao", "brush"}
        assert len([name for name in styles if main_of(name, found[name]) is None]) < 2 or everything <= {*shown}


def test_the_order_of_the_styles_does_not_matter():
    expected = fallbacks_of(EIGHT)
    for styles in itertools.islice(itertools.permutations(EIGHT), 0, None, 5000):
        assert fallbacks_of(styles) == expected


def test_song_and_traditional_hold_song():
    assert fallbacks_of(["traditional", "fangsong"])["fangsong"] == ["hei"]
    assert fallbacks_of(["song", "hei", "fangsong"])["fangsong"] == ["kai"]
    assert fallbacks_of(["song", "hei", "kai", "fangsong"])["fangsong"] == []
    assert fallbacks_of(["song", "fangsong", "mine"])["mine"] == with_fallbacks("mine")[1:]


@pytest.mark.parametrize(
    ("styles", "expected"),
    [
        (["kai", "bronze", "oracle"], {"bronze": ["seal", "brush"], "oracle": []}),
        (["song", "seal", "bronze", "oracle"], {"seal": ["kai"], "bronze": ["brush"], "oracle": []}),
        (
            ["seal", "bigseal", "bronze", "oracle"],
            {"seal": ["kai"], "bigseal": ["brush"], "bronze": ["xingkai"], "oracle": []},
        ),
        (["song", "hei", "kai", "fangsong", "bronze"], {"fangsong": ["brush"], "bronze": ["seal"]}),
    ],
)
def test_one_style_of_a_set_may_be_blank_not_two(styles, expected):
    assert distinct_fallbacks(styles) == expected
