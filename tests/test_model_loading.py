"""load_model: models, processors and tokenizers that fit each other, and folders that work afterwards."""

import numpy as np
import pytest
import torch
from glyph_tools import SPECIAL
from huggingface_hub.errors import StrictDataclassError
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForMultipleChoice,
    AutoModelForPreTraining,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoProcessor,
    AutoTokenizer,
    pipeline,
)

from hanziformers import GlyphCrmTokenizer, HanziGlyphImageProcessor, HanziProcessor
from hanziformers.training.model_loading import ModelArguments, load_model

BERT = "hidden_size=16,num_hidden_layers=1,num_attention_heads=2,intermediate_size=16,max_position_embeddings=32"
GLYPH = BERT + ",glyph_size=24,first_block_channels=2,second_block_channels=2"
BERT_INPUTS = ["input_ids", "token_type_ids", "attention_mask"]


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory):
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    path.write_text("\n".join([*SPECIAL, *"银行很忙"]) + "\n", encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def glyph_crm(vocabulary, tmp_path_factory):
    """A folder of a small GlyphCRM with its processor."""
    folder = tmp_path_factory.mktemp("glyphs")
    torch.manual_seed(1)  # not that of the tests, whichever is the first
    args = ModelArguments(model_type="glyph_crm", vocab_file=vocabulary, config_overrides=GLYPH, vocabulary_bank=True)
    model, processor, _ = load_model(args, AutoModelForPreTraining)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(("kind", "dropped"), [("glyph_crm", "glyph_ids"), ("chinese_bert", "pinyin_ids")])
def test_a_baseline_keeps_to_berts_inputs(vocabulary, tmp_path, warnings, kind, dropped):
    """BERT with the tokenizer of another model: also reloaded it makes nothing that BERT does not take."""
    args = ModelArguments(model_type="bert", tokenizer_type=kind, vocab_file=vocabulary, config_overrides=BERT)
    model, tokenizer, _ = load_model(args, AutoModelForPreTraining)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    texts = ["银行㐀", "很[MASK]㐁"]
    for load in (AutoTokenizer, AutoProcessor):
        again = load.from_pretrained(tmp_path)
        assert type(again) is type(tokenizer)
        for one in (tokenizer, again):
            assert one.model_input_names == BERT_INPUTS
            assert sorted(one(texts)) == sorted(BERT_INPUTS)
            assert dropped not in one.pad([one(text) for text in texts], return_tensors="pt")
            assert sorted(one(texts, padding=True, return_tensors="pt")) == sorted(BERT_INPUTS)
    for auto in (AutoModelForTokenClassification, AutoModelForSequenceClassification):
        tuned, processing_class, labels = load_model(ModelArguments(str(tmp_path)), auto, ["O", "B-X"])
        assert labels == ["O", "B-X"]
        assert processing_class.model_input_names == BERT_INPUTS
        tuned.save_pretrained(tmp_path / auto.__name__)
        processing_class.save_pretrained(tmp_path / auto.__name__)
    assert len(pipeline("fill-mask", str(tmp_path))(texts[1])) == 5
    tag = pipeline("token-classification", str(tmp_path / "AutoModelForTokenClassification"), ignore_labels=[])
    assert [entity["start"] for entity in tag(texts, batch_size=2)[0]] == [0, 1, 2]
    pipeline("text-classification", str(tmp_path / "AutoModelForSequenceClassification"))(texts, batch_size=2)
    assert not warnings  # no glyph image is missed


def test_options_about_glyphs_that_an_override_removes(vocabulary, warnings):
    overrides = "glyce=False,hidden_size=8,embedding_dim=4,glyph_dim=8,glyph_groups=1"
    options = {"glyph_styles": "song", "vocabulary_bank": True, "config_overrides": overrides}
    load_model(ModelArguments(model_type="bilstm", vocab_file=vocabulary, **options), AutoModel)
    for name in ("glyph_styles song", "vocabulary_bank True"):
        assert any(text.startswith(f"--{name} has no effect: a bilstm") for text in warnings), name


@pytest.mark.parametrize("from_scratch", [False, True])
def test_glyphs_cannot_be_given_to_a_checkpoint_without(vocabulary, tmp_path, from_scratch):
    small = "hidden_size=8,embedding_dim=4,glyph_dim=8,glyph_groups=1"
    new = ModelArguments(model_type="bilstm", vocab_file=vocabulary, config_overrides=f"glyce=false,{small}")
    for part in load_model(new, AutoModel)[:2]:
        part.save_pretrained(tmp_path)
    assert load_model(ModelArguments(str(tmp_path)), AutoModel)[0].config.glyce is False
    message = (
        r"is without glyphs, and its .* renders \['cao'\] alone: leave --config_overrides glyce=true out, or make a"
    )
    with pytest.raises(ValueError, match=message):
        load_model(ModelArguments(str(tmp_path), config_overrides="glyce=true", from_scratch=from_scratch), AutoModel)


def test_glyph_crm_keeps_its_inputs(glyph_crm):
    for auto in (AutoModelForMaskedLM, AutoModelForTokenClassification):
        labels = ["O", "B-X"] if auto is AutoModelForTokenClassification else None
        _, processor, _ = load_model(ModelArguments(str(glyph_crm)), auto, labels)
        assert processor.model_input_names == [*BERT_INPUTS, "glyph_ids", "extra_glyphs"]
        assert processor("㐀", return_tensors="pt")["extra_glyphs"].shape == (1, 1, 576)


def other_processor(size=24, extra=""):
    vocab = {token: row for row, token in enumerate([*SPECIAL, *"银行很忙"])}
    return HanziProcessor(HanziGlyphImageProcessor(styles=["song"], size=size), GlyphCrmTokenizer(vocab, extra))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 48}, "glyph_size=24 is not allowed: the image processor renders with size=48.*from one folder"),
        ({"extra": "龘"}, r"a bank of 9 glyph images.*tokenizer numbers 10"),
    ],
)
def test_a_processor_of_another_bank_is_refused(glyph_crm, tmp_path, settings, message):
    model = AutoModelForPreTraining.from_pretrained(glyph_crm)
    model.save_pretrained(tmp_path)
    processor = other_processor(**settings)
    processor.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=message):
        load_model(ModelArguments(str(tmp_path)), AutoModelForPreTraining)
    if "size" in settings:  # without load_model: the model says so at the first batch, whether it has rare characters
        for text in ("银行", "㐀"):
            inputs = AutoProcessor.from_pretrained(tmp_path)(text, return_tensors="pt")
            with pytest.raises(ValueError, match=r"extra_glyphs are torch\.uint8 .*2304.*B, E, 576"):
                model(**inputs)


