"""GlyphCRM against a slow version of its embeddings and skip connections; there are no published weights."""

import math
from pathlib import Path

import glyph_crm_ranks
import pytest
import torch
from export_tools import needs_newer_torch
from glyph_crm_tools import (
    EVERY,
    HEADS,
    NO_DROPOUT,
    SIZES,
    VALUES,
    assert_same,
    build,
    gradients,
    inputs_for,
    make_inputs,
    no_grad,
    random_glyphs,
    tensors,
    with_grad,
)
from process_tools import run_ranks
from torch.nn import functional as F
from transformers import AutoModel, AutoModelForPreTraining, BertConfig, BertModel, Trainer, TrainingArguments

from hanziformers import (
    GlyphCrmConfig,
    GlyphCrmForMaskedLM,
    GlyphCrmForMultipleChoice,
    GlyphCrmForPreTraining,
    GlyphCrmForQuestionAnswering,
    GlyphCrmForSequenceClassification,
    GlyphCrmForTokenClassification,
    GlyphCrmModel,
)

# ---------------------------------------------------------------------------------------------- the paper's numbers


@pytest.mark.parametrize(
    ("cls", "arguments", "count"),
    [
        (GlyphCrmModel, {"add_pooling_layer": False}, 95_814_336),
        (GlyphCrmModel, {}, 96_404_928),
        (GlyphCrmForPreTraining, {}, 111_311_222),
        (GlyphCrmForMaskedLM, {}, 95_814_336 + 592_128 + 14_312_628),
        (GlyphCrmForSequenceClassification, {}, 95_814_336 + 1_538),
    ],
)
def test_parameter_counts(cls, arguments, count):
    for hybrid, more in ((False, 0), (True, 18_612 * 768 + 2 * 768 * 768 + 768)):
        with torch.device("meta"):
            model = cls(GlyphCrmConfig.base(id_embeddings=hybrid), **arguments)
        assert model.num_parameters() == count + more
    assert model.base_model.embeddings.characters.glyphs.shape == (18_612, 1, 48, 48)


def test_loss_at_the_start_is_that_of_guessing():
    config = GlyphCrmConfig(**{**SIZES, "vocab_size": 18_612, "glyph_vocab_size": None, "initializer_range": 0.02})
    model = GlyphCrmForPreTraining(config).eval()
    model.base_model.set_glyphs(random_glyphs(200), torch.arange(200))
    ids = torch.randint(0, 200, (8, 20))
    loss = model(ids, labels=torch.randint(0, 18_612, (8, 20)), next_sentence_label=torch.arange(8) % 2).loss
    assert loss.item() == pytest.approx(math.log(18_612) + math.log(2), abs=0.1) == pytest.approx(10.525, abs=0.1)


# ---------------------------------------------------------------------------------------------- against a slow version


def slow_embeddings(model, inputs):
    """Every position's own glyph image through HanGlyph: the sum, G1 and G2."""
    emb = model.base_model.embeddings
    rows, images = emb.characters.glyphs, []
    for example, ids in enumerate(inputs["glyph_ids"].tolist()):
        for i in ids:
            of_bank = i < len(rows)
            image = rows[i, 0] if of_bank else inputs["extra_glyphs"][example, i - len(rows)].view(24, 24)
            images.append(image.float() / 255)
    vectors = torch.cat([emb.characters.encoder(image[None, None]) for image in images])
    glyphs, first, second = vectors.unflatten(0, inputs["glyph_ids"].shape).split(SIZES["hidden_size"], -1)
    if model.config.id_embeddings:
        ids = emb.characters.word_embeddings.weight[inputs["input_ids"]]
        glyphs = emb.characters.fusion_linear(torch.cat([glyphs, ids], -1))
    position = emb.position_embeddings.weight[: glyphs.shape[1]]
    hidden = glyphs + position + emb.token_type_embeddings.weight[inputs["token_type_ids"]]
    return emb.LayerNorm(hidden), first, second


