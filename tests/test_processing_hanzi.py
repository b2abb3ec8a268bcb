"""No character is out of vocabulary: what a font has reaches the encoder as its own glyph image, on every path."""

import copy
import json
import pickle
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from datasets.fingerprint import Hasher
from font_tools import RARE, rare_font
from glyph_crm_tools import build_for
from glyph_tools import SPECIAL, TOKENS, VOCABULARY, NumberGlyphs
from huggingface_hub import ModelCard
from mpm_cner_parts import SYLLABLES, make_feature_extractor, make_processor
from PIL import Image
from remote_tools import run_without_package
from transformers import (
    AutoFeatureExtractor,
    AutoProcessor,
    AutoTokenizer,
    BertTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    pipeline,
)

from hanziformers import (
    ChineseBertTokenizer,
    GlyphCrmForSequenceClassification,
    GlyphCrmForTokenClassification,
    GlyphCrmModel,
    GlyphCrmTokenizer,
    HanziGlyphImageProcessor,
    HanziProcessor,
    MpmCnerTokenizer,
)
from hanziformers.tokenization.characters import COMMON_BLOCKS, may_have_ink

OWN = RARE  # characters that the user's font has
UNSEEN = "㐀あア각々" + OWN  # outside of the bank
NOWHERE = "\U0010fffd"  # no font has it
PRIVATE = "\ue000"


@pytest.fixture(scope="module")
def font(tmp_path_factory):
    return str(rare_font(tmp_path_factory.mktemp("font") / "bars.ttf"))


@pytest.fixture
def processor(font):
    return HanziProcessor(
        HanziGlyphImageProcessor(styles=["song"], size=24, fonts={"song": [font]}, save_fonts=True),
        GlyphCrmTokenizer(VOCABULARY),
    )


@torch.no_grad()
def first_vectors(model, inputs):
    return model.base_model(**inputs).last_hidden_state[:, 1]


def assert_all_differ(vectors):
    distances = torch.cdist(vectors, vectors) + torch.eye(len(vectors))
    assert distances.min() > 1e-4


def test_unseen_characters_have_vectors_of_their_own(processor):
    inputs = processor(list(UNSEEN), padding=True, return_tensors="pt")
    assert set(inputs["input_ids"][:, 1].tolist()) == {VOCABULARY["[UNK]"]}  # as labels they are unknown
    assert_all_differ(first_vectors(build_for(processor), inputs))
    for tokenizer in (BertTokenizer(VOCABULARY), ChineseBertTokenizer(VOCABULARY)):
        assert tokenizer("㐀")["input_ids"] == tokenizer("あ")["input_ids"] == [2, 1, 3]  # BERT: two [UNK]
        assert tokenizer(PRIVATE)["input_ids"] == [2, 3]  # or nothing at all
    expected = processor.image_processor.render(list(UNSEEN)).reshape(len(UNSEEN), -1)
    assert np.array_equal(inputs["extra_glyphs"][:, 0], expected)
    assert not processor.tokenizer.unrendered


def test_a_character_in_the_bank_equals_one_rendered_on_the_fly(processor):
    rendered = first_vectors(build_for(processor), processor(list(UNSEEN), padding=True, return_tensors="pt"))
    assert processor.extend_bank(UNSEEN) == len(UNSEEN)
    inputs = processor(list(UNSEEN), padding=True, return_tensors="pt")
    assert inputs["extra_glyphs"].shape == (len(UNSEEN), 0, 576)
    assert inputs["glyph_ids"][:, 1].tolist() == list(range(len(TOKENS), len(TOKENS) + len(UNSEEN)))
    torch.testing.assert_close(first_vectors(build_for(processor), inputs), rendered)


def test_bank(processor, warnings):
    bank = processor.render_bank()
    assert (bank.shape, bank.dtype) == ((len(TOKENS), 1, 24, 24), np.uint8)
    assert np.array_equal(bank, processor.image_processor.render(TOKENS))
    assert not bank[VOCABULARY["[PAD]"]].any()
    assert all(bank[VOCABULARY[token]].any() for token in SPECIAL[1:])
    assert not warnings
    processor.extend_bank(UNSEEN + NOWHERE)
    bank = processor.render_bank()
    assert np.array_equal(bank[-1], bank[VOCABULARY["[UNK]"]])
    assert len(np.unique(bank.reshape(len(bank), -1), axis=0)) == len(bank) - 1
    assert any(f"1 of {len(bank)} tokens" in message and NOWHERE in message for message in warnings)


