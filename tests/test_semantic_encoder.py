"""Which encoders can stand under MPM-CNER, and that each is called as it wants to be."""

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from mpm_cner_tools import SIZES, build, make_inputs, random_images
from transformers import AutoConfig, AutoModel, BertConfig, BertModel, PreTrainedConfig, PreTrainedModel

from hanziformers import MpmCnerConfig, MpmCnerModel
from hanziformers.modeling import semantic_encoder
from hanziformers.modeling.semantic_encoder import build_encoder, position_offset

SMALL = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
SMALL = {name: SIZES[name] for name in (*SMALL, "max_position_embeddings")}
# encoders of text of every make: positions behind padding, no types, no pooler, another width of embeddings, ...
KINDS = {
    "bert": {},
    "roberta": {"pad_token_id": 0},
    "xlm-roberta": {"type_vocab_size": 1},
    "camembert": {},
    "electra": {"embedding_size": 12},
    "albert": {"embedding_size": 12},
    "ernie": {},
    "roformer": {"embedding_size": 24},
    "deberta": {},
    "deberta-v2": {"type_vocab_size": 0},
    "distilbert": {},
    "mpnet": {},
    "convbert": {"embedding_size": 24},
    "modernbert": {"pad_token_id": 0, "cls_token_id": 1, "sep_token_id": 2, "bos_token_id": 1, "eos_token_id": 2},
    "mobilebert": {"embedding_size": 24},
    "rembert": {},
    "megatron-bert": {},
    "roc_bert": {"pronunciation_vocab_size": 9, "shape_vocab_size": 9},
    "nystromformer": {},
    "layoutlm": {},
    "longformer": {"attention_window": 4},
    "luke": {"entity_vocab_size": 9, "entity_emb_size": 12, "pad_token_id": 0},
}


def semantic(kind):
    return {"model_type": kind, **SMALL, **KINDS[kind]}


@pytest.mark.parametrize("kind", list(KINDS))
def test_encoders_of_every_make(kind):
    fields = {name: value for name, value in SIZES.items() if name not in SMALL}
    model = MpmCnerModel(MpmCnerConfig(semantic_config=semantic(kind), **fields)).eval()
    model.set_glyphs(random_images(60, 1))
    model.set_sounds(random_images(12, 3))
    assert type(model.semantic) is type(AutoModel.from_config(AutoConfig.for_model(**semantic(kind))))
    inputs = make_inputs(2)
    # what asks for a gradient gets one: else processes that train together would wait for it
    model(**inputs).last_hidden_state.pow(2).sum().backward()
    wanting = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert wanting == {name for name, weight in model.named_parameters() if weight.grad is not None}
    assert not [name for name in wanting if "pooler" in name]
    out = model(**inputs, output_hidden_states=True)
    assert out.last_hidden_state.shape == (2, 9, 24)
    assert out.last_hidden_state.isfinite().all()
    assert len(out.hidden_states) >= 3
    known = ("input_ids", "attention_mask")
    alone = model.semantic(**{name: inputs[name] for name in known}).last_hidden_state
    torch.testing.assert_close(out.last_hidden_state[:, 0], alone[:, 0], atol=1e-5, rtol=1e-4)  # [CLS] keeps its vector


@pytest.mark.parametrize("kind", ["bert", "roberta", "camembert", "mpnet", "longformer", "nystromformer"])
def test_the_longest_text_is_taken_and_a_longer_one_refused(kind):
    encoder, config = (
        build_encoder(AutoConfig.for_model(**semantic(kind))),
        MpmCnerConfig(semantic_config=semantic(kind)),
    )
    longest = config.max_position_embeddings
    assert longest == 40 - position_offset(encoder.config) <= 40
    assert encoder(torch.full((1, longest), 7)).last_hidden_state.shape[1] == longest
    if kind != "longformer":  # it pads texts to whole windows
        with pytest.raises((IndexError, RuntimeError)):
            encoder(torch.full((1, longest + 1), 7))
    with pytest.raises(ValueError, match=f"has {longest + 1} tokens and the model {longest} positions"):
        semantic_encoder.call_encoder(encoder, longest, {"input_ids": torch.full((1, longest + 1), 7)})
    config.max_position_embeddings = 20
    assert config.max_position_embeddings == 20


def test_positions_behind_padding_are_those_of_the_models():
    """What their documentation says: 514 positions are 512 tokens."""
    for kind, offset in {
        "bert": 0,
        "ernie": 0,
        "electra": 0,
        "roberta": 2,
        "xlm-roberta": 2,
        "luke": 2,
        "mpnet": 2,
    }.items():
        assert position_offset(AutoConfig.for_model(kind)) == offset, kind
    assert position_offset(AutoConfig.for_model("roberta", pad_token_id=0)) == 1
    assert (
        MpmCnerConfig(semantic_config={"model_type": "roberta", "max_position_embeddings": 514}).max_position_embeddings
        == 512
    )
    assert MpmCnerConfig(semantic_config={"model_type": "deberta-v2"}).max_position_embeddings == 512


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("gpt2", "it is no encoder of text that predicts masked tokens"),
        ("llama", "it is no encoder of text"),
        ("vit", "it is no encoder of text"),
        ("clip_text_model", "it is no encoder of text"),
        ("wav2vec2", "it is no encoder of text"),
        ("t5", "it is a decoder, or has one"),
        ("bart", "it is a decoder, or has one"),
        ("perceiver", "it has no vocab_size or no hidden_size"),
        ("chinese_bert", "it reads glyph images or pinyin of its own, which the tokenizer of the whole does not make"),
        ("glyph_crm", "it reads glyph images or pinyin of its own"),
        ("mpm_cner", "it reads glyph images or pinyin of its own"),
    ],
)
def test_what_is_no_encoder_is_refused_by_name(kind, reason):
    with pytest.raises(StrictDataclassError, match=f"model_type='{kind}' is not allowed in MpmCnerConfig.*{reason}"):
        MpmCnerConfig(semantic_config=AutoConfig.for_model(kind))


