"""Sentences of right text as training, validation and test data."""

import gzip
import json
from pathlib import Path

import pytest

from hanziformers.training.sentence_splits import LONGEST, SHORTEST, cut_sentences

DIGITS = "零一二三四五六七八九"


def sentence(document, number):
    return f"第{''.join(DIGITS[int(c)] for c in f'{document:03}')}篇的{DIGITS[number]}句话。"


@pytest.fixture
def corpus(tmp_path):
    """Two files of documents of five sentences, with some that do not fit."""
    odd = "短。" + "长" * (LONGEST + 1) + "。" + "abcdefgh，中文。"
    for name, first in (("a", 0), ("b", 100)):
        with gzip.open(tmp_path / f"{name}.jsonl.gz", "wt", encoding="utf-8") as file:
            for document in range(first, first + 40):
                text = "".join(sentence(document, number) for number in range(5)) + odd + "每篇都有的一句话。"
                file.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
    return [str(tmp_path / "*.jsonl.gz")]


def read(path):
    return [json.loads(line)["text"] for line in Path(path).read_text(encoding="utf-8").splitlines()]


def cut(corpus, folder, *sizes, characters=""):
    found = cut_sentences(corpus, folder, dict(zip(("train", "validation", "test"), sizes, strict=True)), characters)
    return {name: read(path) for name, path in found.items() if name != "vocab_file"}, found["vocab_file"]


def test_a_document_is_in_one_split(corpus, tmp_path):
    splits, vocabulary = cut(corpus, tmp_path / "text", 100, 20, 30, characters="龘")
    assert {name: len(texts) for name, texts in splits.items()} == {"train": 100, "validation": 20, "test": 30}
    everything = [text for texts in splits.values() for text in texts]
    assert len(set(everything)) == 150
    assert all(SHORTEST <= len(text) <= LONGEST and "abc" not in text for text in everything)
    documents = [{text[1:4] for text in texts if text.startswith("第")} for texts in splits.values()]
    assert len(set.union(*documents)) == sum(map(len, documents))
    for found in documents:  # both files give as much
        of_first = sum(name[0] == "零" for name in found)
        assert abs(2 * of_first - len(found)) <= 1
    tokens = Path(vocabulary).read_text(encoding="utf-8").splitlines()
    assert tokens[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert {*"".join(splits["train"]), "龘"} == {*tokens[5:]}


def test_the_choice_follows_from_files_and_numbers(corpus, tmp_path):
    first, again, other = (
        cut(corpus, tmp_path / name, *sizes)[0]
        for name, sizes in (
            ("1", (50, 10, 10)),
            ("2", (50, 10, 10)),
            ("3", (60, 10, 10)),
        )
    )
    assert first == again
    assert other["test"] == first["test"]
    assert set(other["train"]) != set(first["train"])


def test_what_is_there_is_used_again(corpus, tmp_path):
    splits, _ = cut(corpus, tmp_path / "text", 50, 10, 10)
    for path in tmp_path.glob("*.gz"):
        path.unlink()
    assert cut(corpus, tmp_path / "text", 50, 10, 10)[0] == splits
    with pytest.raises(ValueError, match="has sentences of other files or numbers; remove it"):
        cut(corpus, tmp_path / "text", 51, 10, 10)


def test_too_little_text(corpus, tmp_path):
    with pytest.raises(ValueError, match=r"have 3\d\d sentences for train, and 1000 are wanted: give more text"):
        cut(corpus, tmp_path / "text", 1000, 20, 30)
    assert not (tmp_path / "text").exists()
    with pytest.raises(FileNotFoundError, match="there is no file .*none.txt"):
        cut([str(tmp_path / "none.txt")], tmp_path / "text", 10, 2, 3)


def test_a_document_that_stands_twice_is_in_one_split(tmp_path):
    """It has more sentences than are taken from it at once."""
    for name in "ab":
        texts = [
            "".join(f"第{document}篇的{one}{two}句话。" for one in DIGITS for two in DIGITS[:5]) for document in DIGITS
        ]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in texts * 2))
    splits, _ = cut([str(tmp_path / "*.jsonl")], tmp_path / "text", 120, 40, 40)
    documents = [{text[1] for text in texts} for texts in splits.values()]
    assert len(set.union(*documents)) == sum(map(len, documents))