def test_rows_without_ink_get_the_image_of_unk(processor, warnings, tmp_path):
    """A blank row would be that of [PAD]."""
    faint = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "银": 5, "\u2800": 6, "一": 7}
    folder = tmp_path / "faint"
    folder.mkdir()
    image = Image.new("L", (900, 900), 255)
    image.putpixel((450, 450), 0)  # nothing is left of it at 24 px
    image.save(folder / "一.png")
    image_processor = HanziGlyphImageProcessor(size=24, fonts={"song": [folder]})
    bank = HanziProcessor(image_processor, GlyphCrmTokenizer(faint)).render_bank()
    assert image_processor.can_render(["一"])[0]
    assert not image_processor.render(["一"]).any()
    assert bank.reshape(len(bank), -1).any(1).tolist() == [False, *[True] * 7]
    assert np.array_equal(bank[6], bank[1])
    assert np.array_equal(bank[7], bank[1])
    assert any("2 of 8 tokens of the bank have no glyph image in these fonts at 24 px" in text for text in warnings)


@pytest.mark.parametrize("size", [8, 12])
def test_small_banks_have_ink(size, warnings):
    tokens = {token: row for row, token in enumerate([*SPECIAL, "##ing", "the", "2019", "银", "-"])}
    bank = HanziProcessor(HanziGlyphImageProcessor(size=size), GlyphCrmTokenizer(tokens)).render_bank()
    assert bank.reshape(len(bank), -1).any(1).tolist() == [False, *[True] * (len(tokens) - 1)]
    assert not any("no glyph image" in text for text in warnings)


def test_another_image_processor_is_handed_on(processor):
    first = processor("㐀", return_tensors="np")["extra_glyphs"]
    other = HanziGlyphImageProcessor(styles=["kai"], size=24)
    processor.image_processor = other
    assert processor.tokenizer.image_processor is other
    rendered = processor("㐀", return_tensors="np")["extra_glyphs"]
    assert np.array_equal(rendered[0, 0], other.render(["㐀"]).reshape(-1))
    assert not np.array_equal(rendered, first)
    processor.tokenizer = GlyphCrmTokenizer(VOCABULARY)
    assert processor.tokenizer.image_processor is other
    with pytest.raises(TypeError, match="a BertTokenizer is of no model that sees"):
        processor.tokenizer = BertTokenizer(VOCABULARY)
    assert type(processor.tokenizer) is GlyphCrmTokenizer


def test_a_tokenizer_with_another_image_processor_is_refused(processor, tmp_path):
    """Else rare characters would come from one, and the bank from the other."""
    other = HanziGlyphImageProcessor(styles=["kai"], size=24)
    HanziProcessor(other, processor.tokenizer)  # takes the tokenizer over
    uses = (
        lambda: processor("银"),
        processor.render_bank,
        lambda: processor.pad([{"input_ids": [2, 3]}]),
        lambda: processor.extend_bank("犇"),
        lambda: processor.save_pretrained(tmp_path),
    )
    for use in uses:
        with pytest.raises(ValueError, match="tokenizer.image_processor is not processor.image_processor"):
            use()
    assert not list(tmp_path.iterdir())
    processor.image_processor = other
    assert np.array_equal(processor("㐀", return_tensors="np")["extra_glyphs"][0, 0], other.render(["㐀"]).reshape(-1))


@pytest.fixture
def without_open_glyphs(font):
    image_processor = HanziGlyphImageProcessor(styles=["fangsong", "song"], size=24, binary=False)
    return HanziProcessor(image_processor, ChineseBertTokenizer(VOCABULARY))