def test_a_bank_of_another_size_from_overrides_is_refused(glyph_crm):
    with pytest.raises(ValueError, match="glyph_size=48 is not allowed: the image processor renders with size=24"):
        load_model(ModelArguments(str(glyph_crm), config_overrides="glyph_size=48"), AutoModelForPreTraining)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"vocab_file": "vocab.txt"}, r"--vocab_file vocab\.txt beside the checkpoint .*glyphs"),
        ({"min_word_count": 0}, "--min_word_count 0 beside the checkpoint .*glyphs"),
        ({"glyph_styles": "kai"}, "--glyph_styles kai beside"),
        ({"glyph_styles": "kai", "from_scratch": True}, "--glyph_styles kai beside"),
        ({"model_type": "bert", "tokenizer_type": "bert"}, "--model_type bert, --tokenizer_type bert beside"),
        ({"vocabulary_bank": True, "from_scratch": True}, "--vocabulary_bank True beside"),
    ],
)
def test_what_a_checkpoint_would_leave_unused_is_refused(glyph_crm, given, message):
    with pytest.raises(ValueError, match=message):
        load_model(ModelArguments(str(glyph_crm), **given), AutoModelForPreTraining)


def test_glyph_crm_sees_one_font_of_its_size(vocabulary, glyph_crm):
    new = {"model_type": "glyph_crm", "vocab_file": vocabulary, "vocabulary_bank": True, "config_overrides": GLYPH}
    with pytest.raises(StrictDataclassError, match=r"glyph_styles=\['song', 'kai'\] is not allowed.*one name"):
        load_model(ModelArguments(**new, glyph_styles="song, kai"), AutoModelForPreTraining)
    args = ModelArguments(str(glyph_crm), from_scratch=True, config_overrides="glyph_size=48")
    with pytest.raises(ValueError, match="glyph_size=48 is not allowed: .* renders with size=24.*leave glyph_size out"):
        load_model(args, AutoModelForPreTraining)


