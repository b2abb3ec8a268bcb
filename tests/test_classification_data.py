"""Every form of texts with labels, every error, and the counts of the real data sets."""

import bz2
import gzip
import json
import os
from pathlib import Path

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Sequence, Value

from hanziformers.training.classification_data import ReadReport, from_dataset, read_classification, sort_labels

DATA = os.environ.get("HANZIFORMERS_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="HANZIFORMERS_DATA, the folder of the data sets, is not set")


@pytest.fixture
def read(tmp_path):
    def write_and_read(content, name="data.tsv", **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_classification(path, **options)

    return write_and_read


def rows(dataset):
    return [tuple(row.values()) for row in dataset]


def jsonl(*records):
    return "\n".join(json.dumps(record, ensure_ascii=False) for record in records)


SINGLE = [('很"好"', "1"), ("不好, 贵", "0"), ("好", "1")]
TSV = 'label\ttext_a\n1\t很"好"\n0\t不好, 贵\n1\t好'
CSV = 'label,review\n1,"很""好"""\n0,"不好, 贵"\n1,好'
JSONL = jsonl(*({"sentence": text, "label": label, "keywords": ""} for text, label in SINGLE))


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (TSV, "a.tsv"),
        (TSV + "\n", "a.txt"),
        (TSV + "\n\n", "a"),
        (TSV.replace("\n", "\r\n"), "a.tsv"),
        ("\ufeff" + TSV, "a.tsv"),
        (gzip.compress(TSV.encode(), mtime=0), "a.tsv.gz"),
        (gzip.compress(TSV.encode(), mtime=0), "a.tsv"),
        (CSV, "a.csv"),
        (CSV + "\n\n", "a.csv"),
        (CSV.replace("\n", "\r\n"), "a.csv"),
        ("\ufeff" + CSV, "a.csv"),
        (gzip.compress(("\ufeff" + CSV).encode(), mtime=0), "a.csv.gz"),
        (JSONL, "a.json"),
        (JSONL, "a"),
        ("\ufeff" + JSONL.replace("\n", "\r\n\r\n"), "a.jsonl"),
        (gzip.compress(JSONL.replace('{"', '{ "').encode(), mtime=0), "a.json.gz"),
        (JSONL.replace('"1"', "1").replace('"0"', "0"), "a.json"),
    ],
)
def test_forms_of_a_file_read_alike(read, content, name):
    dataset, report = read(content, name)
    assert rows(dataset) == SINGLE
    assert dataset.features == Features({"text": Value("string"), "label": Value("string")})
    assert (report.rows, report.labels, report.unlabelled) == (3, {"0": 1, "1": 2}, 0)


def test_pairs(read):
    pairs = [("下雨了", "天湿了", "entailment"), ("下雨了", "天晴", "contradiction")]
    names = ["premise", "hypothesis", "label"]
    as_json = jsonl(*({**dict(zip(names, row, strict=True)), "genre": "tv"} for row in pairs))
    as_tsv = "\n".join("\t".join(row) for row in [names, *pairs])
    for content, name in ((as_json, "a.json"), (as_tsv, "a.tsv"), (as_tsv.replace("\t", ","), "a.csv")):
        dataset, report = read(content, name)
        assert dataset.column_names == ["text", "text_pair", "label"]
        assert rows(dataset) == pairs
        assert report.columns == ("premise", "hypothesis", "label")


def test_csv_fields_with_line_breaks_and_long_ones(read):
    long = "好" * 200_000
    dataset, report = read(f'text,label\n"好\r\n\n坏",a\n\n"{long}",b\n,a\n', "a.csv")
    assert rows(dataset) == [("好\r\n\n坏", "a"), (long, "b"), ("", "a")]
    assert (report.blank_lines, report.empty_texts) == (1, 1)


def test_quotes_of_tsv_stay_and_are_counted(read):
    dataset, report = read('text\tlabel\n"好"\ta\n"\tb\n')
    assert dataset["text"][:] == ['"好"', '"']
    assert report.quoted_fields == 1


def test_texts_stay_as_they_are_and_duplicates_too(read):
    dataset, report = read("label\ttext\na\t  \u3000好 \na \t\u2028x\x0b\na\t\na\t\n")
    assert rows(dataset) == [("  \u3000好 ", "a"), ("\u2028x\x0b", "a"), ("", "a"), ("", "a")]
    assert report.empty_texts == 2