def test_a_tokenizer_without_open_glyphs(without_open_glyphs):
    processor = without_open_glyphs
    assert np.array_equal(processor.render_bank(), processor.image_processor.render(TOKENS))
    first, second = (one(["银行㐀"], ["好"], return_tensors="np") for one in (processor, processor.tokenizer))
    assert set(first) == set(second) > {"pinyin_ids"}
    assert all(np.array_equal(first[key], second[key]) for key in second)
    with pytest.raises(TypeError, match="a ChineseBertTokenizer has no open glyph ids: .* add tokens instead"):
        processor.extend_bank("犇")
    with pytest.raises(TypeError, match="has no open glyph ids"):
        processor.extend_bank()
    other = HanziGlyphImageProcessor(styles=["kai"], size=24)
    processor.image_processor = other
    assert np.array_equal(processor.render_bank(), other.render(TOKENS))
    processor.tokenizer = ChineseBertTokenizer({**VOCABULARY, "犇": len(VOCABULARY)})
    assert np.array_equal(processor.render_bank(), other.render([*TOKENS, "犇"]))


def test_a_processor_without_open_glyphs_is_saved_whole(without_open_glyphs, font, tmp_path):
    processor = without_open_glyphs
    processor.image_processor = HanziGlyphImageProcessor(
        styles=["song"], size=24, binary=False, fonts={"song": [font]}, save_fonts=True
    )
    files = processor.save_pretrained(tmp_path)
    fonts = {path.name for path in (tmp_path / "fonts").iterdir()}
    assert fonts == {"song-0.ttf", "song.woff2", "song-OFL.txt"} == {Path(f).name for f in files if "/fonts/" in f}
    assert str(font) not in (tmp_path / "processor_config.json").read_text()
    again = HanziProcessor.from_pretrained(tmp_path)
    assert type(again.tokenizer) is ChineseBertTokenizer
    assert np.array_equal(again.image_processor.render(list(OWN)), processor.image_processor.render(list(OWN)))


def test_a_tokenizer_saved_later_into_the_same_folder_wins(processor, font, tmp_path):
    """There is one file that says how characters are rendered, whoever was saved last."""
    processor.save_pretrained(tmp_path)
    tokenizer = GlyphCrmTokenizer(VOCABULARY)
    tokenizer.image_processor = HanziGlyphImageProcessor(styles=["kai"], size=24)
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    rendered = [one("㐀", return_tensors="np")["extra_glyphs"] for one in (tokenizer, again)]
    assert np.array_equal(*rendered)
    assert AutoProcessor.from_pretrained(tmp_path).image_processor.styles == ["kai"]


def test_a_copy_and_a_pickle_stay_joined(processor):
    for again in (copy.deepcopy(processor), pickle.loads(pickle.dumps(processor))):
        assert again.tokenizer.image_processor is again.image_processor
        assert np.array_equal(again.render_bank(), processor.render_bank())


def test_its_hash_is_the_same_before_and_after_use(processor):
    before = Hasher.hash(processor)
    processor(list(UNSEEN), padding=True, return_tensors="pt")
    processor.render_bank()
    assert Hasher.hash(processor) == before


def test_extending_the_bank(processor):
    assert processor.extend_bank("犇" + TOKENS[6] + "犇") == 1
    assert processor.extend_bank("龘犇") == 1
    assert processor.tokenizer.bank_tokens() == [*TOKENS, "犇", "龘"]
    with pytest.raises(ValueError, match="can have no glyph image"):
        processor.extend_bank("\u3000")
    assert processor.tokenizer.extra_characters == "犇龘"
    for wrong in ("かな", "", 3):
        with pytest.raises(ValueError, match=f"characters holds {wrong!r}; every entry must be one character"):
            processor.extend_bank(["あ", wrong])
    assert processor.tokenizer.extra_characters == "犇龘"
    assert processor.extend_bank(["あ", "か"]) == 2


def test_bank_of_all_common_characters():
    inked = may_have_ink()
    assert all(inked[first : last + 1].all() for first, last in COMMON_BLOCKS)
    assert all(one[1] < other[0] for one, other in zip(COMMON_BLOCKS, COMMON_BLOCKS[1:], strict=False))
    processor = HanziProcessor(NumbersOfHan(), GlyphCrmTokenizer(VOCABULARY))
    han = [chr(code) for code in range(0x4E00, 0xA000) if chr(code) not in VOCABULARY]
    assert processor.extend_bank() == len(han)
    assert processor.tokenizer.extra_characters == "".join(han)
    assert processor.extend_bank() == 0