def slow_hidden(model, inputs):
    """Eq. 2 and 3 with loops over layers and heads; the bottom two layers add G1 and G2."""
    hidden, *glyphs = slow_embeddings(model, inputs)
    heads, width = SIZES["num_attention_heads"], SIZES["hidden_size"] // SIZES["num_attention_heads"]
    every = [hidden]
    for index, layer in enumerate(model.base_model.encoder.layer):
        attention, outputs = layer.attention.self, []
        query, key, value = attention.query(hidden), attention.key(hidden), attention.value(hidden)
        for head in range(heads):
            part = slice(head * width, (head + 1) * width)
            scores = query[..., part] @ key[..., part].transpose(1, 2) / width**0.5
            scores = scores.masked_fill(inputs["attention_mask"][:, None] == 0, -math.inf)
            outputs.append(scores.softmax(-1) @ value[..., part])
        attended = layer.attention.output.dense(torch.cat(outputs, -1))
        attended = layer.attention.output.LayerNorm(hidden + attended)
        residual = attended + layer.output.dense(F.gelu(layer.intermediate.dense(attended)))
        if index < 2:
            residual = residual + glyphs[index]
        hidden = layer.output.LayerNorm(residual)
        every.append(hidden)
    return every


@pytest.mark.parametrize(
    ("layers", "attention", "hybrid"),
    [(1, "eager", False), (2, "eager", False), (4, "eager", False), (1, "sdpa", False), (2, "sdpa", False)]
    + [(4, "sdpa", False), (1, "sdpa", True), (3, "eager", True)],
)
def test_equal_to_the_slow_version(layers, attention, hybrid):
    model, inputs = build(num_hidden_layers=layers, id_embeddings=hybrid), make_inputs()
    model.set_attn_implementation(attention)
    wanted = slow_hidden(model, inputs)
    for grad in (True, False):
        with torch.set_grad_enabled(grad):
            output = model(**inputs, output_hidden_states=True)
        assert len(output.hidden_states) == layers + 1
        for found, value in zip(output.hidden_states, wanted, strict=True):
            torch.testing.assert_close(found, value, atol=2e-5, rtol=0)
        torch.testing.assert_close(output.last_hidden_state, wanted[-1], atol=2e-5, rtol=0)
        pooled = torch.tanh(model.pooler.dense(wanted[-1][:, 0]))
        torch.testing.assert_close(output.pooler_output, pooled, atol=2e-5, rtol=0)


@pytest.mark.parametrize("hybrid", [False, True])
def test_gradients_equal_the_slow_version(hybrid):
    model, inputs = build(id_embeddings=hybrid), make_inputs()
    inputs["input_ids"][:, 4] = 0  # [PAD], whose row is not trained
    found = []
    for run in (lambda: model(**inputs).last_hidden_state, lambda: slow_hidden(model, inputs)[-1]):
        model.zero_grad()
        torch.manual_seed(1)
        (run() * torch.randn(4, 9, 24)).sum().backward()
        found.append(gradients(model))
    assert found[0].keys() == found[1].keys()
    for name, wanted in found[1].items():
        if name.endswith("word_embeddings.weight"):
            assert wanted[0].any()
            wanted[0] = 0
        torch.testing.assert_close(found[0][name], wanted, atol=1e-4 * max(1, wanted.abs().max().item()), rtol=0)


def test_without_skip_connections_it_is_a_bert():
    model, inputs = build(), make_inputs()
    bert = BertModel(BertConfig(**{**model.config.to_dict(), "model_type": "bert"})).eval()
    bert.encoder.load_state_dict(model.encoder.state_dict())
    bert.pooler.load_state_dict(model.pooler.state_dict())
    names = ("position_embeddings", "token_type_embeddings", "LayerNorm")
    for name in names:
        getattr(bert.embeddings, name).load_state_dict(getattr(model.embeddings, name).state_dict())
    vectors = model.get_input_embeddings()(inputs["glyph_ids"], inputs["extra_glyphs"]).detach()
    vectors[..., 24:] = 0
    common = {name: inputs[name] for name in ("attention_mask", "token_type_ids")}
    wanted = bert(inputs_embeds=vectors[..., :24], **common)
    found = model(inputs_embeds=vectors, **common)
    torch.testing.assert_close(found.last_hidden_state, wanted.last_hidden_state, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.pooler_output, wanted.pooler_output, atol=1e-5, rtol=0)


def test_every_copy_of_a_character_has_its_own_dropout():
    model = build(glyph_dropout_prob=0.5, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0).train()
    seen = []
    model.embeddings.glyph_dropout.register_forward_hook(lambda _, inputs, output: seen.append(output))
    model(torch.full((1, 40), 7))
    dropped = seen[0][0] == 0  # [40, H]
    assert len({tuple(row) for row in dropped.tolist()}) == 40
    assert dropped.float().mean().item() == pytest.approx(0.5, abs=0.1)


# ---------------------------------------------------------------------------------------------- ways to say the input


