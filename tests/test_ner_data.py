"""Every form of named-entity data, every error, and the counts of the real corpora."""

import gzip
import json
import os
from pathlib import Path

import datasets
import pytest
from datasets import ClassLabel, Dataset, Features, Sequence, Value
from seqeval.metrics.sequence_labeling import get_entities

from hanziformers.training.ner_data import FEATURES, ReadReport, from_columns, read_ner
from hanziformers.training.tag_schemes import Entity

DATA = os.environ.get("HANZIFORMERS_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="HANZIFORMERS_DATA, the folder of the corpora, is not set")


@pytest.fixture
def read(tmp_path):
    def write_and_read(content, name="data.txt", **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_ner(path, **options)

    return write_and_read


def rows(dataset):
    return [(row["text"], [Entity(**entity) for entity in row["entities"]]) for row in dataset]


def jsonl(*records):
    return "\n".join(json.dumps(record, ensure_ascii=False) for record in records)


CHINESE = [("李雷在北京", [Entity(0, 2, "PER"), Entity(3, 5, "LOC")]), ("好", [])]
COLUMNS = "李\tB-PER\n雷\tI-PER\n在\tO\n北\tB-LOC\n京\tI-LOC\n\n好\tO"
RECORDS = jsonl(
    {"text": "李雷在北京", "label": {"LOC": {"北京": [[3, 4]]}, "PER": {"李雷": [[0, 1]]}}},
    {"text": "好", "entities": []},
)


@pytest.mark.parametrize(
    "content",
    [
        COLUMNS,
        COLUMNS + "\n",
        COLUMNS + "\n\n\n",
        "\n \n" + COLUMNS,
        COLUMNS.replace("\t", " "),
        COLUMNS.replace("\t", "   "),
        COLUMNS.replace("\t", "\tNN\t"),
        COLUMNS.replace("\n", "\r\n"),
        "\ufeff" + COLUMNS,
        gzip.compress(COLUMNS.encode(), mtime=0),
        RECORDS,
        RECORDS.replace("\n", "\r\n\r\n"),
        "\ufeff" + RECORDS,
    ],
)
def test_forms_of_a_file_read_alike(read, content):
    dataset, report = read(content)
    assert rows(dataset) == CHINESE
    assert dataset.features == FEATURES
    assert (report.sentences, report.entities, report.repairs, report.overlapping) == (2, 2, 0, 0)


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.json.gz", "a.jsonl.gz"])
def test_json_by_name(read, name):
    content = " " + RECORDS.replace('{"', '{ "')  # not to be known by its first characters
    dataset, report = read(gzip.compress(content.encode(), mtime=0) if name.endswith("gz") else content, name)
    assert rows(dataset) == CHINESE
    assert report.scheme is None


def test_report_names_everything_met(read):
    dataset, report = read("-DOCSTART- -X- O\n\n李 B-PER\n雷 M-PER\n-DOCSTART- -X- O\n京 S-LOC\n")
    assert rows(dataset) == [("李雷", [Entity(0, 2, "PER")]), ("京", [Entity(0, 1, "LOC")])]
    assert report == ReadReport(
        2, 2, repairs=1, overlapping=0, scheme="BMES", document_marks=2, positions_stripped=False
    )


@pytest.mark.parametrize(
    ("line", "token"),
    [
        ("\u3000\tO", "\u3000"),
        (" \tO", " "),
        ("\t\tO", "\t"),
        ("\u3000 O", "\u3000"),
        ("  O", " "),
        ("\u2028\tO", "\u2028"),
    ],
)
def test_whitespace_tokens_are_kept(read, line, token):
    dataset, _ = read(f"李\tB-PER\n{line}\n京\tB-LOC\n")
    assert rows(dataset) == [(f"李{token}京", [Entity(0, 1, "PER"), Entity(2, 3, "LOC")])]


def test_positions_within_words_are_stripped(read):
    long, ten = (
        "".join(f"{character}{position}\tO\n" for position, character in enumerate(word))
        for word in ("abcdefghijklm", "nopqrstuvw")
    )
    content = f"50\tO\n李0\tB-PER\n雷1\tI-PER\n 0\tO\n{long}{ten}10\tO\n\n京0\tB-LOC\n"
    dataset, report = read(content)
    assert rows(dataset) == [("5李雷 abcdefghijklmnopqrstuvw1", [Entity(1, 3, "PER")]), ("京", [Entity(0, 1, "LOC")])]
    assert report.positions_stripped


@pytest.mark.parametrize("odd", ["李", "5", "ab", "\n李1"])
def test_digits_stay_unless_every_token_has_its_position(read, odd):
    dataset, report = read(f"50\tB-NUM\n李0\tO\n{odd}\tO\n")
    assert "".join(dataset["text"]) == "50李0" + odd.strip()
    assert not report.positions_stripped


def test_words_are_joined_with_the_joiner(read):
    tagged = [("New", "B-LOC"), ("York", "I-LOC"), ("calls", "O"), ("Ann", "B-PER")]
    expected = [("New York calls Ann", [Entity(0, 8, "LOC"), Entity(15, 18, "PER")])]
    tokens, tags = ([pair[side] for pair in tagged] for side in (0, 1))
    assert rows(read("\n".join(map(" ".join, tagged)), joiner=" ")[0]) == expected
    assert rows(read(jsonl({"tokens": tokens, "tags": tags}), joiner=" ")[0]) == expected
    assert rows(from_columns(Dataset.from_dict({"tokens": [tokens], "tags": [tags]}), joiner=" ")[0]) == expected


@pytest.mark.parametrize("column", ["ner_tags", "tags", "labels"])
def test_json_tokens(read, column):
    dataset, report = read(jsonl({"tokens": list("李雷好"), column: ["B-PER", "E-PER", "O"], "id": 1}))
    assert rows(dataset) == [("李雷好", [Entity(0, 2, "PER")])]
    assert report.scheme == "BIOES"


def test_the_own_text_of_an_entity_fits_its_offsets(read):
    entities = [
        {"start": 0, "end": 5, "label": "PER", "text": "Li  Le"},
        {"start": 0, "end": 2, "label": "X", "text": 5},
    ]
    dataset, _ = read(jsonl({"text": "Li Lei", "entities": entities}))
    assert rows(dataset) == [("Li Lei", [Entity(0, 2, "X"), Entity(0, 5, "PER")])]


def test_overlapping_entities_stay_sorted_and_are_counted(read):
    spans = [(3, 5, "LOC"), (0, 5, "ORG"), (0, 2, "PER")]
    entities = [{"start": start, "end": end, "label": label} for start, end, label in spans]
    dataset, report = read(jsonl({"text": "李雷在北京", "entities": entities}))
    assert rows(dataset)[0][1] == [Entity(0, 2, "PER"), Entity(0, 5, "ORG"), Entity(3, 5, "LOC")]
    assert (report.entities, report.overlapping) == (3, 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("李 O\n雷 NN O\n", r"data.txt, line 2: '雷 NN O' has the columns .*expected 2.*write one token"),
        ("李 NN O\n\n雷 O\n", r"line 3: .*expected 3"),
        ("李\n", r"line 1: '李' .*expected 2"),
        ("李\tO\n雷\t\n", r"line 2: .*one tag"),
        ("李\tO\n\tO\n", r"line 2: .*one token"),
        ("李\tO\n\u3000\n", r"line 2: '\\u3000'"),
        ("李 B-PER\n雷 X-PER\n", r"data.txt: tags of no known scheme.*'X-PER'"),
        ("", "data.txt is empty"),
        (" \n\n", "data.txt is empty"),
        ("-DOCSTART- O\n\n", "data.txt has no sentence"),
        ("李 O\n雷 O\n".encode("gb18030"), r"data.txt, line 1: byte 0xc0 is not UTF-8; convert.*iconv"),
        ("李 O\n".encode() + b"\xff O\n", r"line 2: byte 0xff is not UTF-8"),
        (gzip.compress(b"x O\n" * 99, mtime=0)[:-9], "damaged gzip file"),
    ],
)
def test_token_file_errors(read, content, message):
    with pytest.raises(ValueError, match=message):
        read(content)


GOOD = jsonl({"text": "李雷", "entities": []}) + "\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "李', "is not JSON .*one JSON object per line"),
        ("[1, 2]", "is a list, expected one JSON object"),
        ('{"text": "李"}', "no known form.*text with entities.*tokens with one of ner_tags.*CLUENER"),
        ('{"text": "李", "label": "PER"}', "no known form"),
        ('{"tokens": ["李"], "text": 5}', "no known form"),
        (
            '{"text": "李雷", "label": {"PER": {"李雷": [[0, 0]]}}}',
            "at .0, 0. is '李' in the text, but '李雷' in the label",
        ),
        ('{"text": "李雷", "label": {"PER": {"李雷": [[0, 2]]}}}', "from 0 to 3 .*end <= 2"),
        ('{"text": "李雷", "label": {"PER": {"李雷": [[0, "1"]]}}}', "from 0 to '1'"),
        ('{"text": "李雷", "label": {"PER": {"李雷": [0, 1]}}}', "'PER' has .*expected {surface"),
        ('{"text": "李雷", "label": {"PER": [[0, 1]]}}', "'PER' has .*expected {surface"),
        ('{"text": "李雷", "entities": [{"start": 0, "end": 3, "label": "PER"}]}', "from 0 to 3 .*end <= 2"),
        ('{"text": "李雷", "entities": [{"start": -1, "end": 1, "label": "PER"}]}', "from -1 to 1"),
        ('{"text": "李雷", "entities": [{"start": 1, "end": 1, "label": "PER"}]}', "from 1 to 1"),
        ('{"text": "李雷", "entities": [{"start": 0, "end": true, "label": "PER"}]}', "from 0 to True"),
        ('{"text": "李雷", "entities": [{"start": 0, "end": 1, "label": ""}]}', "of label '' needs a label"),
        ('{"text": "李雷", "entities": [{"start": 0, "end": 1}]}', "lacks one of start, end, label"),
        ('{"text": "李雷", "entities": [[0, 1, "PER"]]}', "lacks one of start, end, label"),
        ('{"text": "李雷", "entities": {"start": 0}}', "lists of one length"),
        ('{"text": "\\ud83d", "entities": []}', "a lone surrogate"),
        (  # an inclusive end
            '{"text": "李雷好", "entities": [{"start": 0, "end": 1, "label": "PER", "text": "李雷"}]}',
            "entity 'PER' from 0 to 1 .exclusive. is '李' in the text, but '李雷' in itself",
        ),
        ('{"tokens": ["李", "雷"], "tags": ["O"]}', "not two lists of one length"),
        ('{"tokens": "李", "tags": ["O"]}', "not two lists of one length"),
        ('{"tokens": ["李"], "ner_tags": [3]}', r"strings.*not \[3\].*ClassLabel"),
        ('{"tokens": [""], "ner_tags": ["O"]}', r"not \[''\]"),
    ],
)
def test_json_errors_name_file_and_line(read, line, message):
    with pytest.raises(ValueError, match=rf"(?s)data\.jsonl, line 2.*{message}"):
        read(GOOD + line, "data.jsonl")


