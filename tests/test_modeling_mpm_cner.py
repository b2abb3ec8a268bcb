"""MPM-CNER: the fusion written out from its parts, what its switches remove, and all ways in which it is run."""

import copy
from pathlib import Path

import mpm_cner_ranks
import pytest
import torch
from chinese_bert_tools import assert_same, gradients, no_grad, tensors, with_grad
from export_tools import needs_newer_torch
from mpm_cner_tools import NO_DROPOUT, SIZES, SWITCHES, build, make_inputs, make_labels, random_images
from process_tools import run_ranks
from torch import nn
from transformers import AutoModel, AutoModelForTokenClassification, Trainer, TrainingArguments

from hanziformers import (
    MpmCnerConfig,
    MpmCnerForTokenClassification,
    MpmCnerModel,
    parameter_groups,
)
from hanziformers.modeling.character_bank import CharacterBank
from hanziformers.modeling.swin import SwinEncoder
from hanziformers.training.fine_tuning import FineTuningArguments
from hanziformers.training.finite_trainer import FiniteTrainer

GRAPH = {"num_hidden_layers": 1, "swin_depths": [1], "swin_num_heads": [2]}  # few operations, for the compiler
EVERY = [MpmCnerModel, MpmCnerForTokenClassification]


def inputs_for(cls, **more):
    inputs = make_inputs(**more)
    return inputs if cls is MpmCnerModel else {**inputs, "labels": make_labels(inputs)}


# ---------------------------------------------------------------------------------------------- the paper's numbers


def test_parameter_counts():
    bert, attention = 21128 * 768 + (512 + 2 + 2) * 768 + 12 * 7_087_872, 2 * 768 * 144
    with torch.device("meta"):
        model = MpmCnerModel(MpmCnerConfig())
        tagger = MpmCnerForTokenClassification(
            MpmCnerConfig(special_token_ids=[0, 101, 102], id2label=SIZES["id2label"])
        )
    assert model.num_parameters() == bert + 978_564 + 979_860 + attention
    lstm = 2 * (4 * 384 * (768 + 384) + 2 * 4 * 384)
    tags = 2 * 4 + 1  # BMES for two labels, and O
    assert tagger.num_parameters() == model.num_parameters() + lstm + 768 * tags + tags + 2 * tags + tags**2


# ---------------------------------------------------------------------------------------------- against its parts


def slow(model, inputs):
    """The fused vectors, from the semantic encoder's, by the encoders and Eq. 11-13, one text at a time."""
    config = model.config
    names = ("input_ids", "attention_mask", "token_type_ids")
    semantic = model.semantic(**{name: inputs[name] for name in names}).last_hidden_state
    texts = []
    for row, vectors in enumerate(semantic):
        known = [i for i, one in enumerate(inputs["input_ids"][row].tolist()) if one not in config.special_token_ids]
        images, fused, parts = [], vectors[known], []
        for i in known:
            further = int(inputs["glyph_ids"][row, i]) - config.num_glyphs
            of_bank = model.glyph_bank.glyphs[min(further, -1)] if model.glyph_bank is not None else None
            images.append(of_bank if further < 0 else inputs["extra_glyphs"][row, further].view(config.glyph_shape))
        if config.use_glyphs:
            parts.append((model.glyph_bank.encoder(torch.stack(images) / 255.0), model.glyph_attention))
        if config.use_sounds:
            sounds = model.sound_bank.glyphs[inputs["syllable_ids"][row, known]]
            parts.append((model.sound_bank.encoder(sounds / 255.0), model.sound_attention))
        if not config.cross_modality:
            whole = torch.zeros(len(vectors), config.fused_size)
            whole[:, : config.hidden_size] = vectors
            whole[known, config.hidden_size :] = torch.cat([one for one, _ in parts], -1)
            texts.append(whole)
            continue
        for one, attention in parts:
            scores = (one @ attention.query.weight.T) @ fused.T / config.hidden_size**0.5
            fused = scores.softmax(-1) @ fused + fused
        texts.append(vectors.index_copy(0, torch.tensor(known), fused))
    return torch.stack(texts)


@pytest.mark.parametrize("name", list(SWITCHES))
def test_equal_to_its_parts(name):
    model, inputs = build(MpmCnerModel, **SWITCHES[name]), make_inputs()
    wanted = slow(model, inputs)
    for output in (with_grad(model, inputs), no_grad(model, inputs), no_grad(model, inputs)):
        torch.testing.assert_close(output[0], wanted, atol=1e-5, rtol=1e-4)
    assert wanted.shape[-1] == model.config.fused_size