def test_input_ids_are_rows_of_the_bank():
    model, ids = build(), torch.randint(0, 50, (2, 7))
    wanted = no_grad(model, {"input_ids": ids})
    others = torch.zeros_like(ids)
    assert_same(no_grad(model, {"input_ids": others, "glyph_ids": ids}), wanted)
    assert_same(no_grad(model, {"glyph_ids": ids}), wanted)
    nothing = torch.zeros(2, 0, VALUES, dtype=torch.uint8)
    assert_same(no_grad(model, {"glyph_ids": ids, "extra_glyphs": nothing}), wanted)
    padding = torch.zeros(2, 4, VALUES, dtype=torch.uint8)
    assert_same(no_grad(model, {"glyph_ids": ids, "extra_glyphs": padding}), wanted)


def test_a_further_character_is_what_its_glyph_image_is():
    model, inputs = build(), make_inputs()
    wanted = no_grad(model, inputs)
    images = model.embeddings.characters.glyphs.clone()
    for example in range(4):  # the same glyph images as rows of the bank
        row = 50 + example
        place = inputs["glyph_ids"][example, 2].item() - 60
        images[row] = inputs["extra_glyphs"][example, place].view(1, 24, 24)
        inputs["glyph_ids"][example, 2] = row
    model.set_glyphs(images)
    inputs.pop("extra_glyphs")
    assert_same(no_grad(model, inputs), wanted)


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("cls", [cls for cls in EVERY if cls is not GlyphCrmForMultipleChoice])
def test_vectors_in_place_of_glyph_images(cls, hybrid):
    model, inputs = build(cls, id_embeddings=hybrid), inputs_for(cls)
    wanted = with_grad(model, inputs)
    bank = model.get_input_embeddings()
    ids = inputs.pop("input_ids")
    vectors = bank(inputs.pop("glyph_ids"), inputs.pop("extra_glyphs"), *([ids] if hybrid else []))
    assert vectors.shape == (4, 9, 3 * 24)
    model.base_model.set_glyphs(torch.zeros_like(bank.glyphs))  # no glyph image is looked at
    assert_same(with_grad(model, inputs | {"inputs_embeds": vectors}), wanted, atol=1e-6)


def test_another_module_may_take_the_place_of_the_bank():
    model, ids = build(), torch.randint(0, 50, (2, 7))
    wanted = no_grad(model, {"input_ids": ids})
    table = model.get_input_embeddings()(torch.arange(50)).detach()

    class Table(torch.nn.Module):
        def forward(self, ids, extra_glyphs):
            return table[ids]

    model.set_input_embeddings(Table())
    assert_same(no_grad(model, {"input_ids": ids}), wanted)


# ---------------------------------------------------------------------------------------------- heads


def hidden_of(model, inputs):
    names = ("input_ids", "attention_mask", "token_type_ids", "glyph_ids", "extra_glyphs")
    return model.glyph_crm(**{name: inputs[name] for name in names if name in inputs})


@pytest.mark.parametrize("labels", [True, False])
@pytest.mark.parametrize("cls", HEADS)
def test_heads_without_gradients_equal_those_with(cls, labels):
    model, inputs = build(cls), inputs_for(cls, labels)
    kept = {name: value.clone() for name, value in inputs.items()}
    wanted = with_grad(model, inputs)
    assert_same(no_grad(model, inputs), wanted)
    as_tuple = model(**inputs, return_dict=False)
    assert isinstance(as_tuple, tuple)
    assert len(as_tuple) == len(wanted)
    assert (model(**inputs).loss is not None) == labels
    for name, value in inputs.items():  # labels and ids are the caller's
        assert torch.equal(value, kept[name]), name


def test_pretraining_losses_are_added():
    model, inputs = build(GlyphCrmForPreTraining), inputs_for(GlyphCrmForPreTraining)
    inputs["labels"][:, ::2] = -100
    output = model(**inputs)
    places = inputs["labels"] != -100
    characters = F.cross_entropy(output.prediction_logits[places], inputs["labels"][places])
    pairs = F.cross_entropy(output.seq_relationship_logits, inputs["next_sentence_label"])
    torch.testing.assert_close(output.loss, characters + pairs)
    pair_label = inputs.pop("next_sentence_label")
    torch.testing.assert_close(model(**inputs).loss, characters)
    labels = inputs.pop("labels")
    assert model(**inputs).loss is None
    torch.testing.assert_close(model(**inputs, next_sentence_label=pair_label).loss, pairs)
    hidden = hidden_of(model, inputs)
    torch.testing.assert_close(output.seq_relationship_logits, model.seq_relationship(hidden.pooler_output))
    head = model.cls.predictions
    wanted = head.decoder(head.transform.LayerNorm(F.gelu(head.transform.dense(hidden.last_hidden_state))))
    torch.testing.assert_close(output.prediction_logits, wanted)
    assert wanted.shape == (*labels.shape, 50)


