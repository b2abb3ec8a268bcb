"""Errors made in right text."""

from collections import Counter

import numpy as np
import pytest
from process_tools import run_program
from test_confusion_sets import SOME

from hanziformers.confusion_sets import KINDS, common_characters, kinds_of
from hanziformers.training.spelling_data import find_kinds
from hanziformers.training.spelling_errors import ErrorMaker, ErrorOptions

TEXTS = ["未来在人，ABC 123。", "请你再来的土地", "本来清静的日子 a未b", "", "abc", "我们在清晨休息", "㐂未𰻝"]
PROGRAM = """
import sys
from hanziformers.training.spelling_errors import ErrorMaker, ErrorOptions
for row in ErrorMaker(ErrorOptions(rate=0.5, characters=sys.argv[1]), seed=3)(sys.argv[2:]):
    print(*row, sep="|")
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("characters") / "some.txt"
    path.write_text(SOME + "，a\n", encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def maker(path):
    return ErrorMaker(ErrorOptions(rate=0.5, characters=path), seed=3)


def test_only_chinese_characters_change_and_every_error_has_its_kind(maker):
    for copy in range(20):
        for text, (made, kinds) in zip(TEXTS, maker(TEXTS, copy), strict=True):
            assert len(made) == len(text)
            changed = [(a, b) for a, b in zip(text, made, strict=True) if a != b]
            assert len(kinds) == len(changed)
            assert all(a > "\u33ff" and b in SOME for a, b in changed)
            assert {*kinds} <= {*KINDS}


def test_kinds_are_what_they_say(maker):
    """By the two similarities, compared for each pair by itself; readings are those in the text."""
    text = "未己人土日清休"  # one reading each
    for copy in range(10):
        made, kinds = maker([text], copy)[0]
        pairs = [(a, b) for a, b in zip(text, made, strict=True) if a != b]
        for (a, b), kind in zip(pairs, kinds, strict=True):
            column = maker._sets.candidates.index(b)
            alike = maker._sets.by_glyph([a])[0, column], maker._sets.by_sound([a])[0, column]
            assert KINDS[kinds_of(*map(np.array, alike))] == kind


def test_a_text_has_its_errors_whatever_stands_beside_it(maker, path):
    together = maker(TEXTS)
    other = ErrorMaker(maker.options, seed=3)
    assert [other([text])[0] for text in TEXTS[::-1]] == together[::-1]
    assert maker(TEXTS, copy=1) != together
    assert ErrorMaker(maker.options, seed=4)(TEXTS) != together
    done = run_program(PROGRAM, path, *TEXTS)
    assert done.stdout == "".join(f"{text}|{kinds}\n" for text, kinds in together), done.stderr


def test_the_reading_in_the_text_counts(path):
    """的 of 的确 reads di2, elsewhere de: 得 is its homophone only there."""
    maker = ErrorMaker(ErrorOptions(rate=1, mix="homophone=1", characters=path))
    assert {maker(["土的确"], copy)[0].text[1] for copy in range(20)}.isdisjoint("得地")
    assert {maker(["我的"], copy)[0].text[1] for copy in range(20)} == {*"得地"}


def test_rate_and_mix(path):
    text = ["未己人土日清在的请休" * 100]
    for rate in (0, 0.2, 1):
        made, kinds = ErrorMaker(ErrorOptions(rate=rate, characters=path))(text)[0]
        assert len(kinds) / 1000 == pytest.approx(rate, abs=0.05)
    only = ErrorMaker(ErrorOptions(rate=1, mix=" look_and_sound = 2, homophone=0", characters=path))
    counts = Counter(only(text)[0].kinds)
    assert {*counts} == {"look_and_sound"}
    assert 0 < counts["look_and_sound"] < 1000  # most characters have none, and stay right
    even = ErrorMaker(ErrorOptions(rate=1, mix="look_alike=1,near_homophone=3", characters=path))
    counts = Counter(even(["清" * 1000])[0].kinds)  # has both
    if counts["look_alike"]:
        assert counts["near_homophone"] / counts["look_alike"] == pytest.approx(3, rel=0.3)


def test_common_characters_are_written_by_default():
    made = ErrorMaker(ErrorOptions(rate=1))(["我们在学校上课"])[0]
    assert len(made.kinds) == 7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": -0.1}, "error_rate=-0.1 is not allowed; give a probability"),
        ({"rate": float("nan")}, "error_rate=nan is not allowed"),
        ({"mix": "typo=1"}, "'typo=1' is not allowed; give kind=weight.*look_alike, homophone"),
        ({"mix": ""}, "'' is not allowed"),
        ({"mix": "homophone"}, "'homophone' is not allowed"),
        ({"mix": "homophone=x"}, "'homophone=x' is not allowed"),
        ({"mix": "homophone=1,look_alike=-1"}, "'look_alike=-1' is not allowed"),
        ({"mix": "homophone=nan"}, "'homophone=nan' is not allowed"),
        ({"mix": "homophone=0"}, "has no weight above 0"),
        ({"mix": "homophone=1,look_alike=1,homophone=0"}, "'homophone=0' is not allowed; .*each kind once"),
        ({"mix": "homophone=1e308,look_alike=1e308"}, "has weights whose sum is infinite; give smaller ones"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        ErrorOptions(**options)


def test_traditional_text_gets_traditional_errors():
    text, simplified = "我們在學校讀書，這裡說國語。", {*common_characters("simplified")}
    traditional = {*common_characters("traditional")}
    maker = ErrorMaker(ErrorOptions(rate=1, characters="traditional"))
    written = [maker([text], copy)[0] for copy in range(5)]
    changed = [(a, b) for made, _ in written for a, b in zip(text, made, strict=True) if a != b]
    assert len(changed) == sum(len(kinds) for _, kinds in written) > 50
    assert {b for _, b in changed} <= traditional
    assert {b for _, b in changed} - simplified
    pairs = [(made, text) for made, _ in written]
    assert sum(kind == "other" for kinds in find_kinds(pairs) for kind in kinds) == 0


def test_files_of_characters(tmp_path):
    (tmp_path / "latin.txt").write_text("abc", encoding="utf-8")
    with pytest.raises(ValueError, match=r"latin\.txt has no Chinese character"):
        ErrorMaker(ErrorOptions(characters=str(tmp_path / "latin.txt")))
    with pytest.raises(FileNotFoundError, match="nowhere does not exist.*give simplified or traditional"):
        ErrorMaker(ErrorOptions(characters="nowhere"))


def test_a_seed_below_0_is_refused():
    with pytest.raises(ValueError, match="error_seed=-1 is not allowed; give 0 or more"):
        ErrorMaker(ErrorOptions(), seed=-1)