def test_chinese_berts_fonts(vocabulary, tmp_path):
    """Names with spaces between them; from scratch with a checkpoint: its fonts, or others that are given."""

    def styles(model):
        return [entry["style"] for entry in model.config.font_manifest["styles"]]

    new = ModelArguments(
        model_type="chinese_bert",
        vocab_file=vocabulary,
        config_overrides=BERT + ", glyph_size = 8, pinyin_embedding_size=8",
        glyph_styles="song, kai",
    )
    model, tokenizer, _ = load_model(new, AutoModelForMaskedLM)
    assert styles(model) == ["song", "kai"]
    assert (model.config.hidden_size, model.config.glyph_embedding_dim) == (16, 128)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    again = load_model(ModelArguments(str(tmp_path), from_scratch=True), AutoModelForMaskedLM)[0]
    assert styles(again) == ["song", "kai"]
    tables = [one.bert.embeddings.glyph_embeddings.embedding.weight for one in (model, again)]
    assert torch.equal(*tables)
    other = load_model(ModelArguments(str(tmp_path), from_scratch=True, glyph_styles="kai,song"), AutoModelForMaskedLM)
    assert styles(other[0]) == other[0].config.glyph_styles == ["kai", "song"]


@pytest.mark.parametrize("overrides", ["hidden_size", "hidden_size=16,", "hidden_size=16 num_hidden_layers=1", "=16"])
def test_overrides_of_another_form_are_refused(vocabulary, overrides):
    args = ModelArguments(model_type="bert", vocab_file=vocabulary, config_overrides=overrides)
    with pytest.raises(ValueError, match="config_overrides='.*' is not allowed; give name=value, separated by commas"):
        load_model(args, AutoModelForMaskedLM)


def test_fields_without_a_value_can_be_overridden(vocabulary):
    """transformers takes the type of the new value from the old one, and there is none."""
    overrides = "task_intermediate_size=48,glyph_dim=16,glyph_groups=2,num_hidden_layers=1,hidden_size=24"
    args = ModelArguments(
        model_type="glyce",
        vocab_file=vocabulary,
        glyph_styles="song",
        vocabulary_bank=True,
        config_overrides=f"{overrides},num_attention_heads=2,task_num_attention_heads=4",
    )
    config = load_model(args, AutoModel)[0].config
    assert (config.task_intermediate_size, config.task_num_attention_heads, config.glyph_dim) == (48, 4, 16)
    args.config_overrides = "task_intermediate_size=wide"
    with pytest.raises(StrictDataclassError, match="'task_intermediate_size' with value 'wide'"):
        load_model(args, AutoModel)


def test_from_scratch_with_a_checkpoints_glyph_images(glyph_crm):
    args = ModelArguments(str(glyph_crm), from_scratch=True)
    model, processor, _ = load_model(args, AutoModelForPreTraining)
    old = AutoModelForPreTraining.from_pretrained(glyph_crm)
    images = [one.base_model.get_input_embeddings().glyphs for one in (model, old)]
    assert torch.equal(*images)
    assert np.array_equal(images[0].numpy(), processor.render_bank())
    assert not torch.equal(model.cls.predictions.decoder.weight, old.cls.predictions.decoder.weight)


@pytest.fixture(scope="module")
def chinese_bert(vocabulary, tmp_path_factory):
    """A folder of a small ChineseBERT that labels tokens, with its tokenizer; no image processor."""
    folder = tmp_path_factory.mktemp("tables")
    overrides = BERT + ",glyph_size=8,pinyin_embedding_size=8"
    args = ModelArguments(model_type="chinese_bert", vocab_file=vocabulary, config_overrides=overrides)
    model, tokenizer, _ = load_model(args, AutoModelForTokenClassification, ["O", "LOC", "ORG", "PER"])
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("hidden_size=32", r"bert\.\S+ has the shape \[16.*\] there, and the model has \[32"),
        ("num_hidden_layers=2", r"bert\.encoder\.layer\.1\.\S+ is not there, and the model has \[\d+"),
        (
            "max_position_embeddings=64",
            r"bert\.embeddings\.position_embeddings\S+ has the shape \[32, 16\] there, .* has \[64, 16\] \(1 such",
        ),
    ],
)
def test_weights_below_the_head_that_do_not_fit_are_refused(chinese_bert, override, message):
    args = ModelArguments(str(chinese_bert), config_overrides=override)
    fix = f"leave --config_overrides {override} out, or give --from_scratch True"
    for auto, labels in ((AutoModelForTokenClassification, ["O", "X"]), (AutoModelForMaskedLM, None)):
        with pytest.raises(ValueError, match=f"weights of .*tables.* do not fit the model: {message}.*{fix}"):
            load_model(args, auto, labels)
    with pytest.raises(ValueError, match=message.removeprefix(r"bert\.")):
        load_model(args, AutoModel)


