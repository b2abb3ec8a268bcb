"""Models from scratch: processing class, sizes and glyph images, for every family; and what does not fit is refused."""

import numpy as np
import pytest
import torch
from glyph_tools import SPECIAL
from mpm_cner_parts import make_feature_extractor
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForTokenClassification,
    AutoProcessor,
    AutoTokenizer,
    BertConfig,
    BertModel,
    BertTokenizer,
)

from hanziformers import (
    BiLstmConfig,
    ChineseBertTokenizer,
    GlyphCrmTokenizer,
    HanziGlyphImageProcessor,
    HanziProcessor,
    MpmCnerConfig,
    WordTokenizer,
)
from hanziformers.registration import FAMILIES
from hanziformers.training import new_model
from hanziformers.training.new_model import (
    get_tokenizer,
    new_image_processor,
    new_processing_class,
    render_glyphs,
    render_sounds,
    sees_glyphs,
)

RECURRENT = {"embedding_dim": 8, "glyph_dim": 8, "glyph_groups": 2, "glyph_size": 8, "glyph_styles": ["kai", "song"]}
SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
OWN = {
    "chinese_bert": {"glyph_size": 8, "pinyin_embedding_size": 8, "glyph_styles": ["kai", "song"]},
    "glyce": {"glyph_dim": 8, "glyph_groups": 2, "task_num_attention_heads": 2, "glyph_styles": ["kai", "song"]},
    "glyph_crm": {"glyph_size": 24, "first_block_channels": 2, "second_block_channels": 2, "glyph_styles": ["kai"]},
    "mpm_cner": {
        "swin_embed_dim": 3,
        "swin_depths": [1],
        "swin_num_heads": [1],
        "glyph_styles": ["kai"],
        "classifier": "linear",
    },
    **dict.fromkeys(("biaffine", "bilstm", "bimpm", "lattice_lstm", "srl"), RECURRENT),
}
SEEING = [config.model_type for config in FAMILIES if sees_glyphs(config())]
OF_WORDS = [config.model_type for config, found in FAMILIES.items() if found[AutoTokenizer] is WordTokenizer]
HEADS = [
    (config.model_type, auto)
    for config, found in FAMILIES.items()
    for auto in (AutoModel, AutoModelForTokenClassification)
    if auto in found and sees_glyphs(config())
]
SETTINGS = {"lattice_lstm": {"lexicon_file": ["银行"]}}
TOKENS = [*SPECIAL, *"银行很忙", "ok"]


@pytest.fixture(autouse=True)
def few_sounds(monkeypatch):
    """A feature extractor of few syllables, which are noise: the shipped bank takes seconds to render."""
    monkeypatch.setattr(new_model, "FEATURE_EXTRACTOR_MAPPING", {MpmCnerConfig: make_feature_extractor})


def new_config(family, **fields):
    return AutoConfig.for_model(family, **{**SIZES, **OWN.get(family, {}), **fields})


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory):
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    path.write_text("\n".join(TOKENS) + "\n", encoding="utf-8")
    return str(path)


def held(model):
    """The glyph images of a model, as uint8 [N, F, h, w]: those which it gives to its encoder."""
    shape = (model.config.num_glyphs, *model.config.glyph_shape)
    tables = [*model.base_model.named_buffers(), *model.base_model.named_parameters()]
    (table,) = [value for _, value in tables if value.numel() == np.prod(shape) and len(value) == shape[0]]
    table = table.detach() if table.dtype == torch.uint8 else (table.detach() * 255).round().byte()
    return table.reshape(shape).numpy().copy()


def processing_class_of(config, vocabulary, own_bank=True):
    settings = SETTINGS.get(config.model_type, {})
    return new_processing_class(config, vocabulary, vocabulary_bank=own_bank, **settings)


