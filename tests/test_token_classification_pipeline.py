"""The pipeline class with exact grouping: reached from every tokenizer, also with remote code; nothing is replaced."""

import json

import pytest
import torch
from chinese_bert_tools import SIZES as BERT_SIZES
from glyph_crm_tools import SIZES as GLYPH_SIZES
from glyph_crm_tools import random_glyphs
from glyph_tools import SPECIAL
from remote_tools import run_without_package
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoTokenizer,
    BertJapaneseTokenizer,
    BertTokenizer,
    PreTrainedTokenizerFast,
    TokenClassificationPipeline,
    pipeline,
)

import hanziformers
from hanziformers import (
    ChineseBertConfig,
    ChineseBertForTokenClassification,
    ChineseBertTokenizer,
    GlyphCrmConfig,
    GlyphCrmForTokenClassification,
    GlyphCrmTokenizer,
    WordPieceTokenClassificationPipeline,
)

TOKENS = [*SPECIAL, *"在北京上海的ab", "ab", "##ab", "##b"]
VOCABULARY = {token: index for index, token in enumerate(TOKENS)}
TEXTS = ["在北京a\u200bb", "a\u0301b上海", "在北京ab的ababb", "北京"]
LABELS = {0: "O", 1: "B-LOC", 2: "I-LOC"}
STRATEGIES = ["none", "simple", "first", "average", "max"]
TOKENIZERS = [ChineseBertTokenizer, GlyphCrmTokenizer]


FIELDS = {
    "vocab_size": len(VOCABULARY),
    "initializer_range": 2.0,  # answers that differ from token to token
    "id2label": LABELS,
    "label2id": {label: index for index, label in LABELS.items()},
}


def chinese_bert():
    torch.manual_seed(0)
    return ChineseBertForTokenClassification(ChineseBertConfig(**{**BERT_SIZES, **FIELDS})).eval()


def glyph_crm():
    torch.manual_seed(0)
    fields = {**GLYPH_SIZES, **FIELDS, "glyph_vocab_size": len(VOCABULARY)}
    model = GlyphCrmForTokenClassification(GlyphCrmConfig(**fields)).eval()
    model.base_model.set_glyphs(random_glyphs(len(VOCABULARY)))
    return model


def test_importing_the_package_replaces_no_class():
    made = pipeline("token-classification", model=chinese_bert(), tokenizer=ChineseBertTokenizer(VOCABULARY))
    assert type(made) is TokenClassificationPipeline


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_every_tokenizer_names_the_class(tokenizer):
    found = tokenizer(VOCABULARY).token_classification_pipeline
    assert found is WordPieceTokenClassificationPipeline is hanziformers.WordPieceTokenClassificationPipeline


def gathered(tokenizer, text, cls):
    """What a pipeline of the class calls a later piece of a word."""
    pipe = cls(model=chinese_bert(), tokenizer=tokenizer)
    encoded = tokenizer(text, return_offsets_mapping=True, return_special_tokens_mask=True, return_tensors="np")
    scores = torch.rand(len(encoded["input_ids"][0]), 3).numpy()
    rows = (encoded["input_ids"][0], scores, encoded["offset_mapping"][0], encoded["special_tokens_mask"][0])
    return [(entity["word"], entity["is_subword"]) for entity in pipe.gather_pre_entities(text, *rows, "first")]


@pytest.mark.parametrize("make", [ChineseBertTokenizer, BertTokenizer])
def test_later_pieces_are_those_with_the_prefix(make):
    tokenizer = make(VOCABULARY)
    found = gathered(tokenizer, "北a\u200bb，ababb京", WordPieceTokenClassificationPipeline)
    pieces = [("ab", False), ("，", False), ("ab", False), ("##ab", True), ("##b", True), ("京", False)]
    assert found == [("北", False), *pieces]
    stock = gathered(tokenizer, "北a\u200bb，ababb京", TokenClassificationPipeline)
    assert stock == [("北", False), ("ab", True), *pieces[1:]]


def test_an_unknown_word_is_no_later_piece_whatever_it_looks_like():
    tokenizer = ChineseBertTokenizer(VOCABULARY)
    tokenizer._tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # else # is a token of its own
    assert gathered(tokenizer, "ab ##z", WordPieceTokenClassificationPipeline) == [("ab", False), ("##z", False)]