def test_a_bert_that_is_a_decoder_is_refused():
    with pytest.raises(StrictDataclassError, match="'bert' is not allowed.*it is a decoder"):
        MpmCnerConfig(semantic_config=BertConfig(is_decoder=True))


@pytest.mark.parametrize("kind", ["fnet", "tapas"])
def test_a_model_that_does_not_take_berts_inputs_is_refused(kind):
    if kind == "tapas":  # takes them, and seven types a token
        inputs = make_inputs(2, token_type_ids=torch.ones(2, 9, dtype=torch.long))
        with pytest.raises(ValueError, match="token_type_ids holds 1; allowed are 0 to 0.*one text at a time"):
            build(MpmCnerModel, {"model_type": kind})(**inputs)
        return
    with pytest.raises(
        ValueError, match=r"FNetModel \(fnet\) cannot be the semantic encoder.*input_ids, attention_mask"
    ):
        build(MpmCnerModel, {"model_type": kind})


@pytest.mark.parametrize("kind", ["distilbert", "xlm-roberta"])
def test_types_of_an_encoder_that_has_none(kind):
    model, inputs = build(MpmCnerModel, semantic(kind)), make_inputs(2)
    wanted = model(**{name: value for name, value in inputs.items() if name != "token_type_ids"}).last_hidden_state
    assert torch.equal(model(**inputs).last_hidden_state, wanted)  # zeros say nothing
    inputs["token_type_ids"][0, 3] = 1
    with pytest.raises(ValueError, match="token_type_ids holds 1.*0 is all that this semantic encoder knows"):
        model(**inputs)


def test_an_input_that_the_encoder_lacks_is_refused():
    model = build(MpmCnerModel, semantic("roformer"))
    with pytest.raises(ValueError, match="RoFormerModel, the semantic encoder, takes no position_ids; leave it out"):
        model(**make_inputs(2, position_ids=torch.arange(9)[None]))


def test_vectors_of_another_width_are_refused(registered):
    """Of a custom encoder, or of one inside a model of images and text."""
    fields = {name: value for name, value in SIZES.items() if name not in SMALL}
    config = MpmCnerConfig(semantic_config=CustomConfig(hidden_size=16), **fields)
    message = r"CustomModel .* its last_hidden_state is \(2, 9, 24\); needed is \(2, 9, 16\)"
    with pytest.raises(ValueError, match=message):
        MpmCnerModel(config)(**make_inputs(2))


class CustomConfig(PreTrainedConfig):
    model_type = "custom_encoder_of_a_test"
    vocab_size: int = 50
    hidden_size: int = 24


class CustomModel(PreTrainedModel):
    config: CustomConfig

    def __init__(self, config):
        super().__init__(config)
        self.bert = BertModel(BertConfig(**{**SMALL, "vocab_size": config.vocab_size}), add_pooling_layer=False)
        self.post_init()

    def get_input_embeddings(self):
        return self.bert.get_input_embeddings()

    def forward(self, input_ids=None, attention_mask=None, inputs_embeds=None, **kwargs):
        return self.bert(input_ids, attention_mask, inputs_embeds=inputs_embeds, **kwargs)


@pytest.fixture
def registered():
    """The code of an encoder from elsewhere, as remote code is once it is trusted."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from transformers.models.auto.modeling_auto import MODEL_MAPPING

    AutoConfig.register(CustomConfig.model_type, CustomConfig)
    AutoModel.register(CustomConfig, CustomModel)
    yield
    CONFIG_MAPPING._extra_content.pop(CustomConfig.model_type)
    MODEL_MAPPING._extra_content.pop(CustomConfig)


def test_an_encoder_with_code_from_elsewhere(registered, tmp_path):
    config = MpmCnerConfig(semantic_config=CustomConfig(), **{k: v for k, v in SIZES.items() if k not in SMALL})
    model = MpmCnerModel(config).eval()
    model.save_pretrained(tmp_path)
    loaded = MpmCnerModel.from_pretrained(tmp_path)
    assert type(loaded.semantic) is CustomModel
    inputs = make_inputs(2)
    assert torch.equal(loaded(**inputs).last_hidden_state, model(**inputs).last_hidden_state)


def test_code_from_elsewhere_is_never_run_unasked():
    with pytest.raises(
        ValueError, match="model_type 'custom_encoder_of_a_test'.*not known here.*trust_remote_code=True"
    ):
        MpmCnerConfig(semantic_config={"model_type": CustomConfig.model_type, "auto_map": {"AutoConfig": "a/b--c.D"}})
    with pytest.raises(
        ValueError, match="no AutoModel is registered for the semantic encoder 'custom_encoder_of_a_test'"
    ):
        MpmCnerModel(MpmCnerConfig(semantic_config=CustomConfig()))