@pytest.mark.parametrize(("family", "auto_class"), HEADS)
def test_every_row_gets_its_glyph_image(vocabulary, family, auto_class):
    config = new_config(family)
    processing_class = processing_class_of(config, vocabulary)
    model = auto_class.from_config(config)
    before = held(model)
    manifest = render_glyphs(model, processing_class)
    assert [entry["style"] for entry in manifest["styles"]] == config.glyph_styles
    assert model.config.font_manifest is manifest
    images = held(model)
    assert not np.array_equal(images, before)
    renderer = HanziGlyphImageProcessor(
        styles=config.glyph_styles, size=config.glyph_size, binary=config.glyph_binary, cache=False
    )
    rows = [*SPECIAL[:2], *sorted(set("".join(TOKENS[2:])))] if family in OF_WORDS else TOKENS
    for row, token in enumerate(rows):
        if len(token) == 1:  # character after character, each rendered by itself
            assert np.array_equal(images[row], renderer.render([token])[0]), token
            assert images[row].any((1, 2)).all()
    assert not images[0].any()  # [PAD]
    if family in OF_WORDS:
        return
    assert images[TOKENS.index("ok")].any() == getattr(config, "glyph_words", True)
    assert images[TOKENS.index("[CLS]")].any() == getattr(config, "glyph_words", True)


@pytest.mark.parametrize("family", SEEING)
def test_sizes_follow_from_the_vocabulary(vocabulary, family):
    for own_bank in (True, False):
        config = new_config(family)
        processing_class = processing_class_of(config, vocabulary, own_bank)
        tokenizer = get_tokenizer(processing_class)
        assert config.vocab_size == len(tokenizer) == len(TOKENS)
        has_processor = tokenizer is not processing_class
        assert has_processor == ("extra_glyphs" in tokenizer.model_input_names)
        assert (config.num_glyphs > 20_000) == (has_processor and not own_bank)


def test_the_tokenizer_of_another_model(vocabulary):
    config = BertConfig(**SIZES)
    for family, tokenizer in (("glyph_crm", GlyphCrmTokenizer), ("chinese_bert", ChineseBertTokenizer)):
        assert type(new_processing_class(config, vocabulary, family)) is tokenizer
    assert config.vocab_size == len(TOKENS)
    assert not sees_glyphs(config)
    with pytest.raises(ValueError, match="a BertModel sees no glyph images"):
        render_glyphs(BertModel(config), tokenizer(vocabulary))


def test_a_tokenizer_alone_is_enough(vocabulary):
    """Also one with a bank of its own: as with the processor."""
    tokenizers = GlyphCrmTokenizer(vocabulary, "龘"), GlyphCrmTokenizer(vocabulary, "龘")
    config = new_config("glyph_crm", vocab_size=len(TOKENS), glyph_vocab_size=len(TOKENS) + 1)
    models = AutoModel.from_config(config), AutoModel.from_config(config)
    render_glyphs(models[0], tokenizers[0])
    render_glyphs(models[1], HanziProcessor(new_image_processor(config), tokenizers[1]))
    assert np.array_equal(*map(held, models))
    assert models[0].config.font_manifest == models[1].config.font_manifest


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 48}, "glyph_size=24 is not allowed: the image processor renders with size=48"),
        ({"styles": ["song"]}, r"glyph_styles=\['kai'\] is not allowed: .* renders with styles=\['song'\]"),
        ({"binary": False}, "glyph_binary=True is not allowed: .* renders with binary=False"),
    ],
)
def test_other_glyph_images_than_the_configurations_are_refused(vocabulary, settings, message):
    image_processor = HanziGlyphImageProcessor(**{"styles": ["kai"], "size": 24, "binary": True, **settings})
    config = new_config("glyph_crm", vocab_size=len(TOKENS))
    with pytest.raises(ValueError, match=message):
        render_glyphs(AutoModel.from_config(config), HanziProcessor(image_processor, GlyphCrmTokenizer(vocabulary)))


@pytest.mark.parametrize("family", SEEING)
def test_another_number_of_rows_is_refused(vocabulary, family):
    config = new_config(family)
    tokenizer = processing_class_of(config, vocabulary)
    rows = config.num_glyphs
    config.vocab_size += 1
    if hasattr(config, "glyph_vocab_size"):
        config.glyph_vocab_size += 1
    message = f"the model has {rows + 1} rows of glyph images, its tokenizer {rows} tokens"
    with pytest.raises(ValueError, match=message):
        render_glyphs(AutoModel.from_config(config), tokenizer)


def test_a_tokenizer_without_glyph_ids_is_refused_where_there_is_a_bank(vocabulary):
    message = "--tokenizer_type chinese_bert does not fit --model_type glyph_crm: .*--tokenizer_type glyph_crm"
    with pytest.raises(ValueError, match=message):
        new_processing_class(new_config("glyph_crm"), vocabulary, "chinese_bert")