@pytest.mark.parametrize("mark", ["null", '""', '"-"', '" "'])
def test_rows_without_label_are_kept_and_counted(read, mark):
    dataset, report = read(f'{{"text": "好", "label": {mark}}}\n{{"text": "坏"}}\n{{"text": "中", "label": "x"}}')
    assert rows(dataset) == [("好", None), ("坏", None), ("中", "x")]
    assert (report.unlabelled, report.labels) == (2, {"x": 1})


def test_data_without_labels(read):
    dataset, report = read(jsonl({"id": 0, "sentence": "好"}), "a.json")
    assert rows(dataset) == [("好", None)]
    assert (report.columns, report.labels) == (("sentence", None, None), {})


def test_minus_as_a_label_is_refused_not_lost(read):
    with pytest.raises(ValueError, match=r'line 3: "-" means that a row has no label, but "\+" is a label'):
        read("text\tlabel\n好\t+\n坏\t-\n")


def test_multi_label(read):
    expected = [("好吃又便宜", ["price", "taste"]), ("一般", []), ("贵", ["price"])]
    lists = jsonl(*({"text": text, "labels": labels} for text, labels in expected))
    columns = "text\tlabels\n好吃又便宜\tprice, taste\n一般\t\n贵\tprice,price,\n"
    for content, name, separator in ((lists, "a.json", None), (lists, "a.json", ","), (columns, "a.tsv", ",")):
        dataset, report = read(content, name, label_separator=separator)
        assert rows(dataset) == expected
        assert (report.labels, report.unlabelled) == ({"price": 2, "taste": 1}, 0)
    dataset, report = read('{"text": "好", "label": ["a"]}\n{"text": "坏", "label": null}', "a.json")
    assert rows(dataset) == [("好", ["a"]), ("坏", None)]
    assert report.unlabelled == 1
    with pytest.raises(ValueError, match="line 2 has one label, other rows have lists"):
        read('{"text": "好", "label": ["a"]}\n{"text": "坏", "label": "a"}', "a.json")


def test_columns_are_chosen_and_named(read):
    news = jsonl({"label": "108", "label_desc": "edu", "sentence": "上课", "title": "学校"})
    assert read(news, "a.json")[1].columns == ("sentence", None, "label_desc")
    assert rows(read(news, "a.json", label="label")[0]) == [("上课", "108")]
    assert rows(read(news, "a.json", text="title", pair="sentence")[0]) == [("学校", "上课", "edu")]
    pair = "TEXT_A\tText_b\tLabel\n一\t二\tx\n"
    assert rows(read(pair)[0]) == [("一", "二", "x")]
    assert rows(read(pair, text="TEXT_A")[0]) == [("一", "x")]  # a text column that is named stands alone
    assert rows(read("标签,内容\nx,一\n", "a.csv")[0]) == [("一", "x")]
    assert rows(read("kind\ttweet\nx\t一\n", text="tweet", label="kind")[0]) == [("一", "x")]


def bare(*columns):
    return "\n".join("\t".join(row) for row in zip(*columns, strict=True))


TEXTS = [f"第{number}句话" for number in range(40)]
OTHERS = [f"问题{number}" for number in range(40)]
LABELS = ["0", "1", "1", "0"] * 10


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ((TEXTS, LABELS), ("0", None, "1")),
        ((LABELS, TEXTS), ("1", None, "0")),
        ((TEXTS, OTHERS, LABELS), ("0", "1", "2")),
        ((LABELS, TEXTS, OTHERS), ("1", "2", "0")),
        ((TEXTS, OTHERS), ("0", "1", None)),
        ((TEXTS,), ("0", None, None)),
        ((TEXTS[:4], LABELS[:4]), ("0", None, "1")),
    ],
)
def test_files_without_names(read, columns, expected):
    dataset, report = read(bare(*columns), "a.txt")
    assert report.columns == expected
    for name, column in zip(("text", "text_pair", "label"), report.columns, strict=True):
        if column or name == "label":
            assert dataset[name][:] == (list(columns[int(column)]) if column else [None] * len(columns[0]))