def test_no_such_file_and_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.txt does not exist"):
        read_ner(tmp_path / "none.txt")
    with pytest.raises(ValueError, match="is not a file; give one file"):
        read_ner(str(tmp_path))


NAMES = ["O", "B-PER", "I-PER"]
HUB = {"id": ["0", "1"], "tokens": [["李", "雷", "好"], ["好"]], "ner_tags": [[1, 2, 0], [0]]}
HUB_ROWS = [("李雷好", [Entity(0, 2, "PER")]), ("好", [])]


def hub(tag_type):
    return Features({"id": Value("string"), "tokens": Sequence(Value("string")), "ner_tags": Sequence(tag_type)})


def test_hub_ids_and_strings():
    by_id, report = from_columns(Dataset.from_dict(HUB, features=hub(ClassLabel(names=NAMES))))
    named = HUB | {"ner_tags": [[NAMES[tag] for tag in tags] for tags in HUB["ner_tags"]]}
    by_name, _ = from_columns(Dataset.from_dict(named))
    assert rows(by_id) == rows(by_name) == HUB_ROWS
    assert report == ReadReport(2, 1, 0, 0, "IOB2")


def test_hub_text_with_entities_in_either_layout():
    lists = Dataset.from_list(
        [{"text": "李雷好", "entities": [{"start": 0, "end": 2, "label": "PER"}]}], features=FEATURES
    )
    columns = {"text": ["李雷好"], "entities": [{"start": [0], "end": [2], "label": ["PER"]}]}
    assert rows(from_columns(lists)[0]) == rows(from_columns(Dataset.from_dict(columns))[0]) == HUB_ROWS[:1]


