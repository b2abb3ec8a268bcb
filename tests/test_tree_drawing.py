"""Trees as SVG: what stands where. What a picture looks like was looked at."""

import re
from xml.etree import ElementTree

import pytest

from hanziformers import draw_tree
from hanziformers.tree_drawing import CROSSING, PLAIN

SVG = "{http://www.w3.org/2000/svg}"
FLAT = (["我", "看", "书", "。"], [2, 0, 2, 2], ["nsubj", "root", "obj", "punct"])
CROSSED = (["鱼", "我", "知道", "猫", "吃"], [5, 3, 0, 5, 3], ["obj", "nsubj", "root", "nsubj", "ccomp"])


def texts(svg):
    return [
        (node.text, float(node.get("x")), float(node.get("y")))
        for node in ElementTree.fromstring(svg).iter(f"{SVG}text")
    ]


def arcs(svg):
    """(start, height, end, colour) of every curve."""
    found = re.findall(r'd="M (\S+) (\S+) C \S+ (\S+) \S+ \S+ (\S+) \S+" fill="none" stroke="(\S+)"', svg)
    return [(float(start), float(base) - float(top), float(end), colour) for start, base, top, end, colour in found]


def test_words_stand_in_a_row_and_arcs_between_them():
    svg = draw_tree(*FLAT, tags=["PRON", "VERB", "NOUN", "PUNCT"])
    found = texts(svg)
    words = [one for one in found if one[0] in FLAT[0]]
    assert [word for word, *_ in words] == FLAT[0]
    assert [x for _, x, _ in words] == sorted(x for _, x, _ in words)
    assert len({y for *_, y in words}) == 1
    assert [name for name, *_ in found if name in FLAT[2]] == ["nsubj", "obj", "punct", "root"]
    middles = {word: x for word, x, _ in words}
    ends = {(round(end), round(start) - round(middles["看"])) for start, _, end, _ in arcs(svg)}
    assert ends == {(round(middles["我"]), -6), (round(middles["书"]), 6), (round(middles["。"]), 6)}
    assert {colour for *_, colour in arcs(svg)} == {PLAIN}
    assert {"PRON", "VERB", "NOUN", "PUNCT"} <= {name for name, *_ in found}


def test_an_arc_lies_above_those_inside_of_it():
    heights = sorted(height for _, height, *_ in arcs(draw_tree(["a"] * 4, [0, 1, 1, 1], ["root", "x", "x", "x"])))
    assert heights == [40, 80, 120]


def test_arcs_that_cross_are_of_another_colour_and_height():
    found = arcs(draw_tree(*CROSSED))
    assert [colour for *_, colour in found].count(CROSSING) == 1  # it crosses the arrow of the root
    found = arcs(draw_tree(["a", "b", "c", "d"], [3, 4, 0, 3], ["x", "x", "root", "x"]))
    crossing = {height for _, height, _, colour in found if colour == CROSSING}
    assert len(crossing) == 2


def test_relations_have_room_between_neighbours():
    svg = draw_tree(["我", "看"], [2, 0], ["a very long relation", "root"])
    middles = [x for word, x, _ in texts(svg) if word in "我看"]
    assert middles[1] - middles[0] > 12 * 0.6 * len("a very long relation")


@pytest.mark.parametrize("word", ["a\x0bb", "\x01", "\ufffe", "\ud800", "\x1f𠮷"])
def test_characters_that_no_xml_holds_are_shown_as_such(tmp_path, word):
    (tmp_path / "tree.svg").write_text(draw_tree([word], [0], [f"r{word}"]), encoding="utf-8")
    shown = "".join(mark if mark in "ab𠮷" else "\ufffd" for mark in word)
    assert [text for text, *_ in texts((tmp_path / "tree.svg").read_text("utf-8"))] == [shown, f"r{shown}"]


@pytest.mark.parametrize("words", [[], ["<&\"'>"]])
def test_any_text_and_none(words):
    svg = draw_tree(words, [0] * len(words), ["root<"] * len(words))
    assert [word for word, *_ in texts(svg)] == [*words, *["root<"] * len(words)]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ((["我"], [0, 1], ["root"]), "there are 1 words and 2 heads"),
        ((["我"], [0], []), "there are 1 words and 0 relations"),
        ((["我"], [0], ["root"], []), "there are 1 words and 0 tags"),
        ((["我", "看"], [3, 0], ["a", "root"]), "the head of word 1 is 3; allowed is 0 .the root. to 2"),
        ((["我", "看"], [0, 2], ["a", "root"]), "the head of word 2 is 2; .* not the word itself"),
    ],
)
def test_what_is_refused(columns, message):
    with pytest.raises(ValueError, match=message):
        draw_tree(*columns)
