"""The tokenizers with BERT's vocabulary against ids that published code and files gave."""

import gzip
import json
import os
from pathlib import Path

import pypinyin
import pytest

from hanziformers import ChineseBertTokenizer, MpmCnerTokenizer
from hanziformers.tokenization.pinyin import encode_pinyin

CURRENT = pypinyin.__version__.startswith("0.55.")


def reference(name: str, *more: str) -> Path:
    if not os.environ.get(name):
        pytest.skip(f"{name} does not name the folder of {'data' if 'DATA' in name else 'reference vectors'}")
    return Path(os.environ[name], *more)


@pytest.fixture(scope="module")
def vocabulary() -> str:
    return str(reference("HANZIFORMERS_DATA", "vocab", "bert-base-chinese-vocab.txt"))


@pytest.fixture(scope="module")
def published(vocabulary) -> ChineseBertTokenizer:
    return ChineseBertTokenizer(vocabulary)


@pytest.fixture(scope="module")
def lines() -> list[dict]:
    with gzip.open(reference("HANZIFORMERS_ORACLES", "chinesebert", "pinyin.jsonl.gz"), "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def test_published_texts(published, lines):
    assert len(lines) == 1015
    batch = published([line["text"] for line in lines], return_offsets_mapping=True)
    for index, line in enumerate(lines):
        assert batch["input_ids"][index] == line["input_ids"]
        assert [list(span) for span in batch["offset_mapping"][index]] == line["offsets"]
        assert batch.tokens(index) == line["tokens"]
        if CURRENT:
            assert batch["pinyin_ids"][index] == line["pinyin_ids"]
            assert published(line["text"])["pinyin_ids"] == line["pinyin_ids"]


def test_characters_of_mpm_cner_have_the_ids_of_bert(vocabulary, lines):
    """Where BERT makes one character a word of its own."""
    batch = MpmCnerTokenizer(vocabulary)([line["text"] for line in lines], return_offsets_mapping=True)
    compared = 0
    for line, ids, spans in zip(lines, batch["input_ids"], batch["offset_mapping"], strict=True):
        own = dict(zip(spans[1:-1], ids[1:-1], strict=True))
        offsets = [tuple(span) for span in line["offsets"]]
        for token, index, span in list(zip(line["tokens"], line["input_ids"], offsets, strict=True))[1:-1]:
            if span[1] - span[0] == len(token) == offsets.count(span) == 1:  # a Hangul syllable is several tokens
                assert own[span] == index, (line["text"], token)
                compared += 1
    assert compared > 20_000


def test_printed_ids(published):
    """Printed by people who had the released files, with a pypinyin that still read 那 as nei4."""
    lines = json.loads(reference("HANZIFORMERS_ORACLES", "chinesebert", "golden_real.json").read_text(encoding="utf-8"))
    assert len(lines) == 6
    different = []
    for line in lines:
        output = published(line["text"])
        if "input_ids" not in line:  # the sixth has one row for every character
            assert len(line["per_char_pinyin_ids"]) == len(line["text"])
            spans = published(line["text"], return_offsets_mapping=True)["offset_mapping"]
            for (start, end), ids in zip(spans, output["pinyin_ids"], strict=True):
                if end - start == 1:
                    assert ids == line["per_char_pinyin_ids"][start]
            continue
        assert output["input_ids"] == line["input_ids"]
        pairs = zip(output.tokens(), output["pinyin_ids"], line["pinyin_ids"], strict=True)
        different += [(token, new, old) for token, new, old in pairs if new != old]
    if CURRENT:
        assert different == [("那", encode_pinyin("na4"), encode_pinyin("nei4"))]