@pytest.mark.parametrize(
    ("name", "parts", "rows"),
    [
        ("without glyphs", {"glyph_bank", "glyph_attention"}, 11),
        ("without sounds", {"sound_bank", "sound_attention"}, 11),
        ("without both", {"glyph_bank", "glyph_attention", "sound_bank", "sound_attention"}, 22),
        ("concatenated", {"glyph_attention", "sound_attention"}, 0),
    ],
)
def test_switches_remove_the_parts(name, parts, rows, tmp_path):
    """No parameter and no buffer is left, in the checkpoint neither; the inputs may stay."""
    whole, model, inputs = build(), build(**SWITCHES[name]), make_inputs()
    gone = {key for key in whole.state_dict() if key.split(".")[1] in parts}
    assert gone
    assert set(model.state_dict()) == set(whole.state_dict()) - gone
    assert all(getattr(model.base_model, part) is None for part in parts)
    model.save_pretrained(tmp_path)
    loaded = MpmCnerForTokenClassification.from_pretrained(tmp_path)
    assert_same(no_grad(loaded, inputs), no_grad(model, inputs))
    needed = {"input_ids", "attention_mask", "glyph_ids", "extra_glyphs", "syllable_ids"}
    needed -= {"glyph_ids", "extra_glyphs"} if not model.config.use_glyphs else set()
    needed -= {"syllable_ids"} if not model.config.use_sounds else set()
    assert_same(no_grad(model, {key: inputs[key] for key in needed}), no_grad(model, inputs))
    for switch, write in (("use_glyphs", "set_glyphs"), ("use_sounds", "set_sounds")):
        if not getattr(model.config, switch):
            with pytest.raises(ValueError, match=f"no bank of .*{switch}=False"):
                getattr(model.base_model, write)(random_images(2, 1))


@pytest.mark.parametrize("classifier", ["crf", "linear", "mlp"])
def test_what_is_no_character_has_no_part(classifier):
    """Special tokens, padding and what they look and sound like change nothing; neither does the length of a batch."""
    model, inputs = build(classifier=classifier), make_inputs()
    wanted, special = no_grad(model, inputs)[0], inputs["input_ids"] < 3
    other = {**inputs, "glyph_ids": inputs["glyph_ids"].masked_fill(special, 55)}
    other["syllable_ids"] = inputs["syllable_ids"].masked_fill(special, 7)
    torch.testing.assert_close(no_grad(model, other)[0], wanted)
    for row, length in enumerate(inputs["attention_mask"].sum(1).tolist()):
        alone = {name: value[row : row + 1, :length] for name, value in inputs.items() if name != "extra_glyphs"}
        found = no_grad(model, {**alone, "extra_glyphs": inputs["extra_glyphs"][row : row + 1]})[0]
        torch.testing.assert_close(found[0], wanted[row, :length], atol=1e-4, rtol=1e-4)


def test_special_tokens_and_padding_keep_their_semantic_vectors():
    model, inputs = build(MpmCnerModel), make_inputs()
    names = ("input_ids", "attention_mask", "token_type_ids")
    semantic = model.semantic(**{name: inputs[name] for name in names}).last_hidden_state
    fused, special = model(**inputs).last_hidden_state, inputs["input_ids"] < 3
    assert torch.equal(fused[special], semantic[special])
    assert (fused[~special] - semantic[~special]).abs().amax(-1).min() > 1e-3


def test_texts_without_a_character():
    model, inputs = build(), make_inputs()
    inputs["input_ids"][1], inputs["input_ids"][1, 0] = 0, 1
    inputs["attention_mask"][1] = inputs["input_ids"][1]
    inputs["labels"] = make_labels(inputs)
    out = model.train()(**inputs)
    out.loss.backward()
    assert out.logits[1].argmax(-1).tolist() == [0] * 9
    assert all(grad.isfinite().all() for grad in gradients(model).values())


def test_vectors_in_place_of_ids():
    model, inputs = build(), make_inputs()
    wanted = no_grad(model, inputs)[0]
    ids = inputs.pop("input_ids")
    inputs["inputs_embeds"] = model.get_input_embeddings()(ids)
    torch.testing.assert_close(no_grad(model, inputs)[0], wanted)  # glyph_ids tell special tokens