def test_files_without_names_by_position(read):
    content = "7\t一\t二\tx\n8\t三\t四\ty\n"
    assert rows(read(content, text="1", pair="2", label="3")[0]) == [("一", "二", "x"), ("三", "四", "y")]
    assert rows(read(content, text="1")[0]) == [("一", None), ("三", None)]


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (bare(TEXTS[:4], OTHERS[:4]), {}, "what its 2 columns hold cannot be inferred.*positions, from 0 on"),
        (bare(LABELS, LABELS[::-1]), {}, "cannot be inferred"),
        (bare(TEXTS, OTHERS, TEXTS, LABELS), {}, "what its 4 columns hold"),
        (bare(map(str, range(40)), TEXTS, LABELS), {}, "cannot be inferred"),
        (bare(TEXTS, OTHERS, TEXTS), {}, "cannot be inferred"),
        ("frage\turteil\n" + bare(TEXTS, LABELS), {}, r"first line \['frage', 'urteil'\] looks like names of columns"),
        (bare(TEXTS, LABELS), {"label": "1"}, "give the position of the texts too"),
        (bare(TEXTS, LABELS), {"text": "2"}, r"no column of the first line .* is named \['2'\]; correct the name"),
        ("label,text\n1,好", {}, "'label,text' looks like CSV; give the file a name with .csv"),
        ("text\tsentence\tlabel\n一\t二\tx", {}, r"several columns of texts: \['text', 'sentence'\]"),
        ("words\tlabel\n一\tx", {}, r"no known text column, among \['words', 'label'\]; name the columns"),
        ("text\tlabel\n一\tx", {"label": "y"}, r"has no column \['y'\]; it has \['text', 'label'\]"),
        ("text\ttext\n一\tx", {}, "two columns have one name"),
        ("text\tlabel\n", {}, "no row after the names"),
        ("text\tlabel\n一\tx\n二\n", {}, r"data.tsv, line 3: \['二'\] has 1 columns, expected 2.*TAB"),
        ("text\tlabel\n\n一\ty\tx\n", {}, "data.tsv, line 3: .* has 3 columns, expected 2"),
        ("", {}, "data.tsv is empty; expected texts with labels"),
        (" \n\r\n", {}, "data.tsv is empty"),
        ("text\tlabel\n好\tx".encode("gb18030"), {}, "line 2: byte 0xba is not UTF-8; convert"),
        (gzip.compress(b"x\ty\n" * 99, mtime=0)[:-9], {}, "damaged gzip file"),
    ],
)
def test_table_errors(read, content, options, message):
    with pytest.raises(ValueError, match=message):
        read(content, **options)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('text,label\n好,x\n"好"坏,x', "data.csv, line 3: not CSV .*quotes, commas or line breaks into quotes"),
        ('text,label\n好,x\n"好\n坏,x\n', "data.csv, line 3: not CSV"),
        ("text,label\n好,贵,x", r"data.csv, line 2: \['好', '贵', 'x'\] has 3 columns, expected 2"),
    ],
)
def test_csv_errors(read, content, message):
    with pytest.raises(ValueError, match=message):
        read(content, "data.csv")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "李', "is not JSON .*one JSON object per line"),
        ("[1, 2]", "is a list, expected one JSON object"),
        ('{"label": "x"}', "'text' is None, expected a text"),
        ('{"text": 5, "label": "x"}', "'text' is 5, expected a text"),
        ('{"text": ["好"], "label": "x"}', "expected a text"),
        ('{"text": "\\ud83d", "label": "x"}', "a lone surrogate"),
        ('{"text": "好", "label": 0.5}', "'label' has 0.5, expected a string, an integer"),
        ('{"text": "好", "label": {"x": 1}}', "'label' has {'x': 1}, expected a string"),
        ('{"text": "好", "label": ["x", ""]}', "'label' has '', expected a string"),
    ],
)
def test_json_errors_name_file_and_line(read, line, message):
    with pytest.raises(ValueError, match=rf"data\.jsonl, line 2.*{message}"):
        read('{"text": "好", "label": "x"}\n' + line, "data.jsonl")


def test_no_such_file_and_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.tsv does not exist; give the path of a file of texts"):
        read_classification(tmp_path / "none.tsv")
    with pytest.raises(ValueError, match="is not a file; give one file"):
        read_classification(str(tmp_path))


def hub(label_type, labels):
    features = Features({"idx": Value("int64"), "sentence": Value("string"), "label": label_type})
    return Dataset.from_dict({"idx": [0, 1, 2], "sentence": ["好", "坏", "中"], "label": labels}, features=features)