def test_masked_lm_loss_is_the_mean_over_masked_places():
    model, inputs = build(GlyphCrmForMaskedLM), inputs_for(GlyphCrmForMaskedLM)
    inputs["labels"][:, ::2] = -100
    output, places = model(**inputs), inputs["labels"] != -100
    torch.testing.assert_close(output.loss, F.cross_entropy(output.logits[places], inputs["labels"][places]))
    torch.testing.assert_close(output.logits, model.cls(hidden_of(model, inputs).last_hidden_state))


@pytest.mark.parametrize(
    ("num_labels", "labels", "loss"),
    [
        (3, torch.tensor([0, 2, 1, 2]), F.cross_entropy),
        (3, torch.tensor([[0.0, 1, 1], [1, 0, 0], [0, 0, 0], [1, 1, 1]]), F.binary_cross_entropy_with_logits),
        (1, torch.tensor([0.5, -2.0, 1.0, 3.0]), lambda x, y: F.mse_loss(x.squeeze(-1), y)),
    ],
    ids=["single", "multi", "regression"],
)
def test_sequence_classification_reads_the_first_token(num_labels, labels, loss):
    model, inputs = build(GlyphCrmForSequenceClassification, num_labels=num_labels), make_inputs()
    assert model.glyph_crm.pooler is None
    output = model(**inputs, labels=labels)
    wanted = model.classifier(hidden_of(model, inputs).last_hidden_state[:, 0])
    torch.testing.assert_close(output.logits, wanted)
    torch.testing.assert_close(output.loss, loss(wanted, labels))


def test_token_classification_ignores_labels_of_padding():
    model, inputs = build(GlyphCrmForTokenClassification, num_labels=5), make_inputs()
    labels = torch.randint(0, 5, (4, 9))
    labels[0, 0] = -100
    output = model(**inputs, labels=labels)
    wanted = model.classifier(hidden_of(model, inputs).last_hidden_state)
    torch.testing.assert_close(output.logits, wanted)
    scored = (inputs["attention_mask"] == 1) & (labels != -100)
    assert 0 < scored.sum() < 35
    torch.testing.assert_close(output.loss, F.cross_entropy(wanted[scored], labels[scored]))


@pytest.mark.parametrize("outside", [9, -100])
def test_question_answering_does_not_score_positions_outside(outside):
    model, inputs = build(GlyphCrmForQuestionAnswering), make_inputs()
    start, end = torch.tensor([1, outside, 2, 0]), torch.tensor([3, 4, outside, 8])
    output = model(**inputs, start_positions=start, end_positions=end)
    wanted = model.qa_outputs(hidden_of(model, inputs).last_hidden_state)
    torch.testing.assert_close(torch.stack([output.start_logits, output.end_logits], -1), wanted)
    first = F.cross_entropy(output.start_logits[[0, 2, 3]], start[[0, 2, 3]])
    second = F.cross_entropy(output.end_logits[[0, 1, 3]], end[[0, 1, 3]])
    torch.testing.assert_close(output.loss, (first + second) / 2)


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("cls", EVERY)
def test_every_parameter_gets_a_gradient(cls, hybrid):
    model, inputs = build(cls, id_embeddings=hybrid).train(), inputs_for(cls)
    output = model(**inputs)
    loss = output.last_hidden_state.sum() + output.pooler_output.sum() if cls is GlyphCrmModel else output.loss
    loss.backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.requires_grad] == []


def test_dropout_before_a_head_is_an_option():
    assert build(GlyphCrmForTokenClassification).dropout.p == 0
    assert build(GlyphCrmForTokenClassification, classifier_dropout=0.4).dropout.p == 0.4


# ---------------------------------------------------------------------------------------------- saving and loading


@pytest.mark.parametrize("cls", EVERY)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_saved_models_come_back_with_their_glyph_images(cls, dtype, tmp_path):
    model, inputs = build(cls, position_maps="released"), inputs_for(cls)
    wanted = no_grad(model, inputs)
    model.save_pretrained(tmp_path)
    loaded, info = cls.from_pretrained(tmp_path, output_loading_info=True, dtype=dtype)
    assert not any(info.values()), info
    assert_same([v.float() for v in no_grad(loaded, inputs)], wanted, atol=1e-6 if dtype == torch.float32 else 0.2)
    bank = loaded.base_model.embeddings.characters
    assert torch.equal(bank.glyphs, model.base_model.embeddings.characters.glyphs)
    torch.testing.assert_close(bank.encoder.maps, model.base_model.embeddings.characters.encoder.maps.to(dtype))
    assert {p.dtype for p in loaded.parameters()} == {dtype}