class NumbersOfHan(HanziGlyphImageProcessor):
    """Renders the unified characters only, and as numbers: quick."""

    def can_render(self, tokens):
        return np.array(["\u4e00" <= token[0] <= "\u9fff" or token in SPECIAL for token in tokens], bool)

    def render(self, tokens):
        return NumberGlyphs().render(tokens) * self.can_render(tokens)[:, None, None, None]


def test_calls_are_the_tokenizers(processor):
    texts, pairs = ["银行㐀", "好"], ["忙", "あ"]
    for kwargs in ({}, {"padding": True, "return_tensors": "pt"}, {"truncation": True, "max_length": 4}):
        second = processor.tokenizer(texts, pairs, **kwargs)
        for first in (processor(texts, text_pair=pairs, **kwargs), processor(texts, pairs, **kwargs)):
            assert type(first) is type(second)
            assert set(first) == set(second)
            for key, value in second.items():
                assert np.array_equal(first[key], value) if "return_tensors" in kwargs else first[key] == value
    assert set(processor.model_input_names) == set(processor("好", return_tensors="pt"))
    padded = processor.pad([processor(text) for text in texts], return_tensors="pt")
    assert torch.equal(padded["glyph_ids"], processor(texts, padding=True, return_tensors="pt")["glyph_ids"])
    ids = processor("银 行")["input_ids"]
    assert processor.decode(ids, skip_special_tokens=True) == "银行"
    assert processor.batch_decode([ids], skip_special_tokens=True) == ["银行"]


@pytest.mark.parametrize("alone", [False, True])
def test_a_stock_pipeline_asks_nobody_to_trust_code(processor, tmp_path, monkeypatch, alone):
    """Pipelines try every kind of part; with the settings in a file of their own they would ask (transformers 5.24)."""

    def ask(*args):
        raise KeyboardInterrupt("asked whether to run code")  # pipelines swallow an Exception

    monkeypatch.setattr("builtins.input", ask)
    model = build_for(processor, GlyphCrmForTokenClassification)
    for part in (model, processor.tokenizer if alone else processor):
        part.save_pretrained(tmp_path)
    assert len(pipeline("token-classification", model=str(tmp_path))(UNSEEN)) == len(UNSEEN)


@pytest.mark.parametrize("later", ["tokenizer", "processor"])
def test_who_saves_last_wins(font, tmp_path, later):
    """A Trainer may save a tokenizer into the folder of an older processor, and the other way round."""
    tokens = {token: row for row, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "银"])}
    first, last = (
        HanziProcessor(HanziGlyphImageProcessor(styles=[style], size=24), GlyphCrmTokenizer(tokens))
        for style in ("song", "kai")
    )
    (first if later == "tokenizer" else first.tokenizer).save_pretrained(tmp_path)
    (last.tokenizer if later == "tokenizer" else last).save_pretrained(tmp_path)
    assert AutoTokenizer.from_pretrained(tmp_path)("㐀", return_tensors="np")["extra_glyphs"].any()
    assert AutoProcessor.from_pretrained(tmp_path).image_processor.styles == ["kai"]


def test_save_and_load(processor, tmp_path):
    processor.extend_bank("犇")
    processor.save_pretrained(tmp_path)
    names = {path.name for path in tmp_path.iterdir() if path.suffix == ".json"}
    assert names == {"processor_config.json", "tokenizer_config.json", "tokenizer.json"}
    again = AutoProcessor.from_pretrained(tmp_path)
    assert type(again) is HanziProcessor
    assert again.tokenizer.image_processor is again.image_processor
    assert np.array_equal(again.render_bank(), processor.render_bank())
    first, second = (one(UNSEEN + "犇银", return_tensors="np") for one in (processor, again))
    assert all(np.array_equal(first[key], second[key]) for key in first)
    saved = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert (saved["glyph_values"], saved["extra_characters"]) == (576, "犇")