def test_own_output_is_read_unchanged(read):
    dataset, report = read(COLUMNS)
    again, second = from_columns(dataset)
    assert rows(again) == rows(dataset)
    assert second.entities == report.entities


def test_hub_errors():
    with pytest.raises(ValueError, match=r"columns \['words', 'ner_tags'\] are of no known form; rename.*tokens with"):
        from_columns(Dataset.from_dict({"words": [["李"]], "ner_tags": [["O"]]}))
    with pytest.raises(ValueError, match=r"row 0: tokens and tags are strings.*not \[1, 2, 0\].*ClassLabel"):
        from_columns(Dataset.from_dict(HUB))
    unlabelled = HUB | {"ner_tags": [[1, 2, 0], [-1]]}
    with pytest.raises(ValueError, match=r"row 1: tag ids \[-1\] outside 0\.\.2"):
        from_columns(Dataset.from_dict(unlabelled, features=hub(ClassLabel(names=NAMES))))
    with pytest.raises(ValueError, match="no known form"):
        from_columns(Dataset.from_list([{"text": "李", "entities": None}], features=FEATURES))
    with pytest.raises(ValueError, match="the dataset has no sentence"):
        from_columns(Dataset.from_dict(HUB).select([]))


def test_hub_takes_one_split_not_streamed():
    dataset = Dataset.from_dict(HUB)
    with pytest.raises(TypeError, match="not IterableDataset; .*without streaming"):
        from_columns(dataset.to_iterable_dataset())
    with pytest.raises(TypeError, match="not DatasetDict; choose one split"):
        from_columns(datasets.DatasetDict(train=dataset))


