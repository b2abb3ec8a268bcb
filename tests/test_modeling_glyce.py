"""Glyce: the published numbers, the model written out from its parts, what its switches remove, all ways it is run."""

import copy
import os
import re
from collections import Counter
from pathlib import Path

import glyce_ranks
import numpy as np
import pytest
import torch
from chinese_bert_tools import assert_same, gradients, no_grad, tensors, with_grad
from export_tools import needs_newer_torch
from glyce_tools import NO_DROPOUT, SIZES, SWITCHES, build, make_inputs, make_labels, random_images
from process_tools import run_ranks
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    PreTrainedConfig,
    Trainer,
    TrainingArguments,
)

from hanziformers import (
    GlyceConfig,
    GlyceForMultipleChoice,
    GlyceForQuestionAnswering,
    GlyceForSequenceClassification,
    GlyceForTokenClassification,
    GlyceModel,
)
from hanziformers.training.learning_rates import part_groups

FOLDER = os.environ.get("HANZIFORMERS_ORACLES")
oracle = pytest.mark.skipif(not FOLDER, reason="HANZIFORMERS_ORACLES does not name the folder of reference vectors")
HEADS = [GlyceForTokenClassification, GlyceForSequenceClassification, GlyceForQuestionAnswering]
EVERY = [GlyceModel, *HEADS]
SIZES_OF_BERT = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
SIZES_OF_BERT = {name: SIZES[name] for name in (*SIZES_OF_BERT, "max_position_embeddings")}
OWN = {name: value for name, value in SIZES.items() if name not in SIZES_OF_BERT}


def inputs_for(cls, **more):
    inputs = make_inputs(**more)
    if cls is GlyceForTokenClassification:
        return {**inputs, "labels": make_labels(inputs)}
    if cls is GlyceForSequenceClassification:
        return {**inputs, "labels": torch.arange(len(inputs["input_ids"])) % 5}
    if cls is GlyceForQuestionAnswering:
        starts = torch.arange(len(inputs["input_ids"]))
        return {**inputs, "start_positions": starts, "end_positions": starts + 1}
    return inputs


# ---------------------------------------------------------------------------------------------- published numbers

# a name in the published code -> ours
NAMES = {
    r"^glyph_transformer\.": "",
    r"glyph_embedder\.glyph_encoder\.glyph_cnn_model": "glyph_bank.encoder",
    r"glyph_embedder\.glyph_encoder\.glyph_classifier": "image_classification.dense",
    r"glyph_embedder\.glyph_encoder\.batch_norm": "glyph_positions.batch_norm",
    r"glyph_embedder\.layer_norm": "glyph_positions.LayerNorm",
    r"glyph_embedder\.position_embeddings": "glyph_positions.position_embeddings",
    r"^bert_model": "semantic",
    r"^transformer_layer": "task_layers",
}


def published(name):
    """The reference vectors, the model with their weights, and the weights that it has no place for."""
    folder = Path(FOLDER) / "glyce"
    weights, vectors = load_file(folder / f"{name}.safetensors"), np.load(folder / f"{name}.npz")
    for pattern, ours in NAMES.items():
        weights = {re.sub(pattern, ours, key): value for key, value in weights.items()}
    images = weights.pop("glyph_embedder.glyph_encoder.glyph_embeddings.0").to(torch.uint8)
    semantic = {"model_type": "bert", "vocab_size": 138, "hidden_size": 32, "num_hidden_layers": 3}
    semantic |= {"num_attention_heads": 4, "intermediate_size": 64, "max_position_embeddings": 64}
    sizes = {"glyph_dim": 48, "glyph_groups": 4, "task_num_attention_heads": 5, "task_intermediate_size": 160}
    model = GlyceModel(GlyceConfig.released(semantic_config=semantic, **sizes)).eval()
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert missing == ["glyph_bank.glyphs"]
    assert all(name.split(".")[0] in ("pooler", "classifier") or "semantic.pooler" in name for name in unexpected)
    model.set_glyphs(images)
    vectors = {key: torch.from_numpy(vectors[key]) for key in vectors if key != "config"}
    return vectors, model, weights


@oracle
def test_published_vectors_of_the_layers():
    wanted, model, _ = published("glyce_transformer")
    names = ("input_ids", "token_type_ids", "attention_mask")
    inputs = {name: wanted[name] for name in names}
    with torch.no_grad():  # of a copy, as a batch norm learns from a pass in training
        found = {"glyph_loss": copy.deepcopy(model).train()(**inputs).image_loss}
    keep = {"glyph_embed": model.glyph_positions, "bert_last": model.semantic, "layer1": model.task_layers.layer[0]}
    for name, module in keep.items():
        module.register_forward_hook(lambda _, __, out, name=name: found.update({name: out}))
    with torch.no_grad():
        out = model(**inputs)
    found |= {"bert_last": found["bert_last"].last_hidden_state, "layer2": out.last_hidden_state}
    found["concat"] = torch.cat([found["glyph_embed"], found["bert_last"]], -1)
    for name in ("glyph_embed", "bert_last", "concat", "layer1", "layer2", "glyph_loss"):
        torch.testing.assert_close(found[name], wanted[name], atol=1e-5, rtol=0)