def test_a_tokenizer_saved_alone_still_renders(processor, tmp_path):
    """As a Trainer saves it; also what was loaded without a processor and has rendered nothing yet."""
    processor.tokenizer.save_pretrained(tmp_path / "first")
    AutoTokenizer.from_pretrained(tmp_path / "first").save_pretrained(tmp_path / "second")
    again = AutoTokenizer.from_pretrained(tmp_path / "second")
    assert again.image_processor is None  # comes with the first character that needs it
    first, second = (one(UNSEEN, return_tensors="np") for one in (processor, again))
    assert all(np.array_equal(first[key], second[key]) for key in first)
    assert type(again.image_processor) is HanziGlyphImageProcessor


def test_training_and_evaluation_see_the_glyph_images(processor, tmp_path):
    model, seen = build_for(processor, GlyphCrmForSequenceClassification), []
    model.register_forward_pre_hook(lambda _, args, kwargs: seen.append(kwargs), with_kwargs=True)
    data = [{**processor(text), "labels": number % 2} for number, text in enumerate(["银㐀", "あ好好", "行", OWN])]
    arguments = TrainingArguments(
        str(tmp_path), max_steps=2, per_device_train_batch_size=2, report_to=[], use_cpu=True, save_strategy="steps",
        save_steps=2,
    )  # fmt: skip
    trainer = Trainer(
        model,
        arguments,
        train_dataset=data,
        eval_dataset=data,
        processing_class=processor.tokenizer,
        data_collator=DataCollatorWithPadding(processor.tokenizer),
    )
    trainer.train()
    metrics = trainer.evaluate()
    assert np.isfinite(metrics["eval_loss"])
    images = {row.numpy().tobytes() for batch in seen for rows in batch["extra_glyphs"] for row in rows if row.any()}
    unseen = processor.image_processor.render(list("㐀あ" + OWN)).reshape(2 + len(OWN), -1)
    assert images == {row.tobytes() for row in unseen}
    again = AutoTokenizer.from_pretrained(tmp_path / "checkpoint-2")
    assert np.array_equal(again(UNSEEN, return_tensors="np")["extra_glyphs"][0].any(1), [True] * len(UNSEEN))


def test_pipelines_over_a_folder(processor, tmp_path):
    for head in (GlyphCrmModel, GlyphCrmForTokenClassification, GlyphCrmForSequenceClassification):
        labels = {0: "entailment", 1: "contradiction"}
        model = build_for(processor, head, id2label=labels, label2id={name: key for key, name in labels.items()})
        model.save_pretrained(tmp_path / head.__name__)
        processor.save_pretrained(tmp_path / head.__name__)
    texts = [f"{character}好 {character}" for character in UNSEEN] + ["银行"]
    features = pipeline("feature-extraction", str(tmp_path / "GlyphCrmModel"))
    one_by_one = torch.tensor([features(text)[0][1] for text in texts])
    assert_all_differ(one_by_one)
    together = [torch.tensor(out)[0, 1] for out in features(texts, batch_size=4)]
    torch.testing.assert_close(torch.stack(together), one_by_one, rtol=1e-4, atol=1e-5)
    expected = first_vectors(build_for(processor), processor(texts, padding=True, return_tensors="pt"))
    torch.testing.assert_close(one_by_one, expected, rtol=1e-4, atol=1e-5)

    tags = pipeline("token-classification", str(tmp_path / "GlyphCrmForTokenClassification"), ignore_labels=[])
    for strategy in ("none", "simple", "first"):
        found = tags("𠀀 好\n㐀", aggregation_strategy=strategy)
        assert "".join(entity["word"] for entity in found).replace("[UNK]", "?") in ("?好?", "𠀀好㐀")
        assert (found[0]["start"], found[-1]["end"]) == (0, 5)

    zero_shot = pipeline("zero-shot-classification", str(tmp_path / "GlyphCrmForSequenceClassification"))
    scores = [zero_shot(text, ["银", "々"], hypothesis_template="{}")["scores"] for text in ("㐀", "あ")]
    assert not np.allclose(*scores, atol=1e-6)