def test_a_checkpoint_whose_own_configuration_does_not_fit_is_refused(chinese_bert, tmp_path):
    AutoModelForTokenClassification.from_pretrained(chinese_bert).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(chinese_bert).save_pretrained(tmp_path)
    config = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(config.replace('"glyph_size": 8', '"glyph_size": 12'))
    with pytest.raises(ValueError, match=r"glyph_\S+ has the shape .* there.*; correct its config\.json, or"):
        load_model(ModelArguments(str(tmp_path)), AutoModelForTokenClassification, ["O", "LOC"])


def test_heads_and_poolers_may_be_new(chinese_bert, glyph_crm):
    for folder in (chinese_bert, glyph_crm):
        model, _, labels = load_model(ModelArguments(str(folder)), AutoModelForSequenceClassification, ["a", "b", "c"])
        assert labels == ["a", "b", "c"]
        assert model.classifier.out_features == 3
    load_model(ModelArguments(str(glyph_crm)), AutoModel)


def heads(model):
    return {key: value for key, value in model.state_dict().items() if not key.startswith(model.base_model_prefix)}


@pytest.mark.parametrize("classifier", ["linear", "mlp"])
def test_other_labels_get_a_new_head(vocabulary, tmp_path, classifier):
    """Also where they are as many; labels that the checkpoint knows keep the head, whatever their order."""
    overrides = f"{BERT},glyph_size=8,pinyin_embedding_size=8,classifier={classifier}"
    new = ModelArguments(model_type="chinese_bert", vocab_file=vocabulary, config_overrides=overrides)
    old, tokenizer, _ = load_model(new, AutoModelForTokenClassification, ["O", "LOC", "ORG", "PER"])
    old.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    args = ModelArguments(str(tmp_path))
    for other in (["O", "AAA", "BBB", "CCC"], ["O", "X"]):
        model, _, labels = load_model(args, AutoModelForTokenClassification, other)
        assert labels == [model.config.id2label[index] for index in range(len(other))] == other
        for key, value in heads(model).items():
            if key.endswith("weight"):
                assert value.shape != heads(old)[key].shape or not torch.equal(value, heads(old)[key]), key
        assert all(torch.equal(value, old.bert.state_dict()[key]) for key, value in model.bert.state_dict().items())
    model, _, labels = load_model(args, AutoModelForTokenClassification, ["PER", "O", "LOC"])
    assert labels == ["O", "LOC", "ORG", "PER"]
    assert all(torch.equal(value, heads(old)[key]) for key, value in heads(model).items())


def test_settings_of_glyph_images_that_would_have_no_effect_are_refused(glyph_crm, chinese_bert):
    args = ModelArguments(str(glyph_crm), config_overrides="glyph_binary=False")
    with pytest.raises(
        ValueError, match="glyph_binary=False is not allowed: the image processor renders with binary=T"
    ):
        load_model(args, AutoModelForPreTraining)
    for name, value in (("glyph_binary", True), ("glyph_size", 12)):
        args = ModelArguments(str(chinese_bert), config_overrides=f"{name}={value}")
        with pytest.raises(ValueError, match=f"{name}={value} sets {name} beside the checkpoint .*--from_scratch True"):
            load_model(args, AutoModelForMaskedLM)
        args.from_scratch = True
        assert getattr(load_model(args, AutoModelForMaskedLM)[0].config, name) == value
    load_model(ModelArguments(str(glyph_crm), config_overrides="glyph_dropout_prob=0.0"), AutoModelForPreTraining)


@pytest.mark.parametrize("override", ["glyph_embedding_dim=64", "num_glyphs=9"])
def test_fields_that_follow_from_others_are_no_overrides(vocabulary, override):
    args = ModelArguments(model_type="chinese_bert", vocab_file=vocabulary, config_overrides=override)
    with pytest.raises(ValueError, match=f"{override}.*set glyph_s(ize|tyles) and glyph_s(ize|tyles)"):
        load_model(args, AutoModelForMaskedLM)