@oracle
def test_published_logits():
    """The published classifier has a ReLU, and scores padding and special tokens too."""
    wanted, base, weights = published("glyce_bert_tagger")
    config = copy.deepcopy(base.config)
    config.num_labels = 5
    model = GlyceForTokenClassification(config).eval()
    model.glyce = base
    model.classifier = nn.Sequential(nn.Linear(80, 40), nn.ReLU(), nn.Linear(40, 5))
    for layer, name in ((0, "classifier1"), (2, "classifier2")):
        state = {part: weights[f"classifier.{name}.{part}"] for part in ("weight", "bias")}
        model.classifier[layer].load_state_dict(state)
    inputs = {name: wanted[name] for name in ("input_ids", "token_type_ids", "attention_mask")}
    logits = model(**inputs).logits
    torch.testing.assert_close(logits, wanted["logits"], atol=1e-5, rtol=0)
    loss = F.cross_entropy(logits.flatten(0, 1), wanted["labels"].flatten())
    torch.testing.assert_close(loss, wanted["task_loss"], atol=1e-5, rtol=0)
    ours = model(**inputs, labels=wanted["labels"]).loss
    torch.testing.assert_close(ours, torch.tensor(1.49261), atol=1e-5, rtol=0)  # padding is masked


# ---------------------------------------------------------------------------------------------- against its parts


def glyphs_of(model, inputs):
    """Vectors [B, L, D] of every token's glyph, one at a time."""
    found = torch.zeros(*inputs["input_ids"].shape, model.config.glyph_dim)
    for row, position in np.ndindex(*inputs["input_ids"].shape):
        which = int(inputs["glyph_ids"][row, position])
        further = which - model.config.num_glyphs
        image = model.glyph_bank.glyphs[which] if further < 0 else inputs["extra_glyphs"][row, further]
        found[row, position] = model.glyph_bank.encoder(image.view(1, *model.config.glyph_shape) / 255)[0]
    return found


@pytest.mark.parametrize("name", list(SWITCHES))
def test_equal_to_its_parts(name):
    model, inputs = build(GlyceModel, **SWITCHES[name]), make_inputs()
    texts = {key: inputs[key] for key in ("input_ids", "attention_mask", "token_type_ids")}
    wanted = model.semantic(**texts).last_hidden_state
    if model.config.use_glyphs:
        part, glyphs = model.glyph_positions, glyphs_of(model, inputs)
        if part.batch_norm is not None:
            glyphs = part.batch_norm(glyphs.flatten(0, 1)).view_as(glyphs)
        placed = part.position_embeddings(torch.arange(9)) + glyphs
        scale, shift = part.LayerNorm.weight, part.LayerNorm.bias
        wanted = torch.cat([F.layer_norm(placed, (16,), scale, shift, 1e-12), wanted], -1)
    if model.task_layers is not None:
        wanted = model.task_layers(wanted, inputs["attention_mask"])
    for output in (with_grad(model, inputs), no_grad(model, inputs), no_grad(model, inputs)):
        assert len(output) == 1  # no loss of images in evaluation
        torch.testing.assert_close(output[0], wanted, atol=1e-5, rtol=1e-4)
    assert wanted.shape[-1] == model.config.fused_size


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("without glyphs", {"glyph_bank", "glyph_positions", "image_classification"}),
        ("without image classification", {"image_classification"}),
        ("without task layers", {"task_layers"}),
        ("encoder alone", {"glyph_bank", "glyph_positions", "image_classification", "task_layers"}),
    ],
)
def test_switches_remove_the_parts(name, parts, tmp_path):
    """No parameter and no buffer is left, in the checkpoint neither; the inputs may stay."""
    whole, model, inputs = build(), build(**SWITCHES[name]), make_inputs()
    gone = {key for key in whole.state_dict() if key.split(".")[1] in parts}
    assert gone
    assert set(model.state_dict()) == set(whole.state_dict()) - gone
    assert all(getattr(model.base_model, part) is None for part in parts)
    model.save_pretrained(tmp_path)
    loaded = GlyceForTokenClassification.from_pretrained(tmp_path)
    assert_same(no_grad(loaded, inputs), no_grad(model, inputs))
    if not model.config.use_glyphs:
        texts = {key: value for key, value in inputs.items() if "glyph" not in key}
        assert_same(no_grad(model, texts), no_grad(model, inputs))
        with pytest.raises(ValueError, match="no bank of glyphs.*use_glyphs=False"):
            model.base_model.set_glyphs(random_images(2))
        if name == "encoder alone":
            texts.pop("token_type_ids")
            wanted = model.classifier(model.glyce.semantic(**texts).last_hidden_state)
            assert_same(no_grad(model, texts), [wanted])


@pytest.mark.parametrize("task_layer", ["transformers", "bilstm", "cnn", "none"])
@pytest.mark.parametrize("classifier", ["crf", "linear", "mlp"])
def test_padding_changes_nothing(classifier, task_layer):
    model, inputs = build(classifier=classifier, task_layer=task_layer), make_inputs()
    wanted = no_grad(model, inputs)[0]
    for row, length in enumerate(inputs["attention_mask"].sum(1).tolist()):
        alone = {name: value[row : row + 1, :length] for name, value in inputs.items() if name != "extra_glyphs"}
        found = no_grad(model, {**alone, "extra_glyphs": inputs["extra_glyphs"][row : row + 1]})[0]
        torch.testing.assert_close(found[0], wanted[row, :length], atol=1e-4, rtol=1e-4)