@pytest.mark.parametrize("family", SEEING)
def test_what_no_font_covers_gets_the_image_of_unk(tmp_path, warnings, family):
    """One rule for all families: a blank image would be that of [PAD]; it is where words have none, [UNK] included."""
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join([*TOKENS, "\U0003fffd"]) + "\n", encoding="utf-8")
    config = new_config(family)
    processing_class = processing_class_of(config, str(path))
    rows = config.num_glyphs
    model = AutoModel.from_config(config)
    render_glyphs(model, processing_class)
    images = held(model)
    assert images[1].any() == getattr(config, "glyph_words", True)
    assert np.array_equal(images[-1], images[1])
    assert sum(f"1 of {rows} tokens of the bank have no glyph image" in message for message in warnings) == 1
    renderer = new_image_processor(config)
    tokens = get_tokenizer(processing_class).convert_ids_to_tokens(list(range(rows)))
    if family in OF_WORDS:
        tokens = processing_class.tokenizer.bank_tokens()
    assert np.array_equal(images[:-1], renderer.render(tokens[:-1]))


def test_the_id_table_has_the_row_of_unk(tmp_path):
    """A vocabulary like BERT's has [UNK] elsewhere than the published one of GlyphCRM."""
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join([SPECIAL[0], *"银行很忙", *SPECIAL[1:]]) + "\n", encoding="utf-8")
    config = new_config("glyph_crm", id_embeddings=True)
    processing_class = new_processing_class(config, str(path), vocabulary_bank=True)
    model = AutoModel.from_config(config).eval()
    render_glyphs(model, processing_class)
    assert model.config.unk_token_id == processing_class.tokenizer.unk_token_id == 5
    inputs = processing_class(["银龘"], return_tensors="pt")
    assert inputs["input_ids"].tolist() == [[6, 1, 5, 7]]
    both = model(**inputs).last_hidden_state
    torch.testing.assert_close(model(**{**inputs, "input_ids": None}).last_hidden_state, both)


@pytest.mark.parametrize("family", ["bert", "glyph_crm", "chinese_bert", "glyce", "mpm_cner", "bilstm", "lattice_lstm"])
def test_padding_is_that_of_the_vocabulary(tmp_path, family):
    """The vector of padding is 0 and trains nothing: with another id that would be one of the characters."""
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join([*"银行很忙", *SPECIAL]) + "\n", encoding="utf-8")
    config = new_config(family)
    settings = SETTINGS.get(family, {})
    new_processing_class(config, str(path), "glyph_crm" if family == "bert" else None, vocabulary_bank=True, **settings)
    table = AutoModel.from_config(config).get_input_embeddings()
    assert config.pad_token_id == 4 + SPECIAL.index("[PAD]")
    if isinstance(table, torch.nn.Embedding):
        assert table.padding_idx == config.pad_token_id
        assert table.weight.any(1).tolist() == [index != table.padding_idx for index in range(len(table.weight))]


def test_a_model_that_hears_gets_its_sounds(vocabulary):
    config = new_config("mpm_cner", glyph_styles=["song"])
    processor = new_processing_class(config, vocabulary, vocabulary_bank=True)
    sounds = processor.feature_extractor
    assert config.num_syllables == 1 + len(sounds.syllables) == 1 + len(processor.tokenizer.syllables)
    model = AutoModel.from_config(config)
    render_glyphs(model, processor)
    assert np.array_equal(model.sound_bank.glyphs.numpy(), sounds.render_bank())
    assert model.config.sound_manifest == sounds.make_sound_manifest()
    assert model.config.font_manifest["styles"][0]["style"] == "song"
    encoded = processor("银行很忙", return_tensors="pt")
    assert model(**encoded).last_hidden_state.shape == (1, 6, 16)
    smaller = new_config("mpm_cner", glyph_size=24, vocab_size=9, num_syllables=config.num_syllables)
    with pytest.raises(
        ValueError, match=r"glyph_size=24 is not allowed with sounds: .* \(3, 48, 48\), the model has \(3, 24"
    ):
        render_sounds(AutoModel.from_config(smaller), processor)
    model.config.num_syllables += 1
    with pytest.raises(ValueError, match=r"num_syllables=\d+ is not allowed: the feature extractor has \d+ syllables"):
        render_sounds(model, processor)