def test_dropout_of_both_ends_is_one_rate():
    model = build(classifier_dropout=0.5).train()
    assert [part.p for part in (model.mpm_cner.dropout, model.bilstm_dropout)] == [0.5, 0.5]
    inputs = make_inputs()
    first, second = (model(**inputs).logits for _ in range(2))
    assert not torch.equal(first, second)
    plain = build(**NO_DROPOUT).train()
    torch.testing.assert_close(plain(**inputs).logits, plain(**inputs).logits)


# ---------------------------------------------------------------------------------------------- speed


def test_distinct_images_are_encoded_once_and_none_when_warm():
    model, inputs = build(), make_inputs()
    counts = {"glyph": 0, "sound": 0}

    def count(name):
        encoder = getattr(model.mpm_cner, f"{name}_bank").encoder
        plain = encoder.stages

        def counted(images):
            counts[name] += len(images)
            return plain(images)

        encoder.stages = counted  # beneath `forward`, which the bank would take for a hook

    count("glyph"), count("sound")
    model.train()(**inputs)
    further = 4 * 3 and len({(row, int(i)) for row, ids in enumerate(inputs["glyph_ids"]) for i in ids if i >= 60})
    distinct = len(inputs["glyph_ids"][inputs["glyph_ids"] < 60].unique())
    sounds = len(inputs["syllable_ids"].unique())
    assert counts == {"glyph": distinct + further, "sound": sounds}
    model.eval()
    no_grad(model, inputs)
    counts.update(glyph=0, sound=0)
    no_grad(model, inputs)
    assert counts == {"glyph": further, "sound": 0}  # what the bank lacks belongs to its text, and is not kept