def test_rows_are_the_ids_of_the_vocabulary():
    """What BERT's own tokenizer gives is enough, for characters of the vocabulary."""
    model, inputs = build(), make_inputs()
    inputs = {name: value for name, value in inputs.items() if "glyph" not in name}
    assert_same(no_grad(model, inputs), no_grad(model, {**inputs, "glyph_ids": inputs["input_ids"]}))
    ids = inputs.pop("input_ids")
    vectors = {**inputs, "inputs_embeds": model.get_input_embeddings()(ids), "glyph_ids": ids}
    assert_same(no_grad(model, vectors), no_grad(model, {**inputs, "input_ids": ids}))


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_positions_of_glyphs_are_those_of_the_text(kind):
    """RoBERTa counts from the id of padding on; the glyphs count from 0."""
    more = {"type_vocab_size": 1, "pad_token_id": 0} if kind == "roberta" else {}
    model, inputs = build(GlyceModel, {"model_type": kind, **more}), make_inputs()
    assert model.glyph_positions.offset == (1 if kind == "roberta" else 0)
    assert model.glyph_positions.position_embeddings.num_embeddings == 40
    steps = torch.arange(9)[None] + model.glyph_positions.offset
    steps = torch.where(inputs["attention_mask"] > 0, steps, 0)
    part = inputs["attention_mask"] > 0
    found, wanted = no_grad(model, {**inputs, "position_ids": steps})[0], no_grad(model, inputs)[0]
    torch.testing.assert_close(found[part], wanted[part])
    moved = no_grad(model, {**inputs, "position_ids": steps + inputs["attention_mask"]})[0]
    assert (moved[part] - wanted[part]).abs().max() > 1e-2
    with pytest.raises(ValueError, match="has 41 tokens and the model 40 positions"):
        model(**make_inputs(length=41))
    model(**make_inputs(length=40))


class NoLimitConfig(PreTrainedConfig):
    """An encoder of somebody's own that reads texts of any length."""

    model_type = "no_limit"
    vocab_size: int = 50
    hidden_size: int = 24


def test_an_encoder_without_a_limit_gives_glyphs_512_positions():
    config = GlyceConfig(semantic_config=NoLimitConfig(), **OWN)
    assert (config.max_position_embeddings, config.num_positions) == (None, 512)


# ---------------------------------------------------------------------------------------------- image classification


@pytest.mark.parametrize("cls", HEADS)
@pytest.mark.parametrize("classifier", ["linear", "crf"])
def test_the_loss_is_eq_2(cls, classifier):
    """(1 - lambda) L_task + lambda L_cls, the latter as a plain mean over the characters of the vocabulary."""
    model, inputs = build(cls, classifier=classifier, **NO_DROPOUT), inputs_for(cls)
    task = model(**inputs).loss  # in evaluation that of the task alone
    model.train()
    base = model.base_model
    scored = (inputs["glyph_ids"] > 2) & (inputs["glyph_ids"] < 50) & (inputs["attention_mask"] > 0)
    logits = base.image_classification.dense(glyphs_of(base, inputs)[scored])
    images = F.cross_entropy(logits, inputs["glyph_ids"][scored])
    labels = {name for name in inputs if "label" in name or "_pos" in name}
    out = base(**{name: value for name, value in inputs.items() if name not in labels})
    torch.testing.assert_close(out.image_loss, images, atol=1e-6, rtol=1e-6)
    for weight in (0.1, 0.0, 1.0, 0.25):
        if weight != 0.1:  # that of the configuration
            base.image_loss_weight = weight
        torch.testing.assert_close(model(**inputs).loss, (1 - weight) * task + weight * images, atol=1e-5, rtol=1e-6)


def test_the_weight_decays_with_the_epochs():
    model = build(image_loss_weight=0.2, image_loss_decay=0.5)
    assert model.base_model.image_loss_weight == 0.2
    for epoch, weight in ((0, 0.2), (1, 0.1), (2.5, 0.2 * 0.5**2.5), (0.0, 0.2)):
        model.base_model.set_epoch(epoch)
        assert model.base_model.image_loss_weight == weight
    assert "weight_of_images" not in str(model.state_dict().keys())
    for wrong in (-0.1, float("nan")):
        with pytest.raises(ValueError, match="epoch=.*0 or more"):
            model.base_model.set_epoch(wrong)
    for wrong in (-0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match=f"image_loss_weight={wrong} is not allowed.*from 0 to 1"):
            model.base_model.image_loss_weight = wrong
    assert copy.deepcopy(model).base_model.image_loss_weight == 0.2


def test_without_image_classification_the_loss_is_that_of_the_task():
    for switch in ("without image classification", "without glyphs"):
        model = build(**SWITCHES[switch], **NO_DROPOUT)
        inputs = inputs_for(GlyceForTokenClassification)
        wanted = model(**inputs).loss
        model.train().base_model.set_epoch(3.0)  # callbacks need not ask
        torch.testing.assert_close(model(**inputs).loss, wanted)


def test_a_frozen_cnn_is_looked_up_and_classifies_no_images():
    model, inputs = build(**NO_DROPOUT), inputs_for(GlyceForTokenClassification)
    wanted, calls = model(**inputs).loss, Counter()
    model.parameter_groups(glyph_lr=0)
    encoder = model.glyce.glyph_bank.encoder
    forward = type(encoder).features
    encoder.features = lambda images: (calls.update(images=len(images)), forward(encoder, images))[1]
    model.train()
    inputs["glyph_ids"] = inputs["glyph_ids"].clamp(max=59)
    inputs["extra_glyphs"] = inputs["extra_glyphs"][:, :0]
    for _ in range(3):
        loss = model(**inputs).loss
        loss.backward()
    assert calls["images"] == len(inputs["glyph_ids"].unique())  # once, in the first step
    assert model.glyce.image_classification.dense.weight.grad is None
    model.eval()
    torch.testing.assert_close(loss, model(**inputs).loss)
    assert wanted.isfinite()


