"""A checkpoint of another model is refused by name."""

import json

import pytest
from resume_tools import SIZES, make_model
from torch import nn
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForTokenClassification,
    BertTokenizer,
    RobertaConfig,
    RobertaModel,
)

from hanziformers import ChineseBertTokenizer, GlyphCrmTokenizer, LatticeLstmTokenizer, WordTokenizer
from hanziformers.training.checkpoint_model import refuse_other_model

LABELS = {"id2label": {0: "bad", 1: "good"}, "label2id": {"bad": 0, "good": 1}}
OTHERS = {
    "model_type is roberta there and bert": lambda: RobertaModel(RobertaConfig(**SIZES)),
    "the class is BertForTokenClassification there": lambda: BertForTokenClassification(BertConfig(**SIZES)),
    "the class is BertForMaskedLM there and BertForSequence": lambda: BertForMaskedLM(BertConfig(**SIZES)),
    "id2label is {0: 'bad', 1: 'good'} there and {0: 'LABEL_0'": lambda: make_model(**LABELS),
    "id2label is {0: 'LABEL_0', 1: 'LABEL_1', 2: 'LABEL_2'} there": lambda: make_model(num_labels=3),
    "num_hidden_layers is 2 there and 1 in": lambda: make_model(num_hidden_layers=2),
    "num_attention_heads is 4 there and 2 in": lambda: make_model(num_attention_heads=4),  # of the same shapes
    "hidden_act is relu there and gelu in": lambda: make_model(hidden_act="relu"),
    "vocab_size is 21 there and 20 in": lambda: make_model(vocab_size=21),
}


@pytest.mark.parametrize("what", list(OTHERS))
def test_another_model_is_refused(tmp_path, what):
    OTHERS[what]().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="is a checkpoint of another model") as found:
        refuse_other_model(tmp_path, make_model())
    message = str(found.value)
    assert message.startswith(f"{tmp_path} is a checkpoint of another model: {what}")
    assert "another --output_dir, or --resume_from_checkpoint False" in message


@pytest.mark.parametrize("field", ["permuted_glyphs", "random_glyphs", "permuted_pinyin", "withheld_characters"])
def test_another_control_is_refused(tmp_path, field):
    """Fields that a configuration has only where they say something; weights would be loaded under another name."""
    control = make_model()
    setattr(control.config, field, 3)
    for saved, own in ((control, make_model()), (make_model(), control)):
        saved.save_pretrained(tmp_path)
        values = [getattr(one.config, field, None) for one in (saved, own)]
        with pytest.raises(ValueError, match=f"{field} is {values[0]} there and {values[1]} in this run"):
            refuse_other_model(tmp_path, own)
    setattr(control.config, field, None)
    refuse_other_model(tmp_path, control)


def test_shapes_are_compared_where_the_configuration_says_nothing(tmp_path):
    make_model(num_labels=3).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    for name in ("id2label", "label2id"):
        config.pop(name)
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"the shape of classifier.bias is \[3\] there and \[2\] in this run"):
        refuse_other_model(tmp_path, make_model())


def test_another_kind_of_classification_is_refused(tmp_path):
    make_model(problem_type="single_label_classification").save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="problem_type is single_label_classification there and multi_label"):
        refuse_other_model(tmp_path, make_model(problem_type="multi_label_classification"))


@pytest.mark.parametrize("cls", [BertTokenizer, ChineseBertTokenizer, GlyphCrmTokenizer])
def test_another_vocabulary_of_the_same_size_is_refused(tmp_path, cls):
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    one, other = (cls({token: i for i, token in enumerate([*special, *text])}) for text in ("我爱你", "我你爱"))
    model = make_model()
    model.save_pretrained(tmp_path)
    refuse_other_model(tmp_path, model, one)  # no tokenizer was saved
    one.save_pretrained(tmp_path)
    refuse_other_model(tmp_path, model, one)
    with pytest.raises(ValueError, match="another model: token 6 is '爱' there and '你' in this run"):
        refuse_other_model(tmp_path, model, other)


def test_another_bank_of_the_same_size_is_refused(tmp_path):
    one, other = (
        GlyphCrmTokenizer({"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4}, extra_characters=characters)
        for characters in ("我爱", "我你")
    )
    model = make_model()
    model.save_pretrained(tmp_path)
    one.save_pretrained(tmp_path)
    refuse_other_model(tmp_path, model, one)
    with pytest.raises(ValueError, match="another model: token 6 is '爱' there and '你' in this run"):
        refuse_other_model(tmp_path, model, other)


def test_another_lexicon_of_the_same_size_is_refused(tmp_path):
    vocabulary = {token: number for number, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "银"])}
    one, other = (
        LatticeLstmTokenizer(vocabulary, lexicon_file=words) for words in (["银行", "行长"], ["行长", "银行"])
    )
    model = make_model()
    model.save_pretrained(tmp_path)
    one.save_pretrained(tmp_path)
    refuse_other_model(tmp_path, model, one)
    with pytest.raises(ValueError, match="another model: word of the lexicon 0 is '银行' there and '行长' in this run"):
        refuse_other_model(tmp_path, model, other)


def test_texts_cut_in_another_way_are_refused(tmp_path):
    one, other = (WordTokenizer({"[PAD]": 0, "[UNK]": 1, "银": 2}, cut=cut) for cut in ("words", "characters"))
    model = make_model()
    model.save_pretrained(tmp_path)
    one.save_pretrained(tmp_path)
    refuse_other_model(tmp_path, model, one)
    with pytest.raises(ValueError, match="another model: cut is 'words' there and 'characters' in this run"):
        refuse_other_model(tmp_path, model, other)


def test_the_same_model_is_taken(tmp_path):
    saved = make_model(hidden_dropout_prob=0.3)
    saved.config.bos_token_id, saved.config.problem_type = 7, "single_label_classification"  # as training sets them
    saved.config.use_cache = False
    saved.save_pretrained(tmp_path)
    refuse_other_model(tmp_path, make_model())


def test_what_cannot_be_compared_is_left_to_the_trainer(tmp_path):
    refuse_other_model(tmp_path, make_model())  # an adapter's folder has no config.json
    make_model().save_pretrained(tmp_path)
    refuse_other_model(tmp_path, nn.Linear(2, 2))