# ---------------------------------------------------------------------------------------------- saving and sizes


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_saved_models_come_back_whole(dtype, tmp_path):
    model, inputs = build(semantic={"model_type": "roberta", "pad_token_id": 0}).to(dtype), make_inputs()
    model.save_pretrained(tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.safetensors")) == ["model.safetensors"]
    for auto_class, wanted in ((AutoModelForTokenClassification, model), (AutoModel, model.mpm_cner)):
        loaded, info = auto_class.from_pretrained(tmp_path, dtype="auto", output_loading_info=True)
        assert type(loaded) is type(wanted)
        assert not info["missing_keys"]
        assert loaded.dtype == dtype
        assert torch.equal(loaded.base_model.glyph_bank.glyphs, model.mpm_cner.glyph_bank.glyphs)
        assert_same(no_grad(loaded, inputs), no_grad(wanted, inputs))


def test_what_a_checkpoint_lacks_is_initialised(tmp_path):
    """Loading starts on the meta device: what is not read must be made, images included."""
    whole = build()
    state = {name: value for name, value in whole.state_dict().items() if ".semantic." in name}
    whole.save_pretrained(tmp_path, state_dict=state)
    for seed in (0, 1):
        torch.manual_seed(seed)
        loaded = MpmCnerForTokenClassification.from_pretrained(tmp_path)
        assert not loaded.mpm_cner.glyph_bank.glyphs.any()
        assert not loaded.mpm_cner.sound_bank.glyphs.any()
        fresh = SwinEncoder(1, **loaded.config.swin_sizes).state_dict()
        for name, value in loaded.mpm_cner.glyph_bank.encoder.state_dict().items():
            assert value.isfinite().all()
            if value.numel() > 500:
                assert value.std().item() == pytest.approx(fresh[name].std().item(), rel=0.2), name
        assert all(value.isfinite().all() and value.abs().max() < 5 for value in loaded.bilstm.state_dict().values())
        assert loaded.classifier.crf.transitions.abs().max() <= 0.1


def test_resizing_the_vocabulary(tmp_path):
    model, inputs = build(glyph_vocab_size=50), make_inputs()
    inputs["glyph_ids"] = inputs["glyph_ids"].clamp(max=49)
    wanted = no_grad(model, inputs)[0]
    table = model.resize_token_embeddings(53)
    assert table is model.get_input_embeddings()
    assert (table.num_embeddings, model.config.vocab_size, model.config.num_glyphs) == (53, 53, 53)
    assert model.mpm_cner.glyph_bank.glyphs.shape == (53, 1, 24, 24)
    assert not model.mpm_cner.glyph_bank.glyphs[50:].any()
    assert_same([no_grad(model, inputs)[0]], [wanted])
    inputs["input_ids"][0, 1] = inputs["glyph_ids"][0, 1] = 52
    model(**inputs)
    model.save_pretrained(tmp_path)
    assert MpmCnerForTokenClassification.from_pretrained(tmp_path).config.vocab_size == 53
    model.resize_token_embeddings(40)
    assert model.mpm_cner.glyph_bank.glyphs.shape[0] == model.config.vocab_size == 40
    with pytest.raises(ValueError, match="cannot be resized from 50 to 53.*rows of the glyph bank from 50 to 60"):
        build().resize_token_embeddings(53)
    assert build().resize_token_embeddings(50).num_embeddings == 50
    assert build().resize_token_embeddings(pad_to_multiple_of=10).num_embeddings == 50  # nothing changes
    with pytest.raises(ValueError, match="cannot be resized from 50 to 56"):
        build().resize_token_embeddings(pad_to_multiple_of=8)
    assert build(glyph_vocab_size=50).resize_token_embeddings(pad_to_multiple_of=8).num_embeddings == 56


# ---------------------------------------------------------------------------------------------- ways to run


@pytest.mark.parametrize("name", list(SWITCHES))
def test_every_parameter_gets_a_gradient(name):
    model = build(**SWITCHES[name]).train()
    model(**inputs_for(MpmCnerForTokenClassification)).loss.backward()
    assert not [key for key, parameter in model.named_parameters() if parameter.grad is None]


@pytest.mark.parametrize("classifier", ["crf", "linear"])
def test_gradient_checkpointing_gives_the_same_gradients(classifier):
    model, inputs = build(classifier=classifier, **NO_DROPOUT).train(), inputs_for(MpmCnerForTokenClassification)
    found = []
    for reentrant in (None, False, True):
        model.zero_grad()
        if reentrant is not None:
            model.gradient_checkpointing_enable({"use_reentrant": reentrant})
            assert model.mpm_cner.glyph_bank.gradient_checkpointing
            assert model.mpm_cner.semantic.is_gradient_checkpointing
        model(**inputs).loss.backward()
        found.append(gradients(model))
    for other in found[1:]:
        assert other.keys() == found[0].keys()
        for name, value in found[0].items():
            torch.testing.assert_close(other[name], value, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("attention", ["eager", "sdpa", "flex_attention"])
def test_attention_implementations_reach_the_semantic_encoder(attention, tmp_path):
    model = build(MpmCnerModel)
    model.save_pretrained(tmp_path)
    loaded = MpmCnerModel.from_pretrained(tmp_path, attn_implementation=attention)
    assert loaded.semantic.config is loaded.config.semantic_config
    assert loaded.semantic.config._attn_implementation == loaded.config._attn_implementation == attention
    model.set_attn_implementation(attention)
    assert model.semantic.config._attn_implementation == attention


def test_hidden_states_and_attentions_are_those_of_the_semantic_encoder():
    model, inputs = build(), make_inputs()
    model.set_attn_implementation("eager")
    out = model(**inputs, output_hidden_states=True, output_attentions=True)
    assert [tuple(states.shape) for states in out.hidden_states] == [(4, 9, 24)] * 3
    assert [tuple(maps.shape) for maps in out.attentions] == [(4, 4, 9, 9)] * 2
    model.config.output_hidden_states = True
    assert len(model(**inputs).hidden_states) == 3
    assert model(**inputs, output_hidden_states=False).hidden_states is None
    assert len(model(**inputs, return_dict=False)) == 2
    assert isinstance(model.mpm_cner(**inputs, return_dict=False), tuple)


@pytest.mark.parametrize("cls", EVERY)
def test_bfloat16_is_near_float32(cls):
    model, inputs = build(cls, classifier="linear"), inputs_for(cls)
    wanted, near = with_grad(model, inputs), {"atol": 0.3, "rtol": 0.05}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_same([v.float() for v in with_grad(model, inputs)], wanted, **near)
        assert_same([v.float() for v in no_grad(model, inputs)], wanted, **near)
    model.to(torch.bfloat16)
    assert_same([v.float() for v in no_grad(model, inputs)], wanted, **near)
    output = tensors(model(**inputs))
    sum(v.float().sum() for v in output).backward()
    assert all(torch.isfinite(grad).all() for grad in gradients(model).values())


@needs_newer_torch
def test_compiled_without_breaks_and_equal():
    torch._dynamo.reset()
    model, inputs = build(MpmCnerModel, **GRAPH), make_inputs(2)
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    assert_same(no_grad(compiled, inputs), no_grad(model, inputs))
    with torch.no_grad():
        model.glyph_bank.encoder.layernorm.bias.add_(1)
    assert_same(no_grad(compiled, inputs), with_grad(model, inputs))  # no table is baked into the graph


def test_ranks_that_see_different_numbers_of_characters(tmp_path):
    """DDP: rank 0 sees one distinct character, rank 1 many; the gradients are those of one process on all texts."""
    run_ranks(Path(__file__).with_name("mpm_cner_ranks.py"), tmp_path / "gradients.pt")
    found = torch.load(tmp_path / "gradients.pt")
    model, inputs = mpm_cner_ranks.model_and_batch()
    model(**inputs).loss.backward()
    wanted = gradients(model)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, atol=1e-5, rtol=1e-4)


def test_shapes_can_be_had_from_the_meta_device():
    model, inputs = build(MpmCnerModel), make_inputs()
    inputs.pop("attention_mask")  # transformers looks into it
    model, inputs = model.to("meta"), {name: value.to("meta") for name, value in inputs.items()}
    for grad in (True, False):
        with torch.set_grad_enabled(grad):
            assert model(**inputs).last_hidden_state.shape == (4, 9, 24)


# ---------------------------------------------------------------------------------------------- learning rates


def of_group(model, groups, name):
    ids = {id(one) for group in groups if group["name"] == name for one in group["params"]}
    return {key for key, parameter in model.named_parameters() if id(parameter) in ids}


@pytest.mark.parametrize("wrapped", [False, True])
def test_groups_hold_every_parameter_once(wrapped):
    model = build()
    groups = parameter_groups(nn.Sequential(model) if wrapped else model, weight_decay=0.01)
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    assert {(group["name"], group["lr"]) for group in groups} == {("semantic", 3e-5), ("swin", 1e-4), ("rest", 1e-4)}
    assert all(name.startswith("mpm_cner.semantic.") for name in of_group(model, groups, "semantic"))
    assert all("_bank.encoder." in name for name in of_group(model, groups, "swin"))
    parts = {name.split(".")[0] for name in of_group(model, groups, "rest")}
    assert parts == {"mpm_cner", "bilstm", "classifier"}
    for group in groups:
        assert all((group["weight_decay"] > 0) == (one.dim() > 1) for one in group["params"])
    assert len(parameter_groups(build(**SWITCHES["without both"]))) == 2
    model.mpm_cner.semantic.requires_grad_(False)
    assert {group["name"] for group in parameter_groups(model)} == {"swin", "rest"}
    with pytest.raises(ValueError, match="a Linear holds no MpmCnerModel"):
        parameter_groups(nn.Linear(2, 2))


def test_groups_of_adapters_belong_to_what_they_adapt():
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(target_modules=["query", "fc1"], modules_to_save=["classifier", "bilstm"])
    model = peft.get_peft_model(build(), config)
    groups = parameter_groups(model)
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert set().union(*(of_group(model, groups, name) for name in ("semantic", "swin", "rest"))) == trained
    assert any("lora" in name for name in of_group(model, groups, "swin"))
    assert all(".semantic." in name for name in of_group(model, groups, "semantic"))


def test_an_optimizer_of_ones_own_steps_each_part_at_its_rate():
    model, inputs = build(**NO_DROPOUT).train(), inputs_for(MpmCnerForTokenClassification)
    before = copy.deepcopy(model.state_dict())
    optimizer = torch.optim.Adam(parameter_groups(model, semantic_lr=1e-4, swin_lr=1e-3, rest_lr=1e-2))
    model(**inputs).loss.backward()
    optimizer.step()
    steps = {}
    for name, parameter in model.named_parameters():
        part = "semantic" if ".semantic." in name else "swin" if "_bank." in name else "rest"
        steps[part] = max(steps.get(part, 0), (parameter - before[name]).abs().max().item())
    assert steps == {
        "semantic": pytest.approx(1e-4, 0.01),
        "swin": pytest.approx(1e-3, 0.01),
        "rest": pytest.approx(1e-2, 0.01),
    }


def test_the_trainer_of_the_scripts_asks_for_the_groups(tmp_path):
    inputs = inputs_for(MpmCnerForTokenClassification)
    rows = [{name: value[row] for name, value in inputs.items()} for row in range(4)]
    options = {"use_cpu": True, "max_steps": 2, "report_to": "none", "eval_strategy": "no", "save_strategy": "no"}
    options |= {
        "load_best_model_at_end": False,
        "lr_scheduler_type": "constant",
        "warmup_steps": 0,
        "disable_tqdm": True,
    }
    arguments = FineTuningArguments(str(tmp_path), learning_rate=3e-5, learning_rates="rest=1e-3", **options)
    trainer = FiniteTrainer(build(), arguments, train_dataset=rows)
    trainer.train()
    rates = {group["name"]: group["lr"] for group in trainer.optimizer.param_groups}
    assert rates == {"semantic": 3e-5, "swin": 1e-4, "rest": 1e-3}
    plain = TrainingArguments(str(tmp_path / "stock"), **{**options, "max_steps": 1})
    Trainer(build(), plain, train_dataset=rows).train()  # the stock one trains with one rate


# ---------------------------------------------------------------------------------------------- wrong inputs

WRONG_INPUTS = {
    "no glyphs": ({"glyph_ids": None}, "glyph_ids are missing: pass the text through the processor.*use_glyphs=False"),
    "no sounds": ({"syllable_ids": None}, "syllable_ids are missing.*use_sounds=False"),
    "glyph shape": ({"glyph_ids": torch.ones(4, 8).long()}, r"glyph_ids has the shape \(4, 8\); needed is \(4, 9\)"),
    "sound shape": ({"syllable_ids": torch.ones(3, 9).long()}, r"syllable_ids has the shape \(3, 9\)"),
    "sound": ({"syllable_ids": torch.full((4, 9), 12)}, "syllable_ids holds 12; allowed are 0 to 11"),
    "open sound": ({"syllable_ids": torch.full((4, 9), 5000)}, "syllable_ids holds 5000.*rows of the sound bank"),
    "glyph": ({"glyph_ids": torch.full((4, 9), 63)}, "glyph_ids holds 63; allowed are 0 to 62"),
    "id": ({"input_ids": torch.full((4, 9), 50)}, "input_ids holds 50; allowed are 0 to 49"),
    "type": ({"token_type_ids": torch.full((4, 9), 2)}, "token_type_ids holds 2; allowed are 0 to 1"),
    "position": ({"position_ids": torch.full((1, 9), 40)}, "position_ids holds 40; allowed are 0 to 39"),
    "no text": ({"input_ids": None}, "exactly one is needed of input_ids.*given are {}"),
    "both": ({"inputs_embeds": torch.zeros(4, 9, 24)}, "exactly one is needed"),
    "one text": ({"input_ids": torch.ones(9).long()}, r"exactly one is needed.*\(9,\)"),
}


@pytest.mark.parametrize("name", list(WRONG_INPUTS))
@pytest.mark.parametrize("cls", EVERY)
def test_wrong_inputs_are_explained(cls, name):
    wrong, message = WRONG_INPUTS[name]
    model, inputs = build(cls), {**make_inputs(), **wrong}
    for grad in (True, False):
        with torch.set_grad_enabled(grad), pytest.raises(ValueError, match=f"(?s){message}"):
            model(**inputs)


def test_unknown_inputs_and_long_texts_are_explained():
    model = build()
    with pytest.raises(TypeError, match="MpmCnerModel takes no pinyin_ids"):
        model(**make_inputs(pinyin_ids=torch.zeros(4, 9, 8)))
    with pytest.raises(ValueError, match="has 41 tokens and the model 40 positions.*model_max_length=40"):
        model(**make_inputs(length=41))
    model(**make_inputs(length=40))


def test_blank_banks_are_warned_of(warnings):
    model = MpmCnerModel(MpmCnerConfig(**SIZES)).eval()
    inputs = make_inputs()
    inputs["extra_glyphs"] = inputs["extra_glyphs"][:, :0]
    inputs["glyph_ids"] = inputs["glyph_ids"].clamp(max=59)
    for _ in range(2):
        model(**inputs)
    assert len(warnings) == 2
    assert any("holds no glyph images" in text for text in warnings)
    assert any("holds no spectrograms" in text and "set_sounds" in text for text in warnings)
    assert isinstance(model.sound_bank, CharacterBank)