REAL = [
    ("ner_weibo/weiboNER_2nd_conll.train", ReadReport(1350, 1895, 10, 0, "IOB2", 0, True)),
    ("ner_weibo/weiboNER_2nd_conll.dev", ReadReport(270, 389, 0, 0, "IOB2", 0, True)),
    ("ner_weibo/weiboNER_2nd_conll.test", ReadReport(270, 418, 4, 0, "IOB2", 0, True)),
    ("ner_resume/train.char.bmes", ReadReport(3821, 13440, 4, 0, "BMES")),
    ("ner_resume/dev.char.bmes", ReadReport(463, 1497, 0, 0, "BMES")),
    ("ner_resume/test.char.bmes", ReadReport(477, 1630, 0, 0, "BMES")),
    ("ner_cluener2020/train.json", ReadReport(10748, 23972, 0, 2)),
    ("ner_cluener2020/test.json", ReadReport(1343, 3072, 0, 0)),
]


@needs_data
@pytest.mark.parametrize(("name", "expected"), REAL)
def test_real_counts(name, expected):
    assert read_ner(Path(DATA, name))[1] == expected


@needs_data
@pytest.mark.parametrize("name", [name for name, _ in REAL[:6]])
def test_real_token_files_match_seqeval(name):
    blocks = Path(DATA, name).read_text(encoding="utf-8").strip().split("\n\n")
    dataset, _ = read_ner(Path(DATA, name))
    assert len(blocks) == len(dataset)
    for block, (text, entities) in zip(blocks, rows(dataset), strict=True):
        tokens, tags = zip(*(line.split() for line in block.split("\n")), strict=True)
        # Weibo: one character and its position in the word; for an emoji two replacement characters
        widths = [2 if token.startswith("\ufffd\ufffd") else 1 for token in tokens]
        assert text == "".join(token[:width] for token, width in zip(tokens, widths, strict=True))
        found = get_entities([tag.replace("M-", "I-", 1) if tag.startswith("M-") else tag for tag in tags])
        spans = [Entity(sum(widths[:start]), sum(widths[: last + 1]), label) for label, start, last in found]
        assert entities == spans