def test_data_sets_of_the_hub():
    names = ["zwei", "eins", "null"]
    dataset, report = from_dataset(hub(ClassLabel(names=names), [1, 0, -1]))
    assert rows(dataset) == [("好", "eins"), ("坏", "zwei"), ("中", None)]
    assert report == ReadReport(3, {"zwei": 1, "eins": 1, "null": 0}, 1, 0, ("sentence", None, "label"))
    assert list(report.labels) == names  # the data set's own order
    dataset, _ = from_dataset(hub(Sequence(ClassLabel(names=names)), [[0, 2], [], None]))
    assert rows(dataset)[0] == ("好", ["zwei", "null"])
    assert rows(from_dataset(hub(Value("int64"), [1, 0, None]))[0])[1:] == [("坏", "0"), ("中", None)]
    assert rows(from_dataset(hub(Value("string"), ["a|b", "a", ""]), label_separator="|")[0]) == [
        ("好", ["a", "b"]),
        ("坏", ["a"]),
        ("中", []),
    ]
    assert rows(from_dataset(hub(Value("bool"), [True, False, None]))[0])[0] == ("好", "true")


def test_own_output_is_read_unchanged(read):
    dataset, report = read("premise\thypothesis\tlabel\n一\t二\tx\n一\t三\t-\n")
    again, second = from_dataset(dataset)
    assert rows(again) == rows(dataset)
    assert second.unlabelled == report.unlabelled == 1


def test_hub_errors():
    with pytest.raises(ValueError, match=r"row 1: 'label' has -2, outside 0\.\.1"):
        from_dataset(hub(Sequence(ClassLabel(names=["a", "b"])), [[0], [-2], [1]]))
    with pytest.raises(ValueError, match="the dataset has no known text column"):
        from_dataset(Dataset.from_dict({"words": ["x"]}))
    with pytest.raises(ValueError, match="row 0: 'text' is None, expected a text"):
        from_dataset(Dataset.from_dict({"text": [None, "x"]}))
    with pytest.raises(TypeError, match="not DatasetDict; choose one split"):
        from_dataset(DatasetDict(train=hub(Value("string"), list("abc"))))


def test_labels_are_sorted_by_value_if_all_are_integers():
    assert sort_labels(["10", "9", "-1"]) == ["-1", "9", "10"]
    assert sort_labels(["10", "9", "x"]) == ["10", "9", "x"]


SENTIMENT = ("text_a", None, "label")
NLI = ("sentence1", "sentence2", "label")
REAL = [
    ("cls_chnsenticorp/train.tsv.gz", ReadReport(9600, {"0": 4801, "1": 4799}, 0, 0, SENTIMENT)),
    ("cls_chnsenticorp/dev.tsv.gz", ReadReport(1200, {"0": 607, "1": 593}, 0, 0, SENTIMENT)),
    ("cls_chnsenticorp/test.tsv.gz", ReadReport(1200, {"0": 592, "1": 608}, 0, 0, SENTIMENT)),
    (
        "cls_hotel_htl_all/ChnSentiCorp_htl_all.csv.gz",
        ReadReport(7766, {"0": 2444, "1": 5322}, 0, 1, ("review", None, "label")),
    ),
    ("cls_tnews/test1.0.json.gz", ReadReport(10000, {}, 10000, 0, ("sentence", None, None))),
    (
        "cls_eprstmt/train_0.json",
        ReadReport(32, {"Negative": 15, "Positive": 17}, 0, 0, ("sentence", None, "label")),
    ),
    ("cls_eprstmt/test.json", ReadReport(753, {}, 753, 0, ("sentence", None, None))),
    (
        "pair_afqmc/train.txt.gz",
        ReadReport(34334, {"0": 23761, "1": 10573}, 0, 0, ("0", "1", "2"), quoted_fields=1),
    ),
    ("pair_afqmc/dev.txt.gz", ReadReport(4316, {"0": 2978, "1": 1338}, 0, 0, ("0", "1", "2"))),
    ("pair_afqmc/test.txt.gz", ReadReport(3861, {}, 3861, 0, ("0", "1", None), quoted_fields=1)),
    (
        "nli_ocnli/train.10k.json.gz",
        ReadReport(10000, {"contradiction": 3242, "entailment": 3309, "neutral": 3434}, 15, 0, NLI),
    ),
    (
        "nli_ocnli/dev.json.gz",
        ReadReport(3000, {"contradiction": 900, "entailment": 947, "neutral": 1103}, 50, 0, NLI),
    ),
    ("nli_ocnli/test.json.gz", ReadReport(3000, {}, 3000, 0, ("sentence1", "sentence2", None))),
]