@pytest.mark.parametrize("hybrid", [False, True])
def test_a_checkpoint_of_pretraining_loads_into_the_heads(tmp_path, hybrid):
    model = build(GlyphCrmForPreTraining, id_embeddings=hybrid)
    model.save_pretrained(tmp_path)
    for cls in EVERY:
        loaded, info = cls.from_pretrained(tmp_path, output_loading_info=True)
        new = {name.split(".")[0] for name in info["missing_keys"]}
        assert new <= {"classifier", "qa_outputs"}
        for name, value in loaded.base_model.state_dict().items():
            assert torch.equal(value, model.glyph_crm.state_dict()[name]), name
    assert type(AutoModel.from_pretrained(tmp_path)) is GlyphCrmModel
    assert type(AutoModelForPreTraining.from_pretrained(tmp_path)) is GlyphCrmForPreTraining


def test_what_a_checkpoint_lacks_is_initialised(tmp_path):
    """As torch does for HanGlyph, N(0, 0.02) for the rest, no glyph image; also from the meta device."""
    model = build(initializer_range=0.02)
    kept = {"pooler.dense.bias": model.pooler.dense.bias.detach().clone()}
    model.save_pretrained(tmp_path, state_dict=dict(kept))
    loaded = GlyphCrmModel.from_pretrained(tmp_path)
    fresh = GlyphCrmModel(model.config)
    for some in (loaded, fresh):
        encoder = some.embeddings.characters.encoder
        for conv in (encoder.block1.lift, encoder.block2.residual[1], encoder.to_glyph1):
            bound = conv.weight[0].numel() ** -0.5
            assert 0.9 * bound < conv.weight.abs().max().item() <= bound
            assert 0 < conv.bias.abs().max().item() <= bound
        assert not some.embeddings.characters.glyphs.any()
        assert torch.equal(encoder.maps, model.embeddings.characters.encoder.maps)
        assert torch.equal(some.embeddings.position_ids, torch.arange(40)[None])
        dense = some.encoder.layer[0].intermediate.dense
        assert dense.weight.std().item() == pytest.approx(0.02, rel=0.1)
        assert not dense.bias.any()
    assert torch.equal(loaded.pooler.dense.bias, kept["pooler.dense.bias"])


@pytest.mark.parametrize(
    ("hybrid", "table"), [(False, "no table of words"), (True, "id table, whose ids are the first")]
)
def test_resizing_is_refused_with_a_reason(hybrid, table):
    for cls in EVERY:
        model = build(cls, id_embeddings=hybrid)
        with pytest.raises(NotImplementedError, match=f"{table}.*50 to 57 rows.*needs none.*extra_glyphs.*vocab_size"):
            model.resize_token_embeddings(57)
        assert model.resize_token_embeddings() is model.get_input_embeddings()
        assert model.resize_token_embeddings(50) is model.get_input_embeddings()


# ---------------------------------------------------------------------------------------------- ways to run