def test_tokenizers_without_a_prefix_are_read_as_transformers_reads_them():
    bare = Tokenizer(models.WordLevel({"[UNK]": 0, "北": 1, "ab": 2}, unk_token="[UNK]"))
    bare.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bare, unk_token="[UNK]")
    with pytest.warns(UserWarning, match="fallback heuristic"):
        found = gathered(tokenizer, "北 ab", WordPieceTokenClassificationPipeline)
    with pytest.warns(UserWarning, match="fallback heuristic"):
        stock = gathered(tokenizer, "北 ab", TokenClassificationPipeline)
    assert found == stock


def test_tokenizers_written_in_python_are_read_as_transformers_reads_them(tmp_path):
    tokens = tmp_path / "vocab.txt"
    tokens.write_text("\n".join(TOKENS), encoding="utf-8")
    words = {"do_word_tokenize": False, "subword_tokenizer_type": "character"}
    tokenizer = BertJapaneseTokenizer(str(tokens), **words)
    assert not hasattr(tokenizer, "backend_tokenizer")
    tagged = [
        cls(model=chinese_bert(), tokenizer=tokenizer, aggregation_strategy="simple")("在北京")
        for cls in (WordPieceTokenClassificationPipeline, TokenClassificationPipeline)
    ]
    assert tagged[0] == tagged[1] != []


# --- remote code

# What runs without the package. argv: folder of the saved models.
REMOTE = """
from transformers import AutoTokenizer, pipeline
(source,) = sys.argv[1:]
task, found = json.load(open(f"{source}/task.json", encoding="utf-8")), {}
for folder in task["folders"]:
    path = f"{source}/{folder}"
    tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=True)
    chosen = tokenizer.token_classification_pipeline
    assert chosen.__module__.startswith("transformers_modules."), chosen
    tagger = pipeline("token-classification", model=path, trust_remote_code=True, pipeline_class=chosen)
    assert type(tagger) is chosen
    assert type(tagger.model).__module__.startswith("transformers_modules."), tagger.model
    found[folder] = {s: tagger(task["texts"], aggregation_strategy=s) for s in task["strategies"]}
    found[folder]["pieces"] = tokenizer.tokenize(task["texts"][0])
json.dump(found, open(f"{source}/found.json", "w"), default=float)
"""


def rounded(entities):
    return json.loads(json.dumps(entities, default=float), parse_float=lambda text: round(float(text), 4))


def test_exact_grouping_with_remote_code_and_without_the_package(tmp_path):
    bert, glyphs = ChineseBertTokenizer(VOCABULARY), GlyphCrmTokenizer(VOCABULARY, glyph_values=576)
    wanted, stock = {}, {}
    for name, model, tokenizer in (("bert", chinese_bert(), bert), ("glyphs", glyph_crm(), glyphs)):
        model.save_pretrained(tmp_path / name)
        tokenizer.save_pretrained(tmp_path / name)
        local = AutoTokenizer.from_pretrained(tmp_path / name)
        for results, chosen in ((wanted, {"pipeline_class": local.token_classification_pipeline}), (stock, {})):
            tagger = pipeline("token-classification", model=str(tmp_path / name), **chosen)
            results[name] = {s: rounded(tagger(TEXTS, aggregation_strategy=s)) for s in STRATEGIES}
        assert (tmp_path / name / "token_classification_pipeline.py").is_file()
    task = {"folders": list(wanted), "texts": TEXTS, "strategies": STRATEGIES}
    (tmp_path / "task.json").write_text(json.dumps(task), encoding="utf-8")
    run_without_package(REMOTE, tmp_path, folder=tmp_path / "empty")
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["bert"].pop("pieces") == ["在", "北", "京", "ab"]
    found["glyphs"].pop("pieces")
    assert rounded(found) == wanted
    differ = {s for s in STRATEGIES if stock["bert"][s] != wanted["bert"][s]}
    assert differ == {"first", "average", "max"}  # or the check above would say nothing of the grouping
    assert stock["glyphs"] == wanted["glyphs"]