@needs_data
@pytest.mark.parametrize(("name", "expected"), REAL)
def test_real_counts(name, expected):
    assert read_classification(Path(DATA, name))[1] == expected


@needs_data
def test_real_news():
    """The labels are the names of labels.json, in the rows of the file."""
    lines = gzip.decompress(Path(DATA, "cls_tnews", "dev.json.gz").read_bytes()).decode().splitlines()
    described = Path(DATA, "cls_tnews", "labels.json").read_text(encoding="utf-8").splitlines()
    names = {record["label"]: record["label_desc"] for record in map(json.loads, described)}
    expected = [(record["sentence"], names[record["label"]]) for record in map(json.loads, lines)]
    dataset, report = read_classification(Path(DATA, "cls_tnews", "dev.json.gz"))
    assert rows(dataset) == expected
    assert sorted(report.labels) == sorted(names.values())


@needs_data
def test_real_tables_match_a_plain_split():
    for name, order in (("cls_chnsenticorp/dev.tsv.gz", (1, 0)), ("pair_afqmc/dev.txt.gz", (0, 1, 2))):
        lines = gzip.decompress(Path(DATA, name).read_bytes()).decode().rstrip("\n").split("\n")
        table = [tuple(line.split("\t")[place] for place in order) for line in lines]
        found = rows(read_classification(Path(DATA, name))[0])
        assert found == table[len(table) - len(found) :]
        assert len(table) - len(found) == (1 if "chn" in name else 0)  # the line of names


@pytest.mark.parametrize("end", ["\r", "\r\n", "\r\r\n"])
def test_line_ends_of_every_kind(read, end):
    for content, name in ((TSV, "a.tsv"), (CSV, "a.csv"), (JSONL, "a"), (TSV + "\n", "a"), (JSONL + "\n", "a")):
        assert rows(read(content.replace("\n", end), name)[0]) == SINGLE


@pytest.mark.parametrize("codec", ["utf-16", "utf-32", "utf-8-sig"])
def test_a_mark_says_the_encoding(read, codec):
    for content, name in ((TSV, "a.tsv"), (CSV, "a.csv"), (JSONL, "a")):
        assert rows(read(content.encode(codec), name)[0]) == SINGLE


@pytest.mark.parametrize("name", ["a.JSONL", "a.ndjson", "a.NDJSON.gz", "a", "a.tsv", "a.csv", "a[1]*.txt"])
def test_json_by_content(read, name):
    content = JSONL.replace('{"', '{ "')
    assert rows(read(content, name)[0]) == SINGLE
    assert rows(read(json.dumps([json.loads(line) for line in content.split("\n")], indent=1), name)[0]) == SINGLE


def test_csv_by_name_in_upper_case(read):
    assert rows(read(CSV, "A.CSV")[0]) == SINGLE
    assert rows(read(bz2.compress(CSV.encode()), "A.CSV.BZ2")[0]) == SINGLE


def test_an_odd_row_does_not_decide_for_the_others(read):
    records = [{"text": f"第{number}句", "label": "x", "extra": number} for number in range(9)]
    odd = {"text": "末", "label": "y", "label_desc": "z", "text_pair": "w", "content": "v", "extra": {"deep": [None]}}
    dataset, report = read(jsonl(odd, *records), "a.json")
    assert report.columns == ("text", None, "label")
    assert report.labels == {"x": 9, "y": 1}


@pytest.mark.parametrize("odd", ["a", ["a"]])
def test_the_rarer_kind_of_label_is_the_odd_one(read, odd):
    usual = ["b"] if odd == "a" else "b"
    content = jsonl({"text": "一", "label": usual}, {"text": "二", "label": odd}, {"text": "三", "label": usual})
    with pytest.raises(
        ValueError, match=r"a.json, line 2 has .* rows have .*'a'.*; write lists everywhere, or nowhere"
    ):
        read(content, "a.json")


def test_errors_stay_short(read):
    text = "好" * 1_000_000
    for content in (
        jsonl({"text": [text]}),
        f"x\ty\n{text}",
        jsonl({"text": text})[:-2] + r'\ud83d"}',
        f"{text}\ta\tb\tc\td",
    ):
        with pytest.raises(ValueError, match="data.tsv") as caught:
            read(content)
        assert len(str(caught.value)) < 1500