def test_classes_are_those_of_the_vocabulary():
    """A bank has 2.5 times as many characters, whose classes would cost more than the layers of a small model."""
    model, inputs = build(GlyceModel).train(), make_inputs()
    assert model.image_classification.dense.weight.shape == (50, 16)
    inputs["glyph_ids"] = inputs["glyph_ids"].clamp(min=50)
    assert model(**inputs).image_loss.item() == 0


def test_an_adapter_leaves_the_image_classification_alone():
    """PEFT takes all that is named `classifier` for a head, trains it, and saves it with the adapter."""
    peft = pytest.importorskip("peft")
    options = {"task_type": "SEQ_CLS", "target_modules": ["query"], "r": 2}
    model = peft.get_peft_model(build(GlyceForSequenceClassification), peft.LoraConfig(**options)).train()
    model(**inputs_for(GlyceForSequenceClassification)).loss.backward()
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == gradients(model).keys()
    assert not [name for name in trained if "image_classification" in name]


def test_training_without_labels_is_warned_of(warnings):
    """A Trainer with label smoothing takes the labels away, and with them the loss that the images are part of."""
    model, inputs = build().train(), make_inputs()
    for _ in range(2):
        assert model(**inputs).loss is None
    assert sum("without labels" in text and "use_image_loss=False" in text for text in warnings) == 1


def test_distinct_characters_are_encoded_once():
    model, inputs = build(GlyceModel).train(), make_inputs()
    counts, bank = Counter(), model.glyph_bank
    bank.encoder.register_forward_pre_hook(lambda _, images: counts.update(images=len(images[0])))
    model(**inputs)
    further = 4  # one for each text
    assert counts["images"] == len(inputs["glyph_ids"][inputs["glyph_ids"] < 60].unique()) + further