def test_glyph_options_without_effect_are_warned_of(vocabulary, warnings):
    """Not refused: models compared share their options."""
    shared = {"vocab_file": vocabulary, "glyph_styles": "song", "vocabulary_bank": True}
    bert = ModelArguments(model_type="bert", tokenizer_type="glyph_crm", config_overrides=BERT, **shared)
    load_model(bert, AutoModelForPreTraining)
    assert "--glyph_styles song has no effect: a bert sees no glyph images" in warnings[0]
    assert "--vocabulary_bank True has no effect: a bert has no bank" in warnings[1]
    load_model(ModelArguments(model_type="glyph_crm", config_overrides=GLYPH, **shared), AutoModelForPreTraining)
    assert len(warnings) == 2
    small = BERT + ",glyph_size=8,pinyin_embedding_size=8"
    load_model(ModelArguments(model_type="chinese_bert", config_overrides=small, **shared), AutoModelForMaskedLM)
    assert "a chinese_bert has no bank" in warnings[2]


def test_the_classifier_may_be_chosen(vocabulary, chinese_bert, glyph_crm, tmp_path):
    """For new models, checkpoints of other tasks and taggers alike; [PAD], [CLS] and [SEP] come from the tokenizer."""
    labels, auto = ["O", "B-LOC", "I-LOC"], AutoModelForTokenClassification
    new = ModelArguments(
        model_type="chinese_bert",
        vocab_file=vocabulary,
        config_overrides=BERT + ",glyph_size=8,pinyin_embedding_size=8",
    )
    for args in (new, ModelArguments(str(glyph_crm)), ModelArguments(str(chinese_bert))):
        model, processing_class, _ = load_model(args, auto, labels, classifier="crf")
        tokenizer = getattr(processing_class, "tokenizer", processing_class)
        special = {tokenizer.pad_token_id, tokenizer.cls_token_id, tokenizer.sep_token_id}
        assert model.config.special_token_ids == sorted(special)
        assert model.classifier.crf.inner_tags == ["O", "B-LOC", "M-LOC", "E-LOC", "S-LOC"]
        assert model.config.classifier == "crf"
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    args = ModelArguments(str(tmp_path))
    again = load_model(args, auto, labels, training=False)[0]
    assert all(torch.equal(value, heads(model)[key]) for key, value in heads(again).items())
    other = load_model(args, auto, ["O", "B-X", "I-X"])[0]  # as many tags, of other labels
    assert not torch.equal(other.classifier.crf.transitions, model.classifier.crf.transitions)
    assert load_model(args, auto, labels, classifier="linear")[0].classifier.out_features == 3


def test_a_classifier_without_weights_is_refused(chinese_bert, vocabulary):
    args, auto = ModelArguments(str(chinese_bert)), AutoModelForTokenClassification
    message = r"labels tokens with classifier='linear'; 'mlp' would have new weights, and nothing is trained: leave it"
    for given, classifier in (
        (args, "mlp"),
        (ModelArguments(str(chinese_bert), config_overrides="classifier=mlp"), None),
    ):
        with pytest.raises(ValueError, match=message):
            load_model(given, auto, ["O"], training=False, classifier=classifier)
    load_model(args, auto, ["O"], training=False, classifier="linear")
    bert = ModelArguments(model_type="bert", vocab_file=vocabulary, config_overrides=BERT)
    with pytest.raises(ValueError, match="--classifier crf: a bert has no choice of it; leave it out, or take a model"):
        load_model(bert, auto, ["O", "B-X", "I-X"], classifier="crf")


@pytest.mark.parametrize(
    ("kind", "override", "hint"),
    [
        ("glyce", "hiden_size=24", "did you mean hidden_size"),
        ("glyph_crm", "glyph_sizes=8", "did you mean glyph_size"),
        ("bert", "xyz=8", "leave it out"),
        ("chinese_bert", "num_layers=1, hidden_siz=8", "a ChineseBertConfig has no field num_layers"),
    ],
)
def test_an_unknown_field_is_named(vocabulary, kind, override, hint):
    args = ModelArguments(model_type=kind, vocab_file=vocabulary, config_overrides=override)
    with pytest.raises(ValueError, match="has no field") as error:
        load_model(args, AutoModel)
    assert hint in str(error.value)


@pytest.mark.parametrize(
    ("kind", "auto_class", "allowed"),
    [
        ("glyce", AutoModelForPreTraining, "a glyce has no head for this task, AutoModelForPreTraining; .*glyph_crm"),
        ("mpm_cner", AutoModelForMultipleChoice, "a mpm_cner has no head .*chinese_bert, glyph_crm, glyce"),
    ],
)
def test_a_model_without_a_head_for_the_task_is_refused_with_those_that_have_one(vocabulary, kind, auto_class, allowed):
    with pytest.raises(ValueError, match=allowed):
        load_model(ModelArguments(model_type=kind, vocab_file=vocabulary), auto_class)