REMOTE = """
source, target = sys.argv[1:]
texts = json.load(open(f"{source}/texts.json"))
processor = transformers.AutoProcessor.from_pretrained(source, trust_remote_code=True)
tokenizer = transformers.AutoTokenizer.from_pretrained(source, trust_remote_code=True)
model = transformers.AutoModel.from_pretrained(source, trust_remote_code=True).eval()
for thing in (processor, processor.tokenizer, processor.image_processor, tokenizer, model):
    assert type(thing).__module__.startswith("transformers_modules."), type(thing)
found = []
for one in (processor, tokenizer):
    with torch.no_grad():
        found.append(model(**one(texts, padding=True, return_tensors="pt")).last_hidden_state)
assert type(tokenizer.image_processor).__module__.startswith("transformers_modules."), tokenizer.image_processor
torch.save(found, f"{target}/found.pt")
"""


def test_without_the_package(font, tmp_path):
    """All unseen characters look the same there, also where neither the package nor the user's font is."""
    source, target, own = tmp_path / "source", tmp_path / "target", tmp_path / "own.ttf"
    shutil.copyfile(font, own)
    image_processor = HanziGlyphImageProcessor(styles=["song"], size=24, fonts={"song": [str(own)]}, save_fonts=True)
    processor = HanziProcessor(image_processor, GlyphCrmTokenizer(VOCABULARY))
    target.mkdir()
    model, texts = build_for(processor), [f"{character}好" for character in UNSEEN]
    model.save_pretrained(source)
    processor.save_pretrained(source)
    (source / "texts.json").write_text(json.dumps(texts))
    inputs = processor(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        expected = model(**inputs).last_hidden_state
    own.unlink()
    run_without_package(REMOTE, source, target, folder=tmp_path / "work")
    for found in torch.load(target / "found.pt"):
        torch.testing.assert_close(found, expected)
    assert_all_differ(expected[:, 1])


def test_wrong_parts_are_explained(processor):
    with pytest.raises(ValueError, match="needs `text`"):
        processor()
    for wrong in (lambda: processor("银", "行", True), lambda: processor("银", "行", text_pair="好")):
        with pytest.raises(TypeError, match="takes text and text_pair, each once"):
            wrong()
    with pytest.raises(
        TypeError, match="a BertTokenizer is of no model .* such as GlyphCrmTokenizer or ChineseBertTokenizer"
    ):
        HanziProcessor(processor.image_processor, BertTokenizer(VOCABULARY))
    with pytest.raises(TypeError, match="Received a GlyphCrmTokenizer for argument image_processor"):  # transformers'
        HanziProcessor(processor.tokenizer, processor.image_processor)


@pytest.mark.parametrize("tokenizer", [GlyphCrmTokenizer, ChineseBertTokenizer])
def test_parts_that_cannot_be_are_refused_for_every_family(tokenizer):
    image_processor, tokenizer = HanziGlyphImageProcessor(size=24), tokenizer(VOCABULARY)
    processor = HanziProcessor(image_processor, tokenizer)
    for wrong, words in ((None, "image_processor=None"), ("x", "a str"), (tokenizer, f"a {type(tokenizer).__name__}")):
        with pytest.raises(TypeError, match=f"{words} is no image processor of characters: it has no render"):
            processor.image_processor = wrong
    for wrong, words in ((None, "tokenizer=None"), ("x", "a str"), (image_processor, "a HanziGlyphImageProcessor")):
        with pytest.raises(TypeError, match=f"{words} is of no model that sees its characters"):
            processor.tokenizer = wrong
    assert processor.image_processor is image_processor
    assert processor.tokenizer is tokenizer


@pytest.mark.parametrize("tokenizer", [GlyphCrmTokenizer, ChineseBertTokenizer])
@pytest.mark.parametrize("part", ["image_processor", "tokenizer", "processor"])
@pytest.mark.parametrize("again", [False, True])
def test_a_push_uploads_everything(tokenizer, part, again, tmp_path, monkeypatch):
    """Also what is written over: a Trainer saves into a folder that holds an older checkpoint."""

    class Hub:
        def create_repo(self, repo_id, **kwargs):
            return SimpleNamespace(repo_id=repo_id)

        def create_commit(self, operations, **kwargs):
            uploaded.update({one.path_in_repo: Path(one.path_or_fileobj).read_bytes() for one in operations})

    uploaded = {}
    for module in ("utils.hub", "processing_utils", "image_processing_base", "tokenization_utils_base"):
        monkeypatch.setattr(f"transformers.{module}.hf_api", Hub, raising=module == "utils.hub")
    monkeypatch.setattr("transformers.utils.hub.create_and_tag_model_card", lambda *args, **kwargs: ModelCard("x"))
    processor = HanziProcessor(HanziGlyphImageProcessor(size=24), tokenizer(VOCABULARY))
    pushed = processor if part == "processor" else getattr(processor, part)
    if again:
        pushed.save_pretrained(str(tmp_path / "mine"))
    pushed.save_pretrained(str(tmp_path / "mine"), push_to_hub=True, repo_id="someone/mine")
    saved = {str(file.relative_to(tmp_path / "mine")) for file in (tmp_path / "mine").rglob("*") if file.is_file()}
    assert set(uploaded) - {"README.md"} == saved
    renders = part != "tokenizer" or tokenizer is GlyphCrmTokenizer
    assert not renders or saved > {"fonts/song.woff2", "processor_config.json", "image_processing_glyph.py"}


def tokenizer_and_parts(processor):
    return {"processor": processor, "tokenizer": processor.tokenizer, "image_processor": processor.image_processor}


@pytest.mark.parametrize("tokenizer", [GlyphCrmTokenizer, ChineseBertTokenizer])
@pytest.mark.parametrize("loaded", [False, True])
def test_saving_leaves_nothing_behind(tokenizer, loaded, tmp_path):
    """Else data sets would not find their caches, and folders would name code that they do not hold."""
    processor = HanziProcessor(HanziGlyphImageProcessor(size=24), tokenizer(VOCABULARY))
    if loaded:
        processor.save_pretrained(tmp_path / "first")
        processor = AutoProcessor.from_pretrained(tmp_path / "first")
    hashes = {name: Hasher.hash(part) for name, part in tokenizer_and_parts(processor).items()}
    for saved in ("processor", "image_processor", "tokenizer", "processor"):
        folder = tmp_path / f"second-{saved}"
        tokenizer_and_parts(processor)[saved].save_pretrained(folder)
        assert {name: Hasher.hash(part) for name, part in tokenizer_and_parts(processor).items()} == hashes, saved
        code = {path.name for path in folder.glob("*.py")}
        assert ("processing_hanzi.py" in code) is (saved == "processor")
        for path in folder.glob("*_config.json"):
            settings = json.loads(path.read_text(encoding="utf-8"))
            for found in (settings, settings.get("image_processor", {})):
                names = str(found.get("auto_map", {}))
                assert ("AutoProcessor" not in names) or (saved == "processor" and found is settings)
                if "image_processor_type" in found:
                    assert found["auto_map"] == {
                        "AutoImageProcessor": "image_processing_glyph.HanziGlyphImageProcessor"
                    }


def test_three_parts_are_saved_and_loaded_as_one(tmp_path):
    processor = make_processor(24)
    processor.extend_bank("長")
    files = processor.save_pretrained(tmp_path)
    assert str(tmp_path / "syllables.npz") in files
    names = {path.name for path in tmp_path.iterdir() if path.suffix == ".json"}
    assert names == {"processor_config.json", "tokenizer_config.json", "tokenizer.json"}
    assert {"processing_hanzi.py", "feature_extraction_syllable.py", "image_processing_glyph.py"} <= {
        path.name for path in tmp_path.iterdir()
    }
    for again in (HanziProcessor.from_pretrained(tmp_path), AutoProcessor.from_pretrained(tmp_path)):
        assert type(again) is HanziProcessor
        assert type(again.tokenizer) is MpmCnerTokenizer
        assert again.tokenizer.syllables == again.feature_extractor.syllables == SYLLABLES
        assert np.array_equal(again.render_bank(), processor.render_bank())
        assert np.array_equal(again.feature_extractor.render_bank(), processor.feature_extractor.render_bank())
        first, second = (one(["头发A", "银行"], padding=True, return_tensors="np") for one in (processor, again))
        assert set(first) == set(second) == set(processor.model_input_names)
        assert all(np.array_equal(first[key], second[key]) for key in first)
    assert AutoFeatureExtractor.from_pretrained(tmp_path).syllables == SYLLABLES


def test_only_models_that_hear_have_a_feature_extractor(processor, tmp_path):
    processor.save_pretrained(tmp_path / "two")
    settings = json.loads((tmp_path / "two/processor_config.json").read_text(encoding="utf-8"))
    assert "feature_extractor" not in settings
    assert not list((tmp_path / "two").glob("*syllable*"))
    assert processor.feature_extractor is AutoProcessor.from_pretrained(tmp_path / "two").feature_extractor is None
    with pytest.raises(TypeError, match="has no feature extractor: recordings has no effect"):
        HanziProcessor.from_pretrained(tmp_path / "two", recordings="clips")
    with pytest.raises(TypeError, match="a GlyphCrmTokenizer has no syllable_ids"):
        processor.feature_extractor = make_feature_extractor()
    assert processor.feature_extractor is None
    without = make_processor(24, sounds=False)  # of a model with use_sounds=False
    assert "syllable_ids" not in without("银行")
    without.feature_extractor = make_feature_extractor()
    assert without("银行")["syllable_ids"] == [0, 1, 2, 0]
    without.feature_extractor = None
    without.save_pretrained(tmp_path / "none")
    assert AutoProcessor.from_pretrained(tmp_path / "none").feature_extractor is None


def test_what_a_trainer_saved_with_the_tokenizer_alone_still_reads(tmp_path):
    """The bank of sounds is in the model; the tokenizer knows its rows."""
    processor = make_processor(24)
    processor.tokenizer.save_pretrained(tmp_path)
    again = HanziProcessor.from_pretrained(tmp_path)
    assert again.feature_extractor is None
    assert again("银行头发")["syllable_ids"] == processor("银行头发")["syllable_ids"]


def test_parts_that_number_syllables_differently_are_refused(tmp_path):
    processor = make_processor(24)
    processor.save_pretrained(tmp_path)
    processor.tokenizer.syllables = SYLLABLES[::-1]
    for use in (lambda: processor("银"), lambda: processor.save_pretrained(tmp_path), processor.render_bank):
        with pytest.raises(ValueError, match="number the syllables differently: row 1 of the sound bank is"):
            use()
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    for syllables, message in ((SYLLABLES[1:], "number the syllables differently"), (["../x"], "toned syllable")):
        text = json.dumps({**settings, "syllables": syllables})
        (tmp_path / "tokenizer_config.json").write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=message):
            HanziProcessor.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recordings": "/etc"}, "hold recordings='/etc'; paths of a file of settings are not opened"),
        ({"feature_extractor_type": "NoSuchThing", "auto_map": {}}, "eature extractor"),
    ],
)
def test_hostile_settings_of_sounds(tmp_path, change, message):
    make_processor(24).save_pretrained(tmp_path)
    path = tmp_path / "processor_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings["feature_extractor"] |= change
    path.write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises((ValueError, AttributeError), match=message):
        HanziProcessor.from_pretrained(tmp_path)


def test_three_parts_in_copies_pickles_and_hashes(tmp_path):
    processor = make_processor(24)
    parts = {**tokenizer_and_parts(processor), "feature_extractor": processor.feature_extractor}
    hashes = {name: Hasher.hash(part) for name, part in parts.items()}
    processor(["头发㐀", "A的"], padding=True, return_tensors="pt")
    for name, part in parts.items():
        part.save_pretrained(tmp_path / name)
        assert {name: Hasher.hash(part) for name, part in parts.items()} == hashes, name
        code = {path.name for path in (tmp_path / name).glob("*.py")}
        assert ("processing_hanzi.py" in code) is (name == "processor")
    for again in (copy.deepcopy(processor), pickle.loads(pickle.dumps(processor))):
        assert again("头发")["syllable_ids"] == processor("头发")["syllable_ids"]
        assert np.array_equal(again.feature_extractor.render_bank(), processor.feature_extractor.render_bank())