def test_parts_that_a_model_does_without(vocabulary):
    config = new_config("mpm_cner", use_sounds=False)
    processor = new_processing_class(config, vocabulary, vocabulary_bank=True)
    assert processor.feature_extractor is None
    model = AutoModel.from_config(config)
    render_glyphs(model, processor)
    model(**processor("银", return_tensors="pt"))
    with pytest.raises(ValueError, match="a MpmCnerModel hears no sounds"):
        render_sounds(model, processor)
    config = new_config("mpm_cner", use_glyphs=False)
    processor = new_processing_class(config, vocabulary)
    assert not processor.tokenizer.extra_characters  # nothing is rendered that nobody sees
    model = AutoModel.from_config(config)
    with pytest.raises(ValueError, match="a MpmCnerModel sees no glyph images"):
        render_glyphs(model, processor)
    render_sounds(model, processor)
    assert np.array_equal(model.sound_bank.glyphs.numpy(), processor.feature_extractor.render_bank())
    processor.feature_extractor = None
    with pytest.raises(ValueError, match="a HanziProcessor without a feature extractor renders no sounds"):
        render_sounds(model, processor)


def test_the_vocabulary_of_a_checkpoint(vocabulary, tmp_path):
    BertTokenizer(vocabulary, model_max_length=99).save_pretrained(tmp_path)
    config = new_config("mpm_cner", use_sounds=False)
    tokenizer = new_processing_class(config, str(tmp_path), vocabulary_bank=True).tokenizer
    assert tokenizer.get_vocab() == {token: row for row, token in enumerate(TOKENS)}
    assert tokenizer.model_max_length == 99
    with pytest.raises(FileNotFoundError, match="there is no vocabulary file"):
        new_processing_class(config, str(tmp_path / "missing.txt"))


def test_a_lexicon_gives_the_model_its_number_of_words(vocabulary, tmp_path):
    config = new_config("lattice_lstm")
    tokenizer = new_processing_class(config, vocabulary, lexicon_file=["银行", "很忙", "银行"]).tokenizer
    assert (config.num_words, tokenizer.lexicon.words) == (2, ["银行", "很忙"])
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    path = tmp_path / "words.txt"
    path.write_text("银行\n", encoding="utf-8")
    tokenizer = new_processing_class(config, str(tmp_path / "tokenizer"), lexicon_file=str(path)).tokenizer
    assert (config.num_words, tokenizer.lexicon.words) == (1, ["银行"])  # in place of the folder's own
    for settings in ({}, {"lexicon_file": ["银"]}, {"tokenizer_type": "glyce"}):
        with pytest.raises(ValueError, match="a lattice_lstm reads the words of a lexicon, and its .* has none"):
            new_processing_class(config, vocabulary, **settings)


def test_a_vocabulary_of_words_may_be_a_mapping():
    config = new_config("bimpm")
    counted = WordTokenizer.count_vocabulary(["银行很忙", ["银行", "!"]])
    tokenizer = new_processing_class(config, counted, vocabulary_bank=True, cut="characters").tokenizer
    assert (config.vocab_size, config.num_glyphs) == (len(counted), 2 + len("银行很忙!"))
    assert tokenizer("银行")["word_ids"] == [1, 1]


def test_one_small_font_is_saved_with_a_model_without_glyphs(vocabulary, tmp_path):
    for glyce in (True, False):
        config = new_config("bilstm", glyce=glyce, glyph_styles=["song", "kai", "seal"])
        new_processing_class(config, vocabulary, vocabulary_bank=True).save_pretrained(tmp_path / str(glyce))
    sizes = [
        sum(path.stat().st_size for path in (tmp_path / str(glyce) / "fonts").iterdir()) for glyce in (True, False)
    ]
    assert sizes[0] > 10e6 > 3e6 > sizes[1]
    processor = AutoProcessor.from_pretrained(tmp_path / "False")
    assert processor.image_processor.styles == ["seal"]
    inputs = processor(["银行", "㐀"], padding=True, return_tensors="pt")
    assert AutoModel.from_config(config)(**inputs)[0].isfinite().all()


@pytest.mark.parametrize("styles", [["lishu", "cao", "kai"], None])
def test_the_small_font_is_one_that_can_be_saved(vocabulary, tmp_path, styles):
    config = new_config("bilstm", glyce=False, glyph_styles=styles or BiLstmConfig().glyph_styles)
    processor = new_processing_class(config, vocabulary, vocabulary_bank=True)
    processor.save_pretrained(tmp_path)
    assert "lishu" in config.glyph_styles
    assert processor.image_processor.styles == ["cao"]
    assert (tmp_path / "fonts" / "cao.woff2").is_file()