@needs_data
@pytest.mark.parametrize("name", ["train.json", "test.json"])
def test_real_cluener_surfaces(name):
    path = Path(DATA, "ner_cluener2020", name)
    with path.open(encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    for record, (text, entities) in zip(records, rows(read_ner(path)[0]), strict=True):
        labels = record["label"].items()
        expected = [(label, surface) for label, found in labels for surface, spans in found.items() for _ in spans]
        assert text == record["text"]
        assert sorted((entity.label, text[entity.start : entity.end]) for entity in entities) == sorted(expected)
        assert entities == sorted(entities)


def column(tokens, tags):
    return "\n".join(map("\t".join, zip(tokens, tags, strict=True))) + "\n\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (column("我去北京", "0056"), r"data.txt: .*first is at .*data.txt, line 1: '我' has the tag '0'"),
        (column("我去北京", "OO56"), r"line 3: '北' has the tag '5'"),
        (column("我去北京", ["O", "O", "B-LOC", "_"]), r"line 4: '京' has the tag '_'"),
        (column("李雷", ["none", "PER"]), r"line 1: '李' has the tag 'none'"),
        (column("我去北京", ["PN", "VV", "NR", "NR"]), r"line 1: '我' has the tag 'PN'"),  # parts of speech
        (column("我去北京", "我去北京"), r"line 1: '我' has the tag '我'"),
        (column("OAC", "OAC"), r"line 2: 'A' has the tag 'A', one of 2 that are words of the text"),
        (column("我去北京", ["SpaceAfter=No", "_", "_", "O"]), "has the tag 'SpaceAfter=No'|has the tag '_'"),
        (column("字" * 120, ["O", *map(chr, range(0x4E00, 0x4E77))]), "one of 119 that are words of the text"),
        (column("我去", ["文字", "O"]) + "word label\n", "line 4: 'word' has the tag 'label'"),
        ("我是谁\t我是\t0\n你好\t好\t1\n", r"line 1: '我是谁' has the tag '0'"),  # text pairs
        (jsonl({"tokens": ["我", "去"], "tags": ["0", "5"]}), r"data.txt, line 1, token 1: '我' has the tag '0'"),
        ("李\tB-PER\n。\tO\n雷\tB-PER\n", r"data.txt, line 1: no blank line ends a sentence"),
    ],
)
def test_a_column_of_something_else_is_refused(read, content, message):
    with pytest.raises(ValueError, match=message):
        read(content)


def test_a_file_without_blank_lines_says_that_it_is_one_sentence(read, warnings):
    assert rows(read("李\tB-PER\n雷\tI-PER")[0])[0][0] == "李雷"
    assert "data.txt, line 1: the whole file is one sentence of 2 tokens, as no blank line ends one" in warnings[0]


def test_tokens_that_begin_as_json_are_read_as_the_error_says(read):
    content = '["x" O\n天 O\n\n'
    with pytest.raises(ValueError, match="is not JSON .*give it -DOCSTART- as its first line"):
        read(content)
    assert rows(read("-DOCSTART-\n" + content)[0]) == [('["x"天', [])]


def test_a_blank_line_at_the_end_says_that_a_file_is_one_sentence(read):
    for blank in ("\n", " \n", "\t\n", "\r\n\r\n"):
        assert rows(read("李\tB-PER\n。\tO\n雷\tB-PER\n" + blank)[0])[0][0] == "李。雷"


@pytest.mark.parametrize("end", ["\r", "\r\n", "\r\r\n"])
def test_line_ends_of_every_kind(read, end):
    for content in (COLUMNS, COLUMNS + "\n", RECORDS, RECORDS + "\n"):
        assert rows(read(content.replace("\n", end))[0]) == CHINESE


@pytest.mark.parametrize("codec", ["utf-16", "utf-32"])
def test_a_mark_says_the_encoding(read, codec):
    assert rows(read(COLUMNS.encode(codec))[0]) == rows(read(RECORDS.encode(codec))[0]) == CHINESE


@pytest.mark.parametrize("name", ["a.JSONL", "a.ndjson", "wiki_00", "a[1]*.txt"])
def test_json_by_content(read, name):
    """One object per line, or all in one list, whatever the name."""
    assert rows(read(RECORDS.replace('{"', '{ "'), name)[0]) == CHINESE
    assert rows(read(json.dumps([json.loads(line) for line in RECORDS.split("\n")], indent=1), name)[0]) == CHINESE


def test_errors_stay_short(read):
    text = "天" * 1_000_000
    for content in (
        text,
        f"{text} O x\n{text} O",
        f"我 {text}",
        jsonl({"text": text, "label": {"x": {text[1:]: [[0, 1]]}}}),
        "{" + text,
    ):
        with pytest.raises(ValueError, match="data.json") as caught:
            read(content, "data.json" if content[0] == "{" else "data.jsonx")
        assert len(str(caught.value)) < 1500