# ---------------------------------------------------------------------------------------------- saving and sizes


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", ["all", "released", "bilstm", "cnn"])
def test_saved_models_come_back_whole(name, dtype, tmp_path):
    """Mean and deviation of the images, and the running ones of a batch norm, among what comes back."""
    model, inputs = build(**SWITCHES[name]).to(dtype), make_inputs()
    if name == "released":
        model.train()(**inputs)
        model.eval()
    model.save_pretrained(tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.safetensors")) == ["model.safetensors"]
    for auto_class, wanted in ((AutoModelForTokenClassification, model), (AutoModel, model.glyce)):
        loaded, info = auto_class.from_pretrained(tmp_path, dtype="auto", output_loading_info=True)
        assert type(loaded) is type(wanted)
        assert not info["missing_keys"]
        assert loaded.dtype == dtype
        assert_same(no_grad(loaded, inputs), no_grad(wanted, inputs))
        found = loaded.state_dict()
        assert all(torch.equal(value, found[name]) for name, value in wanted.state_dict().items())
        assert loaded.base_model.image_loss_weight == 0.1


def test_what_a_checkpoint_lacks_is_initialised(tmp_path):
    """Loading starts on the meta device: what is not read must be made, images and statistics included."""
    whole = build(glyph_batch_norm=True)
    state = {name: value for name, value in whole.state_dict().items() if ".semantic." in name}
    whole.save_pretrained(tmp_path, state_dict=state)
    for seed in (0, 1):
        torch.manual_seed(seed)
        loaded = GlyceForTokenClassification.from_pretrained(tmp_path)
        base = loaded.glyce
        assert not base.glyph_bank.glyphs.any()
        cnn = base.glyph_bank.encoder
        assert not cnn.mean.any()
        assert cnn.std.eq(1).all()
        assert cnn.conv1.weight.std().item() == pytest.approx((2 / 50) ** 0.5, rel=0.1)
        norm = base.glyph_positions.batch_norm
        assert [norm.running_mean.any().item(), norm.running_var.eq(1).all().item()] == [False, True]
        fresh = dict(build(glyph_batch_norm=True).named_parameters())
        for name, value in loaded.named_parameters():
            assert value.isfinite().all(), name
            if value.dim() > 1 and value.numel() > 300:
                assert value.std().item() == pytest.approx(fresh[name].std().item(), rel=0.25), name
    released = build(glyph_initializer="uniform").glyce.glyph_bank.encoder.conv1.weight
    assert 0.09 < released.abs().max() <= 0.1


def test_statistics_are_those_of_the_bank():
    """A further character leaves those of the others as they are."""
    model, inputs = build(GlyceModel), make_inputs()
    cnn, images = model.glyph_bank.encoder, model.glyph_bank.glyphs[3:] / 255
    torch.testing.assert_close(cnn.mean, images.mean((0, 2, 3)))
    torch.testing.assert_close(cnn.std, images.std((0, 2, 3), correction=0))
    wanted = no_grad(model, inputs)[0]
    unused = next(row for row in range(3, 60) if not (inputs["glyph_ids"] == row).any())
    model.set_glyphs(torch.full((1, 2, 8, 8), 255, dtype=torch.uint8), [unused])
    assert_same([no_grad(model, inputs)[0]], [wanted])
    model.set_glyphs(random_images(60) // 2)
    assert_same([no_grad(model, inputs)[0]], [with_grad(model, inputs)[0]])
    assert cnn.mean.max() < 0.3


def test_resizing_the_vocabulary(tmp_path):
    """With the bank the classifier of images is resized, or a new token would have no class."""
    model, inputs = build(glyph_vocab_size=50), make_inputs()
    inputs["glyph_ids"] = inputs["glyph_ids"].clamp(max=49)
    wanted = no_grad(model, inputs)[0]
    table = model.resize_token_embeddings(53)
    assert table is model.get_input_embeddings()
    assert (table.num_embeddings, model.config.vocab_size, model.config.num_glyphs) == (53, 53, 53)
    assert model.glyce.glyph_bank.glyphs.shape == (53, 2, 8, 8)
    assert not model.glyce.glyph_bank.glyphs[50:].any()
    assert model.glyce.image_classification.dense.out_features == 53
    assert_same([no_grad(model, inputs)[0]], [wanted])
    model.glyce.set_glyphs(random_images(4)[3:], [52])
    inputs["input_ids"][0, 1] = inputs["glyph_ids"][0, 1] = 52
    model.train()(**inputs, labels=make_labels(inputs)).loss.backward()
    model.save_pretrained(tmp_path)
    assert GlyceForTokenClassification.from_pretrained(tmp_path).config.vocab_size == 53
    model.resize_token_embeddings(40)
    assert model.glyce.glyph_bank.glyphs.shape[0] == model.config.vocab_size == 40
    assert model.glyce.image_classification.dense.bias.shape == (40,)
    with pytest.raises(ValueError, match="cannot be resized from 50 to 53.*rows of the glyph bank from 50 to 60"):
        build().resize_token_embeddings(53)
    assert build(use_glyphs=False, glyph_vocab_size=50).resize_token_embeddings(53).num_embeddings == 53


# ---------------------------------------------------------------------------------------------- BiMPM of Table 9


def make_pairs(**more):
    """A batch of [CLS] text [SEP] text [SEP] and padding."""
    inputs = make_inputs()
    inputs["input_ids"][:, 3] = inputs["glyph_ids"][:, 3] = 2
    types = (torch.arange(9)[None] > 3) & (inputs["attention_mask"] > 0)
    return {**inputs, "token_type_ids": types.long(), **more}


def build_matcher(cls=GlyceForSequenceClassification, **fields):
    return build(cls, task_layer="bimpm", bimpm_hidden_size=10, bimpm_perspectives=3, **fields)


@pytest.mark.parametrize("fields", [{}, {"use_glyphs": False}])
def test_pairs_are_matched_over_glyphs_and_text(fields):
    model, inputs = build_matcher(**fields), make_pairs()
    base, ids = model.glyce, inputs["input_ids"]
    plain = build(GlyceModel, task_layer="none", **fields)
    plain.load_state_dict({key: value for key, value in base.state_dict().items() if "task_layers" not in key})
    hidden = plain(**inputs).last_hidden_state
    words, types = (ids > 2) & (inputs["attention_mask"] > 0), inputs["token_type_ids"] > 0
    pairs = base.task_layers(hidden, words & ~types, words & types)[1]
    for out in (base(**inputs), no_grad_output(base, inputs)):
        torch.testing.assert_close(out.last_hidden_state, hidden)
        torch.testing.assert_close(out.pooler_output, pairs)
    assert pairs.shape == (4, model.config.fused_size)
    assert_same(no_grad(model, inputs), [model.classifier(pairs).detach()])
    for row, length in enumerate(inputs["attention_mask"].sum(1).tolist()):
        alone = {name: value[row : row + 1, :length] for name, value in inputs.items() if name != "extra_glyphs"}
        found = no_grad(model, {**alone, "extra_glyphs": inputs["extra_glyphs"][row : row + 1]})[0]
        torch.testing.assert_close(found[0], model.classifier(pairs)[row], atol=1e-5, rtol=1e-4)


def no_grad_output(model, inputs):
    with torch.no_grad():
        return model(**inputs)


def test_a_matcher_is_trained_saved_and_loaded(tmp_path):
    model, inputs = build_matcher(), make_pairs(labels=torch.tensor([0, 1, 4, 2]))
    model.train()(**inputs).loss.backward()
    assert gradients(model).keys() == {name for name, _ in model.named_parameters()}
    model.eval().save_pretrained(tmp_path / "whole")
    loaded, info = AutoModelForSequenceClassification.from_pretrained(tmp_path / "whole", output_loading_info=True)
    assert not info["missing_keys"]
    assert_same(no_grad(loaded, inputs), no_grad(model, inputs))
    kept = {name: value for name, value in model.state_dict().items() if ".semantic." in name}
    model.save_pretrained(tmp_path / "encoder", state_dict=kept)
    fresh = GlyceForSequenceClassification.from_pretrained(tmp_path / "encoder")
    weights = fresh.glyce.task_layers.matching.perspectives  # loading starts on the meta device
    assert weights.std().item() == pytest.approx((2 / 5) ** 0.5, rel=0.3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        near = [value.float() for value in no_grad(model, inputs)]
    assert_same(near, no_grad(model, inputs), atol=0.3, rtol=0.05)
    model.to(torch.bfloat16).train()(**inputs).loss.backward()
    assert all(torch.isfinite(grad).all() for grad in gradients(model).values())


def test_vectors_are_matched_where_rows_of_glyphs_tell_special_tokens():
    model, inputs = build_matcher(), make_pairs()
    wanted = no_grad(model, inputs)
    inputs["inputs_embeds"] = model.get_input_embeddings()(inputs.pop("input_ids"))
    assert_same(no_grad(model, inputs), wanted)
    with pytest.raises(ValueError, match="needs input_ids or glyph_ids"):
        build_matcher(use_glyphs=False)(**{**inputs, "glyph_ids": None})


def test_choices_are_matched_with_their_text():
    model, inputs = build_matcher(GlyceForMultipleChoice), make_pairs()
    wanted = no_grad(model, {name: value.unflatten(0, (2, 2)) for name, value in inputs.items()})[0]
    flat = no_grad(model, {name: value[:, None] for name, value in inputs.items()})[0]
    torch.testing.assert_close(wanted.flatten(), flat.flatten())


def test_what_cannot_be_matched_is_refused():
    for cls in (GlyceForTokenClassification, GlyceForQuestionAnswering):
        with pytest.raises(ValueError, match=f"task_layer='bimpm' is not allowed.*any other in {cls.__name__}"):
            build_matcher(cls)
    with pytest.raises(ValueError, match="4 of 4 texts are no pairs: text 0 has no token of type 1"):
        build_matcher()(**make_inputs())
    with pytest.raises(ValueError, match="token_type_ids are missing"):
        build_matcher(GlyceModel)(**make_pairs(token_type_ids=None))


# ---------------------------------------------------------------------------------------------- stages of Table 8


@pytest.mark.parametrize("saved", [False, True])
def test_around_an_encoder(saved, tmp_path):
    bert = BertForSequenceClassification(BertConfig(**SIZES_OF_BERT))
    if saved:
        bert.save_pretrained(tmp_path)
    model = GlyceForSequenceClassification.from_encoders(tmp_path if saved else bert, **OWN)
    assert not model.training
    assert model.config.hidden_size == 24
    found = model.glyce.semantic.state_dict()
    assert all(torch.equal(value, bert.bert.state_dict()[name]) for name, value in found.items())
    with pytest.raises(ValueError, match="glyph_dims=3: GlyceConfig has no such field; it has .*glyph_dim"):
        GlyceModel.from_encoders(bert, glyph_dims=3)
    with pytest.raises(TypeError, match="semantic is a int"):
        GlyceModel.from_encoders(3)


def test_an_encoder_of_another_width_is_refused(tmp_path):
    model = build(GlyceModel)
    wider = BertModel(BertConfig(**{**SIZES_OF_BERT, "hidden_size": 32}))
    with pytest.raises(ValueError, match=r"the BertModel does not fit the semantic encoder.*\(37,.*Leave sizes"):
        model.load_encoders(BertModel(BertConfig(**{**SIZES_OF_BERT, "intermediate_size": 38})))
    with pytest.raises(ValueError, match=r"does not fit the semantic encoder.*shape \(32,\) there and \(24,\) here"):
        model.load_encoders(wider)
    model.save_pretrained(tmp_path)
    names = r"(?s)the weights in .* do not fit the configuration: .* has the shape \(.*\) there and \(.*\) in the model"
    for fields in ({"semantic_config": {"hidden_size": 32}}, {"glyph_dim": 32}, {"vocab_size": 55}):
        for loader in (GlyceModel, AutoModel, AutoModelForTokenClassification):
            with pytest.raises(RuntimeError, match=rf"{names} \(\d+ such weights\).*from_encoders"):
                loader.from_pretrained(tmp_path, **fields)
    wider.save_pretrained(tmp_path / "bert")
    with pytest.raises(ValueError, match="model_type='bert' is not allowed in GlyceConfig.*from_encoders"):
        GlyceModel.from_pretrained(tmp_path / "bert")


def test_the_stages_of_bert_glyce_joint(tmp_path):
    """BERT alone; then the glyphs around it, which stays as it is; then all, from what the second stage left."""
    inputs = inputs_for(GlyceForSequenceClassification)

    def step(model, folder, **rates):
        before = {name: value.clone() for name, value in model.state_dict().items()}
        optimizer = torch.optim.SGD(model.parameter_groups(**rates))
        model.train()(**inputs).loss.backward()
        optimizer.step()
        model.save_pretrained(folder)
        after = model.state_dict()
        return {".".join(name.split(".")[:2]) for name in before if not torch.equal(before[name], after[name])}

    rates = {"semantic_lr": 0.1, "glyph_lr": 0.1, "rest_lr": 0.1}
    first = build(GlyceForSequenceClassification, use_glyphs=False, task_layer="none", **NO_DROPOUT)
    assert "glyce.semantic" in step(first, tmp_path / "1", **rates)
    second = GlyceForSequenceClassification.from_encoders(tmp_path / "1", **{**OWN, **NO_DROPOUT})
    second.glyce.set_glyphs(random_images(60))
    for name, value in second.glyce.semantic.state_dict().items():
        assert torch.equal(value, first.glyce.semantic.state_dict()[name])
    glyph_layer = {"glyce.glyph_bank", "glyce.image_classification", "glyce.glyph_positions", "glyce.task_layers"}
    glyph_layer |= {"classifier.weight", "classifier.bias"}
    assert step(second, tmp_path / "2", **{**rates, "semantic_lr": 0}) == glyph_layer
    third = AutoModelForSequenceClassification.from_pretrained(tmp_path / "2")
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in third.state_dict().items())
    assert step(third, tmp_path / "3", **rates) == {*glyph_layer, "glyce.semantic"}


def test_groups_hold_every_parameter_once(tmp_path):
    model = build()
    groups = model.parameter_groups(weight_decay=0.01)
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    rates = {(group["name"], group["lr"]) for group in groups}
    assert rates == {("semantic", 2e-5), ("glyph", 1e-4), ("rest", 1e-4)}
    parts = {id(one): group["name"] for group in groups for one in group["params"]}
    for name, parameter in model.named_parameters():
        glyph = "glyph_bank" in name or "image_classification" in name
        assert parts[id(parameter)] == ("semantic" if ".semantic." in name else "glyph" if glyph else "rest")
    asked = part_groups(model, TrainingArguments(str(tmp_path), use_cpu=True, learning_rate=3e-5))
    assert {group["lr"] for group in asked if group["name"] == "semantic"} == {3e-5}
    assert {group["name"] for group in build(use_glyphs=False).parameter_groups()} == {"semantic", "rest"}


# ---------------------------------------------------------------------------------------------- ways to run


@pytest.mark.parametrize("name", list(SWITCHES))
@pytest.mark.parametrize("cls", HEADS)
def test_every_parameter_gets_a_gradient(cls, name):
    model = build(cls, **SWITCHES[name]).train()
    model(**inputs_for(cls)).loss.backward()
    assert not [key for key, parameter in model.named_parameters() if parameter.grad is None]


def test_a_batch_without_any_image_still_reaches_every_parameter():
    """Or the ranks of a distributed run would wait for each other."""
    model, inputs = build().train(), inputs_for(GlyceForTokenClassification)
    inputs["glyph_ids"] = inputs["glyph_ids"].clamp(max=2)
    model(**inputs).loss.backward()
    found = gradients(model)
    assert found.keys() == {name for name, _ in model.named_parameters()}
    assert all(grad.isfinite().all() for grad in found.values())
    assert not found["glyce.image_classification.dense.weight"].any()


@pytest.mark.parametrize("name", ["all", "bilstm", "cnn", "released"])
def test_gradient_checkpointing_gives_the_same_gradients(name):
    model, inputs = build(**SWITCHES[name], **NO_DROPOUT).train(), inputs_for(GlyceForTokenClassification)
    found = []
    for reentrant in (None, False, True):
        model.zero_grad()
        if reentrant is not None:
            model.gradient_checkpointing_enable({"use_reentrant": reentrant})
            assert model.glyce.glyph_bank.gradient_checkpointing
            assert model.glyce.semantic.is_gradient_checkpointing
            layers = getattr(model.glyce.task_layers, "layer", [])
            assert name == "bilstm" or all(layer.gradient_checkpointing for layer in layers)
        model(**inputs).loss.backward()
        found.append(gradients(model))
    for other in found[1:]:
        assert other.keys() == found[0].keys()
        for key, value in found[0].items():
            torch.testing.assert_close(other[key], value, atol=1e-5, rtol=1e-4)


def test_accumulated_gradients_are_those_of_one_batch(tmp_path):
    """A loss that is a mean is divided by the steps; what scores images is a mean over each step's own."""
    model, inputs = build(image_loss_weight=0, **NO_DROPOUT), inputs_for(GlyceForTokenClassification)
    assert model.accepts_loss_kwargs is False
    rows = [{name: value[row] for name, value in inputs.items()} for row in (0, 0, 0, 0)]
    options = {"use_cpu": True, "max_steps": 1, "report_to": "none", "save_strategy": "no", "disable_tqdm": True}
    options |= {"learning_rate": 0.1, "optim": "sgd", "lr_scheduler_type": "constant", "max_grad_norm": 0}
    found = []
    for size, steps in ((4, 1), (1, 4)):
        twin = copy.deepcopy(model)
        sizes = {"per_device_train_batch_size": size, "gradient_accumulation_steps": steps}
        Trainer(twin, TrainingArguments(str(tmp_path), **options, **sizes), train_dataset=rows).train()
        found.append(twin.state_dict())
    for name, value in found[0].items():
        torch.testing.assert_close(found[1][name], value, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("attention", ["eager", "sdpa", "flex_attention"])
def test_attention_implementations_reach_every_layer(attention, tmp_path):
    model = build(GlyceModel)
    model.save_pretrained(tmp_path)
    loaded = GlyceModel.from_pretrained(tmp_path, attn_implementation=attention)
    model.set_attn_implementation(attention)
    for one in (loaded, model):
        assert one.config._attn_implementation == attention
        assert one.semantic.config is one.config.semantic_config
        assert one.semantic.config._attn_implementation == attention
        assert one.task_layers.layer[0].attention.self.config._attn_implementation == attention


def test_attentions_of_both_kinds_give_the_same():
    model, inputs = build(), make_inputs()
    wanted = no_grad(model, inputs)
    model.set_attn_implementation("eager")
    assert_same(no_grad(model, inputs), wanted)


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
    assert isinstance(model.glyce(**inputs, return_dict=False), tuple)


@pytest.mark.parametrize("cls", EVERY)
@pytest.mark.parametrize("name", ["all", "bilstm", "cnn", "released"])
def test_bfloat16_is_near_float32(cls, name):
    model, inputs = build(cls, **SWITCHES[name]), inputs_for(cls)
    wanted, near = with_grad(model, inputs), {"atol": 0.3, "rtol": 0.05}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_same([v.float() for v in with_grad(model, inputs)], wanted, **near)
        assert_same([v.float() for v in no_grad(model, inputs)], wanted, **near)
        with_grad(copy.deepcopy(model).train(), inputs)
    model.to(torch.bfloat16)
    assert_same([v.float() for v in no_grad(model, inputs)], wanted, **near)
    output = tensors(model.train()(**inputs))
    sum(v.float().sum() for v in output).backward()
    assert all(torch.isfinite(grad).all() for grad in gradients(model).values())


@needs_newer_torch
@pytest.mark.parametrize("name", ["all", "bilstm", "cnn"])
def test_compiled_without_breaks_and_equal(name):
    """An LSTM of torch breaks every graph."""
    torch._dynamo.reset()
    model, inputs = build(GlyceModel, num_hidden_layers=1, num_task_layers=1, **SWITCHES[name]), make_inputs(2)
    compiled = torch.compile(model, fullgraph=name != "bilstm", backend="eager")
    assert_same(no_grad(compiled, inputs), no_grad(model, inputs))
    with torch.no_grad():
        model.glyph_bank.encoder.conv1.bias.add_(1)
    assert_same(no_grad(compiled, inputs), with_grad(model, inputs))  # no table is baked into the graph


@needs_newer_torch
def test_a_graph_serves_every_weight_of_the_image_loss():
    """The weight changes at every step; a graph for each would end at the eighth."""
    torch._dynamo.reset()
    model = build(GlyceForSequenceClassification, num_hidden_layers=1, num_task_layers=1, **NO_DROPOUT).train()
    inputs = inputs_for(GlyceForSequenceClassification)
    graphs = []
    model(**inputs)  # looks, once, whether there are images at all
    compiled = torch.compile(model, fullgraph=True, backend=lambda graph, _: (graphs.append(graph), graph.forward)[1])
    for epoch in range(12):
        model.base_model.set_epoch(epoch / 4)
        torch.testing.assert_close(compiled(**inputs).loss, model(**inputs).loss, atol=1e-5, rtol=1e-5)
    assert len(graphs) == 1


@pytest.mark.parametrize("switch", ["all", "released"])
def test_ranks_that_see_different_numbers_of_characters(switch, tmp_path):
    """DDP: rank 0 sees one distinct character, rank 1 many; no parameter is left without a gradient."""
    run_ranks(Path(__file__).with_name("glyce_ranks.py"), tmp_path / "gradients.pt", switch)
    found = torch.load(tmp_path / "gradients.pt")
    model, inputs = glyce_ranks.model_and_batch(switch)
    parts = []
    for rank in range(2):
        model.zero_grad()
        model(**{name: value[2 * rank : 2 * rank + 2] for name, value in inputs.items()}).loss.backward()
        parts.append(gradients(model))
    assert found.keys() == parts[0].keys() == {name for name, _ in model.named_parameters()}
    for name, value in found.items():
        torch.testing.assert_close(value, (parts[0][name] + parts[1][name]) / 2, atol=1e-5, rtol=1e-4)


def test_shapes_can_be_had_from_the_meta_device():
    model, inputs = build(GlyceModel), make_inputs()
    inputs.pop("attention_mask")  # transformers looks into it
    model, inputs = model.to("meta"), {name: value.to("meta") for name, value in inputs.items()}
    for grad in (True, False):
        with torch.set_grad_enabled(grad):
            assert model(**inputs).last_hidden_state.shape == (4, 9, 40)


def test_choices_are_scored_one_by_one():
    model, inputs = build(GlyceForMultipleChoice), make_inputs()
    wanted = no_grad(model, {name: value.unflatten(0, (2, 2)) for name, value in inputs.items()})[0]
    assert wanted.shape == (2, 2)
    flat = no_grad(model, {name: value[:, None] for name, value in inputs.items()})[0]
    torch.testing.assert_close(wanted.flatten(), flat.flatten())


# ---------------------------------------------------------------------------------------------- wrong inputs

WRONG_INPUTS = {
    "glyph shape": ({"glyph_ids": torch.ones(4, 8).long()}, r"glyph_ids has the shape \(4, 8\); needed is \(4, 9\)"),
    "no glyphs": ({"glyph_ids": None}, "glyph_ids are missing beside extra_glyphs: pass.*use_glyphs=False"),
    "glyph": ({"glyph_ids": torch.full((4, 9), 63)}, "glyph_ids holds 63; allowed are 0 to 62"),
    "one script": ({"extra_glyphs": torch.ones(4, 3, 64, dtype=torch.uint8)}, r"needed are torch.uint8 \[B, E, 128\]"),
    "id": ({"input_ids": torch.full((4, 9), 50)}, "input_ids holds 50; allowed are 0 to 49"),
    "type": ({"token_type_ids": torch.full((4, 9), 2)}, "token_type_ids holds 2; allowed are 0 to 1"),
    "position": ({"position_ids": torch.full((1, 9), 40)}, "position_ids holds 40; allowed are 0 to 39"),
    "no text": ({"input_ids": None}, "exactly one is needed of input_ids.*given are {}"),
    "both": ({"inputs_embeds": torch.zeros(4, 9, 24)}, "exactly one is needed"),
    "vectors alone": (
        {"inputs_embeds": torch.zeros(4, 9, 24), "input_ids": None, "glyph_ids": None},
        "glyph_ids are missing beside inputs_embeds",
    ),
}


@pytest.mark.parametrize("name", list(WRONG_INPUTS))
@pytest.mark.parametrize("cls", EVERY[:2])
def test_wrong_inputs_are_explained(cls, name):
    wrong, message = WRONG_INPUTS[name]
    model, inputs = build(cls), {**make_inputs(), **wrong}
    for grad in (True, False):
        with torch.set_grad_enabled(grad), pytest.raises(ValueError, match=f"(?s){message}"):
            model(**inputs)


def test_unknown_inputs_and_blank_banks(warnings):
    model = GlyceModel(GlyceConfig(**SIZES)).eval()
    with pytest.raises(TypeError, match="GlyceModel takes no pinyin_ids"):
        model(**make_inputs(pinyin_ids=torch.zeros(4, 9, 8)))
    inputs = {name: value for name, value in make_inputs().items() if "glyph" not in name}
    for _ in range(2):
        model(**inputs)
    assert sum("holds no glyph images" in text for text in warnings) == 1