@pytest.mark.parametrize(
    ("cls", "hybrid"),
    [(GlyphCrmForPreTraining, False), (GlyphCrmForTokenClassification, False), (GlyphCrmForTokenClassification, True)],
)
def test_gradient_checkpointing_gives_the_same_gradients(cls, hybrid):
    model, inputs = build(cls, id_embeddings=hybrid, **NO_DROPOUT).train(), inputs_for(cls)
    found = []
    for reentrant in (None, False, True):
        model.zero_grad()
        if reentrant is not None:
            model.gradient_checkpointing_enable({"use_reentrant": reentrant})
            assert model.base_model.embeddings.characters.gradient_checkpointing
        loss = model(**inputs).loss
        loss.backward()
        found.append({"loss": loss.detach(), **gradients(model)})
    for other in found[1:]:
        assert other.keys() == found[0].keys()
        for name, value in found[0].items():
            torch.testing.assert_close(other[name], value, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(("cls", "hybrid"), [*((cls, False) for cls in EVERY), (GlyphCrmForPreTraining, True)])
def test_bfloat16_is_near_float32(cls, hybrid):
    model, inputs = build(cls, id_embeddings=hybrid), inputs_for(cls)
    wanted = with_grad(model, inputs)
    near = {"atol": 0.2, "rtol": 0.05}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_same([v.float() for v in with_grad(model, inputs)], wanted, **near)
        assert_same([v.float() for v in no_grad(model, inputs)], wanted, **near)
    model.to(torch.bfloat16)
    assert_same([v.float() for v in no_grad(model, inputs)], wanted, **near)
    output = tensors(model(**inputs))
    assert_same([v.detach().float() for v in output], wanted, **near)
    assert {v.dtype for v in output if v.dim()} == {torch.bfloat16}
    sum(v.float().sum() for v in output).backward()
    assert all(torch.isfinite(grad).all() for grad in gradients(model).values())


def test_gradients_through_frozen_inputs_with_checkpointing():
    """What adapters on a frozen model need: `enable_input_require_grads` makes the bank's vectors ask for gradients."""
    model, inputs = build(GlyphCrmForTokenClassification, **NO_DROPOUT), inputs_for(GlyphCrmForTokenClassification)
    model.requires_grad_(False)
    last = model.glyph_crm.encoder.layer[0].output.dense
    last.requires_grad_(True)
    model.train().gradient_checkpointing_enable({"use_reentrant": True})
    model.enable_input_require_grads()
    model(**inputs).loss.backward()
    assert last.weight.grad.any()


def test_ranks_that_see_different_numbers_of_characters(tmp_path):
    """DDP: rank 0 sees one distinct character, rank 1 many; the gradients are those of one process on both halves.

    So are the statistics of `feature_norm`, whether DDP sends them around or not.
    """
    run_ranks(Path(__file__).with_name("glyph_crm_ranks.py"), tmp_path / "found.pt")
    found, normed = torch.load(tmp_path / "found.pt").values()
    model, inputs = glyph_crm_ranks.model_and_batch()
    model(**inputs).loss.backward()
    wanted = gradients(model)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, atol=1e-5, rtol=1e-4)
    model, inputs = glyph_crm_ranks.model_and_batch(feature_norm="whiten", feature_norm_interval=2)
    for _ in range(3):
        model.zero_grad()
        model(**inputs).loss.backward()
        glyph_crm_ranks.descend(model)
    for values in normed:
        for value, other in zip(values, glyph_crm_ranks.statistics(model), strict=True):
            torch.testing.assert_close(value, other, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("cls", [GlyphCrmForMaskedLM, GlyphCrmModel])
def test_learning_rates_of_parts(cls, tmp_path):
    model = build(cls, feature_norm="whiten")
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    found = {}
    for group in model.parameter_groups(1e-4, glyph_lr=1e-3, glyph_linear_lr=3e-3, weight_decay=0.1):
        for parameter in group["params"]:
            assert group["weight_decay"] == (0.1 if parameter.dim() > 1 else 0)
            found[names[id(parameter)]] = (group["name"], group["lr"])
    assert found.keys() == set(names.values())
    for name, group in found.items():
        kind = "glyph" if "encoder.block" in name else "glyph_linear" if "encoder.to_" in name else "rest"
        assert group == (kind, {"glyph": 1e-3, "glyph_linear": 3e-3, "rest": 1e-4}[kind])
    # with one rate they are the groups of the Trainer, so that its checkpoints can be resumed
    for decay in (0.0, 0.1):
        arguments = TrainingArguments(str(tmp_path), weight_decay=decay, learning_rate=1e-4, report_to="none")
        wanted = Trainer(model, arguments).create_optimizer().param_groups
        groups = model.parameter_groups(1e-4, weight_decay=decay)
        assert [group["weight_decay"] for group in groups] == [group["weight_decay"] for group in wanted] == [decay, 0]
        for group, other in zip(groups, wanted, strict=True):
            assert list(map(id, group["params"])) == list(map(id, other["params"]))
    model.parameter_groups(1e-4, glyph_lr=0)
    encoder = model.base_model.embeddings.characters.encoder
    assert {name for name, one in model.named_parameters() if not one.requires_grad} == {
        name for name in names.values() if "encoder.block" in name
    }
    assert encoder.to_input.weight.requires_grad
    with pytest.raises(ValueError, match=r"glyph_lr=0\.1.*leave it out"):
        build(cls, glyph_cnn="none").parameter_groups(1e-4, glyph_lr=0.1)


def test_attentions_and_padding():
    model, inputs = build(), make_inputs()
    model.set_attn_implementation("eager")
    maps = model(**inputs, output_attentions=True).attentions
    assert [tuple(a.shape) for a in maps] == [(4, 4, 9, 9)] * 3
    assert not maps[0][inputs["attention_mask"][:, None, None].eq(0).expand_as(maps[0])].any()
    wanted = no_grad(model, inputs)[0]
    for row, length in enumerate(inputs["attention_mask"].sum(1).tolist()):
        alone = {name: value[row : row + 1, :length] for name, value in inputs.items() if name != "extra_glyphs"}
        alone["extra_glyphs"] = inputs["extra_glyphs"][row : row + 1]
        torch.testing.assert_close(no_grad(model, alone)[0][0], wanted[row, :length], atol=1e-5, rtol=0)


def test_feed_forward_in_chunks():
    model, inputs = build(), make_inputs()
    wanted = no_grad(model, inputs)
    for layer in model.encoder.layer:
        layer.chunk_size_feed_forward = 3
    assert_same(no_grad(model, inputs), wanted)


@needs_newer_torch
@pytest.mark.parametrize("hybrid", [False, True])
def test_compiled_without_breaks_and_equal(hybrid):
    torch._dynamo.reset()
    cls = GlyphCrmForTokenClassification
    model, inputs = build(cls, num_hidden_layers=1, id_embeddings=hybrid, **NO_DROPOUT), inputs_for(cls)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    assert_same(no_grad(compiled, inputs), no_grad(model, inputs))
    with torch.no_grad():
        model.base_model.embeddings.characters.encoder.to_input.bias.add_(1)
    assert_same(no_grad(compiled, inputs), with_grad(model, inputs))  # no table is baked into the graph
    found = []
    for run in (model, compiled):
        model.zero_grad()
        run(**inputs).loss.backward()
        found.append(gradients(model))
    for name, grad in found[0].items():
        torch.testing.assert_close(found[1][name], grad, atol=1e-4, rtol=1e-4)


def test_weights_offloaded_to_disk(tmp_path):
    model, inputs = build(), make_inputs()
    model.save_pretrained(tmp_path)
    places = {"embeddings": "disk", "encoder": "cpu", "pooler": "cpu"}
    loaded = GlyphCrmModel.from_pretrained(tmp_path, device_map=places, offload_folder=tmp_path / "offload")
    wanted = no_grad(model, inputs)
    for grad in (True, False, False):
        with torch.set_grad_enabled(grad):
            assert_same([value.detach() for value in tensors(loaded(**inputs))], wanted)


@pytest.mark.parametrize("cls", EVERY)
def test_shapes_can_be_had_from_the_meta_device(cls):
    model, inputs = build(cls), inputs_for(cls)
    wanted = [value.shape for value in with_grad(model, inputs)]
    inputs.pop("attention_mask")  # transformers looks into it
    model, inputs = model.to("meta"), {name: value.to("meta") for name, value in inputs.items()}
    for grad in (True, False):
        with torch.set_grad_enabled(grad):
            assert [value.shape for value in tensors(model(**inputs))] == wanted


def test_packed_sequences_with_labels():
    """A mask [B, 1, L, L] says who sees whom, not what is scored."""
    model, ids = build(GlyphCrmForTokenClassification), torch.randint(1, 50, (2, 6))
    labels = torch.randint(0, 2, (2, 6))
    mask = torch.block_diag(torch.ones(2, 2), torch.ones(4, 4)).bool().expand(2, 1, 6, 6)
    places = torch.tensor([[0, 1, 0, 1, 2, 3]])
    out = model(ids, attention_mask=mask, position_ids=places, labels=labels)
    apart = [
        model(some, labels=tags.contiguous())
        for some, tags in ((ids[:, :2], labels[:, :2]), (ids[:, 2:], labels[:, 2:]))
    ]
    torch.testing.assert_close(out.logits, torch.cat([part.logits for part in apart], 1))
    torch.testing.assert_close(out.loss, (apart[0].loss * 2 + apart[1].loss * 4) / 6)


# ---------------------------------------------------------------------------------------------- bad input


def ids_of(batch, length, value=1):
    return torch.full((batch, length), value)


WRONG_INPUTS = {
    "ids beyond": ({"input_ids": ids_of(2, 6, 60)}, "glyph_ids holds 60.*0 to 59.*extra_glyphs.*processor"),
    "glyphs beyond": ({"glyph_ids": ids_of(2, 6, 60)}, "glyph_ids holds 60.*0 to 59"),
    "glyphs of another length": ({"glyph_ids": ids_of(2, 5)}, r"glyph_ids has the shape \(2, 5\).*\(2, 6\)"),
    "one text": ({"input_ids": ids_of(2, 6)[0]}, r"the shape \(6,\).*\[B, L\]: one text is"),
    "token types beyond": ({"token_type_ids": ids_of(2, 6, 2)}, "token_type_ids.* 2.*0 to 1.*type_vocab_size"),
    "positions beyond": ({"position_ids": ids_of(2, 6, 40)}, "position_ids.* 40.*0 to 39.*max_position_embeddings"),
    "too long": ({"input_ids": ids_of(2, 41)}, "41 tokens.*40 positions.*truncation"),
    "both": ({"inputs_embeds": torch.zeros(2, 6, 72)}, "exactly one is needed of ids .* and inputs_embeds"),
    "neither": ({"input_ids": None}, "exactly one is needed of ids .* and inputs_embeds"),
    "further images that no id names": (
        {"extra_glyphs": torch.ones(2, 1, 576, dtype=torch.uint8)},
        r"extra_glyphs without glyph_ids.*\[UNK\]",
    ),
    "narrow vectors": (
        {"input_ids": None, "inputs_embeds": torch.zeros(2, 6, 24)},
        r"inputs_embeds has the shape \(2, 6, 24\).*3H=72",
    ),
}


@pytest.mark.parametrize("name", list(WRONG_INPUTS))
@pytest.mark.parametrize("cls", [GlyphCrmModel, GlyphCrmForTokenClassification])
@pytest.mark.parametrize("grad", [True, False])
def test_wrong_inputs_are_explained(cls, name, grad):
    wrong, message = WRONG_INPUTS[name]
    model = build(cls)
    with pytest.raises(ValueError, match=f"(?s){message}"), torch.set_grad_enabled(grad):
        model(**{"input_ids": ids_of(2, 6), **wrong})


def test_unmasked_glyph_images_of_masked_ids_are_warned_of_once(warnings):
    model, ids = build(GlyphCrmForMaskedLM), ids_of(2, 6)
    model(input_ids=ids, glyph_ids=torch.where(ids == 1, 55, ids))  # a row beyond the vocabulary: no other token
    assert not warnings
    glyph_ids = ids.clone()
    glyph_ids[1, 3:5] = torch.tensor([7, 8])
    for _ in range(3):
        model(input_ids=ids, glyph_ids=glyph_ids)
    assert len(warnings) == 1
    assert "input_ids[1, 3] is 1, but glyph_ids shows 7" in warnings[0]
    assert "2 such positions" in warnings[0]
    assert "DataCollatorForMaskedCharacters" in warnings[0]


def test_a_masked_position_of_the_hybrid_has_both_masked(warnings):
    """The hybrid reads id and glyph image: either of them alone gives the character away, also one that is unknown."""
    ids, glyphs = ids_of(1, 6, 7), ids_of(1, 6, 7)
    ids[0, 2], glyphs[0, 2] = 1, 55  # [UNK] in the id table, a row beyond the vocabulary
    build(GlyphCrmForMaskedLM, id_embeddings=True)(input_ids=ids, glyph_ids=glyphs)
    assert not warnings
    for masked_ids, masked_glyphs in (((0, 4), None), (None, (0, 4)), ((0, 2), None)):
        some, images = ids.clone(), glyphs.clone()
        for where, tensor in ((masked_ids, some), (masked_glyphs, images)):
            if where:
                tensor[where] = 4
        warnings.clear()
        build(GlyphCrmForMaskedLM, id_embeddings=True)(input_ids=some, glyph_ids=images)
        assert len(warnings) == 1
        assert "1 such positions" in warnings[0]
        assert "reads both. To mask, mask both" in warnings[0]
        # of a character outside of the vocabulary, the setting may be what is wrong
        assert ("Or is config.unk_token_id=1 not the tokenizer's [UNK]?" in warnings[0]) == (masked_ids == (0, 2))
    some, images = ids.clone(), glyphs.clone()
    some[0, 2] = images[0, 2] = 4
    warnings.clear()
    build(GlyphCrmForMaskedLM, id_embeddings=True)(input_ids=some, glyph_ids=images)
    assert not warnings


def test_ids_beyond_the_id_table_are_explained():
    model = build(id_embeddings=True)
    for glyph_ids in (None, ids_of(1, 3, 55)):
        with pytest.raises(ValueError, match=r"input_ids holds 55.*0 to 49.*\[UNK\]"):
            model(input_ids=ids_of(1, 3, 55), glyph_ids=glyph_ids)


def test_the_longest_sequence_and_the_last_ids_are_taken():
    build()(input_ids=ids_of(1, 40, 59), token_type_ids=ids_of(1, 40))
