"""The embeddings of ChineseBERT against a slow obvious version; their table of characters follows the weights."""

import copy
import io
import pickle

import pytest
import torch
from chinese_bert_tools import (
    EVERY,
    SIZES,
    assert_same,
    assert_table_is_fresh,
    build,
    gradients,
    inputs_for,
    make_inputs,
    no_grad,
    with_grad,
    write_in_place,
)
from torch import nn
from torch.nn import functional as F

from hanziformers import ChineseBertForSequenceClassification

# ---------------------------------------------------------------------------------------------- embeddings


def reference(emb, words, glyph_ids, pinyin_ids, types, positions):
    """Section 3.2 of the paper token by token: convolution and maximum, one product of the concatenation."""
    symbols = F.embedding(pinyin_ids, emb.pinyin_embeddings.embedding.weight).flatten(0, 1)  # [B * L, P, size]
    conv = emb.pinyin_embeddings.conv
    windows = F.conv1d(symbols.transpose(1, 2), conv.weight, conv.bias)  # [B * L, H, windows]
    pinyin = F.max_pool1d(windows, windows.shape[-1]).squeeze(-1).unflatten(0, pinyin_ids.shape[:2])
    glyph = F.linear(emb.glyph_embeddings.embedding.weight[glyph_ids], emb.glyph_map.weight, emb.glyph_map.bias)
    fused = F.linear(torch.cat([words, pinyin, glyph], -1), emb.map_fc.weight, emb.map_fc.bias)
    fused = fused + emb.position_embeddings.weight[positions] + emb.token_type_embeddings.weight[types]
    return F.layer_norm(fused, fused.shape[-1:], emb.LayerNorm.weight, emb.LayerNorm.bias, emb.LayerNorm.eps)


@pytest.mark.parametrize(
    "fields", [{}, {"pinyin_kernel_size": 3}, {"pinyin_kernel_size": 8}, {"pinyin_kernel_size": 1}]
)
@pytest.mark.parametrize("mode", ["input_ids", "glyph_ids", "inputs_embeds"])
def test_embeddings_equal_the_obvious_version(mode, fields):
    emb = build(**fields).embeddings
    inputs = make_inputs(batch=5, length=11)
    ids, pinyin_ids, types = (inputs[key] for key in ("input_ids", "pinyin_ids", "token_type_ids"))
    glyph_ids = torch.randint(0, SIZES["vocab_size"], ids.shape) if mode != "input_ids" else ids
    positions = torch.randint(0, 40, ids.shape)
    vectors = torch.randn(*ids.shape, SIZES["hidden_size"], requires_grad=True)
    given = {"pinyin_ids": pinyin_ids, "token_type_ids": types, "position_ids": positions}
    if mode == "inputs_embeds":
        given |= {"inputs_embeds": vectors, "glyph_ids": glyph_ids}
    elif mode == "glyph_ids":
        given |= {"input_ids": ids, "glyph_ids": glyph_ids}
    else:
        given |= {"input_ids": ids}

    def words():
        return vectors if mode == "inputs_embeds" else emb.word_embeddings(ids)

    factor = torch.randn(*ids.shape, SIZES["hidden_size"])
    results = []
    for compute in (lambda: emb(**given), lambda: reference(emb, words(), glyph_ids, pinyin_ids, types, positions)):
        emb.zero_grad()
        vectors.grad = None
        value = compute()
        (value * factor).sum().backward()
        results.append((value.detach(), gradients(emb), vectors.grad))
    (found, found_grads, found_vectors), (wanted, wanted_grads, wanted_vectors) = results
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)
    assert found_grads.keys() == wanted_grads.keys()
    for name, grad in wanted_grads.items():
        assert grad.abs().max() > 1e-3, name
        torch.testing.assert_close(found_grads[name], grad, atol=1e-4, rtol=1e-4, msg=lambda t, n=name: f"{n}: {t}")
    if mode == "inputs_embeds":
        torch.testing.assert_close(found_vectors, wanted_vectors, atol=1e-4, rtol=1e-4)
    with torch.no_grad():
        torch.testing.assert_close(emb(**given), wanted, atol=1e-5, rtol=0)


def test_row_of_padding_has_no_gradient_in_the_word_table():
    model = build()
    model(**make_inputs(input_ids=torch.zeros(4, 9, dtype=torch.long))).last_hidden_state.square().sum().backward()
    assert not model.embeddings.word_embeddings.weight.grad.any()
    assert model.embeddings.glyph_embeddings.embedding.weight.grad[0].any()


@pytest.mark.parametrize("cls", EVERY)
def test_inputs_embeds_with_glyph_ids_stand_for_input_ids(cls):
    model, inputs = build(cls), inputs_for(cls)
    wanted = with_grad(model, inputs)
    ids = inputs.pop("input_ids")
    inputs |= {"inputs_embeds": model.get_input_embeddings()(ids).detach(), "glyph_ids": ids}
    assert_same(with_grad(model, inputs), wanted)
    assert_same(no_grad(model, inputs), wanted)


def test_text_without_pinyin_is_warned_of_once(warnings):
    """The tokenizer always makes pinyin_ids: another tokenizer, or a step that dropped them, goes unseen otherwise."""
    model, inputs = build(ChineseBertForSequenceClassification), make_inputs()
    model(**inputs)
    no_pinyin = inputs | {"pinyin_ids": torch.zeros(4, 9, 8, dtype=torch.long)}
    wanted = no_grad(model, no_pinyin)
    words = model.get_input_embeddings()(inputs["input_ids"])
    model(inputs_embeds=words, glyph_ids=inputs["input_ids"])
    assert not warnings
    inputs.pop("pinyin_ids")
    for run in (no_grad, with_grad, no_grad):
        assert_same(run(model, inputs), wanted)
    assert len(warnings) == 1
    assert "without pinyin_ids" in warnings[0]
    assert "torch.zeros(*input_ids.shape, 8, dtype=torch.long)" in warnings[0]


def test_no_pinyin_is_all_zeros_and_pinyin_matters():
    model, inputs = build(), make_inputs()
    other = no_grad(model, inputs)
    inputs["pinyin_ids"] = torch.zeros_like(inputs["pinyin_ids"])
    zeros = no_grad(model, inputs)
    inputs.pop("pinyin_ids")
    assert_same(no_grad(model, inputs), zeros)
    assert_same(with_grad(model, inputs), zeros)
    assert (other[0] - zeros[0]).abs().max() > 1e-2


def test_symbols_keep_their_places_in_a_reading():
    """A reading is packed into one key: permuted and shifted readings must stay apart."""
    model = build().embeddings
    rows = torch.tensor([[1, 0, 0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0, 0, 0], [0] * 7 + [1], [31] * 8, [31] * 7 + [30]])
    ids = torch.full((1, len(rows)), 7)
    positions = torch.zeros(1, len(rows), dtype=torch.long)
    found = model(ids, rows[None], position_ids=positions)
    words = model.word_embeddings(ids)
    wanted = reference(model, words, ids, rows[None], torch.zeros_like(ids), positions)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)
    assert (torch.pdist(found[0]) > 1e-3).sum() >= 9  # the first window and the others may share a maximum


# ---------------------------------------------------------------------------------------------- table of characters


def step(optimizer, **kwargs):
    def change(model, inputs):
        stepper = optimizer(model.parameters(), lr=0.05, **kwargs)
        model(**inputs).last_hidden_state[..., 0].square().mean().backward()
        stepper.step()

    return change


def load_other_weights(model, inputs, assign=False):
    model.load_state_dict({k: v + torch.randn_like(v) * 0.1 for k, v in model.state_dict().items()}, assign=assign)


def train_and_write_data(model, inputs):
    model.train()
    for parameter in model.parameters():
        parameter.data.mul_(1.1)
    model.eval()


def write_data_and_eval(model, inputs):
    for parameter in model.parameters():
        parameter.data.mul_(1.1)
    model.eval()


def write_data(model, inputs):
    model.embeddings.map_fc.weight.data.mul_(1.3)


def write_data_of_one_token(model, inputs):
    model.get_input_embeddings().weight.data[inputs["input_ids"][0, 0]] = torch.randn(24)


def write_data_of_one_glyph(model, inputs):
    model.embeddings.glyph_embeddings.embedding.weight.data[inputs["input_ids"][0, 0]] = torch.randn(27)


def replace_data(model, inputs):
    model.embeddings.glyph_map.weight.data = torch.randn(24, 27)


def to_dtype(model, inputs):
    model.to(torch.float64)


def to_dtype_and_back(model, inputs):
    model.to(torch.float16).to(torch.float32)


def shrink(model, inputs):
    model.resize_token_embeddings(45)
    inputs["input_ids"].clamp_(max=44)


def grow(model, inputs):
    model.resize_token_embeddings(60)
    inputs["input_ids"][0] += 55 - inputs["input_ids"][0]


def render(model, inputs):
    model.base_model.set_glyphs(torch.randint(0, 256, (50, 3, 3, 3), dtype=torch.uint8))


def render_one(model, inputs):
    model.base_model.set_glyphs(torch.randint(0, 256, (1, 27), dtype=torch.uint8), inputs["input_ids"][0, :1])


def replace_word_table(model, inputs):
    model.set_input_embeddings(nn.Embedding(50, 24))


def replace_twice(model, inputs):
    for _ in range(2):  # the second may lie where the first one of all lay
        model.embeddings.map_fc.weight = nn.Parameter(model.embeddings.map_fc.weight.detach() * 1.3)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(step(torch.optim.SGD), id="SGD"),
        pytest.param(step(torch.optim.AdamW), id="AdamW"),
        pytest.param(step(torch.optim.AdamW, foreach=True), id="AdamW-foreach"),
        pytest.param(step(torch.optim.AdamW, fused=True), id="AdamW-fused"),
        load_other_weights,
        pytest.param(lambda m, i: load_other_weights(m, i, assign=True), id="load_state_dict-assign"),
        train_and_write_data,
        write_data_and_eval,
        write_data,
        write_data_of_one_token,
        write_data_of_one_glyph,
        replace_data,
        to_dtype,
        to_dtype_and_back,
        shrink,
        grow,
        render,
        render_one,
        replace_word_table,
        replace_twice,
        write_in_place,
    ],
)
@pytest.mark.parametrize("inference", [False, True])
def test_table_follows_the_weights(change, inference):
    model, inputs = build(), make_inputs()
    with torch.inference_mode(inference), torch.no_grad():
        before = model(**inputs).last_hidden_state.clone()
    for _ in range(4):
        change(model, inputs)
        assert not model.training
        assert_table_is_fresh(model, inputs)
    after = no_grad(model, inputs)[0]
    if change is not to_dtype:
        assert (after.double() - before.double()).abs().max() > (1e-5 if change is to_dtype_and_back else 1e-3)
    else:
        assert after.dtype == torch.float64


def test_table_is_used_and_computed_once(monkeypatch):
    model, inputs = build(), make_inputs()
    calls, plain = [], nn.Linear.forward

    def rows(part, x):
        if part is model.embeddings.glyph_map:
            calls.append(x.shape[0])
        return plain(part, x)

    monkeypatch.setattr(nn.Linear, "forward", rows)  # on the module itself it would count as a hook
    for _ in range(3):
        no_grad(model, inputs)
    assert calls == [SIZES["vocab_size"]]
    model(**inputs)
    pairs = torch.cat([inputs["input_ids"][..., None], inputs["pinyin_ids"]], -1).flatten(0, 1)
    assert calls[1:] == [len(pairs.unique(dim=0))]  # distinct characters with their readings
    model.train()
    no_grad(model, inputs)
    assert len(calls) == 3
    model.eval()
    no_grad(model, inputs)
    assert calls[3:] == [SIZES["vocab_size"]]


@pytest.mark.parametrize("kind", ["forward", "pre", "global"])
@pytest.mark.parametrize("mode", ["train", "eval", "no_grad", "glyph_ids"])
def test_a_hook_on_the_word_table_sees_every_position(mode, kind):
    """What NEFTune and attribution methods rely on: ids [B, L] in, vectors [B, L, H] out, and the change counts."""
    model, inputs = build(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0), make_inputs(batch=3, length=8)
    emb, shapes = model.embeddings, []
    words, shift = model.get_input_embeddings(), torch.randn(3, 8, 24)  # another one for each copy of a character

    def after(module, args, out):
        if module is words:
            shapes.append((args[0].shape, out.shape))
            return out + shift
        return None

    def before(module, args):
        shapes.append((args[0].shape, (*args[0].shape, 24)))
        return (args[0] * 0 + 7,)

    if mode == "glyph_ids":
        inputs["glyph_ids"] = inputs["input_ids"].flip(1)
    ids, glyph_ids = inputs["input_ids"], inputs.get("glyph_ids", inputs["input_ids"])
    vectors = words.weight[torch.full_like(ids, 7)] if kind == "pre" else words.weight[ids] + shift
    wanted = reference(emb, vectors, glyph_ids, inputs["pinyin_ids"], inputs["token_type_ids"], torch.arange(8)[None])
    handle = {
        "forward": words.register_forward_hook,
        "pre": words.register_forward_pre_hook,
        "global": torch.nn.modules.module.register_module_forward_hook,
    }[kind](before if kind == "pre" else after)
    try:
        model.train(mode == "train")
        with torch.set_grad_enabled(mode != "no_grad"):
            found = emb(ids, inputs["pinyin_ids"], inputs["token_type_ids"], glyph_ids=inputs.get("glyph_ids"))
    finally:
        handle.remove()
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)
    assert shapes == [((3, 8), (3, 8, 24))]


def test_without_a_hook_the_word_table_is_asked_for_distinct_characters(monkeypatch):
    model, asked = build().train(), []
    words, plain = model.get_input_embeddings(), nn.Embedding.forward

    def look_up(part, ids):
        if part is words:
            asked.append(ids.shape)
        return plain(part, ids)

    monkeypatch.setattr(nn.Embedding, "forward", look_up)  # on the module itself it would count as a hook
    model(torch.full((3, 8), 7))
    assert asked == [(1, 1)]  # one sequence of the distinct characters


class Adapter(nn.Module):
    """Stands for what adapter libraries put in place of a Linear: it changes without any weight changing."""

    def __init__(self, base):
        super().__init__()
        self.base, self.on = base, True

    def forward(self, x):
        return self.base(x) * (2 if self.on else 1)


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize(
    "part", ["map_fc", "glyph_map", "glyph_embeddings.embedding", "glyph_embeddings", "word_embeddings"]
)
def test_hooks_count_while_they_are_there(part, early):
    model, inputs = build(), make_inputs()
    if not early:
        no_grad(model, inputs)
    handle = model.embeddings.get_submodule(part).register_forward_hook(lambda module, args, out: out * 0)
    hooked = no_grad(model, inputs)
    assert_same(hooked, with_grad(model, inputs))
    handle.remove()
    assert_table_is_fresh(model, inputs)
    assert (no_grad(model, inputs)[0] - hooked[0]).abs().max() > 1e-3


@pytest.mark.parametrize("part", ["map_fc", "glyph_map", "word_embeddings"])
def test_a_forward_set_on_a_part_counts(part):
    """As accelerate's hooks do, and the first code of NEFTune: noise that differs for two copies of a character."""
    model, inputs = build(), make_inputs()
    before = no_grad(model, inputs)
    module = model.embeddings.get_submodule(part)
    plain, asked = module.forward, []
    module.forward = lambda x: asked.append(x.shape) or plain(x) * 3
    assert_table_is_fresh(model, inputs)
    assert (no_grad(model, inputs)[0] - before[0]).abs().max() > 1e-3
    if part == "word_embeddings":
        assert set(asked) == {inputs["input_ids"].shape}
    del module.forward
    assert_same(no_grad(model, inputs), before)


def test_another_module_may_take_the_place_of_the_glyph_table():
    """It needs to have nothing but a forward."""
    model, inputs = build(), make_inputs()
    before = no_grad(model, inputs)
    model.embeddings.glyph_embeddings = nn.Sequential(model.embeddings.glyph_embeddings)
    assert_same(no_grad(model, inputs), before)
    assert_table_is_fresh(model, inputs)


def test_another_module_around_the_glyph_table_counts():
    class Louder(type(build().embeddings.glyph_embeddings)):
        def forward(self, glyph_ids):
            return super().forward(glyph_ids) * 5

    model, inputs = build(), make_inputs()
    before = no_grad(model, inputs)
    louder = Louder(model.config)
    louder.embedding = model.embeddings.glyph_embeddings.embedding
    model.embeddings.glyph_embeddings = louder
    assert_table_is_fresh(model, inputs)
    assert (no_grad(model, inputs)[0] - before[0]).abs().max() > 1e-3


@pytest.mark.parametrize("name", ["input_ids", "pinyin_ids", "token_type_ids"])
def test_ids_of_32_bits_give_the_same(name):
    """A key of a character and its reading needs more than 32 bits."""
    model, inputs = build(), make_inputs()
    narrow = {**inputs, name: inputs[name].int()}
    for run in (no_grad, with_grad):
        assert_same(run(model, narrow), run(model, inputs), atol=0)


@pytest.mark.parametrize("part", ["map_fc", "glyph_map"])
def test_adapters_can_be_switched(part):
    model, inputs = build(), make_inputs()
    plain = no_grad(model, inputs)
    setattr(model.embeddings, part, Adapter(getattr(model.embeddings, part)))
    assert_table_is_fresh(model, inputs)
    assert (no_grad(model, inputs)[0] - plain[0]).abs().max() > 1e-3
    getattr(model.embeddings, part).on = False
    assert_same(no_grad(model, inputs), plain)


PARTS = ["map_fc", "glyph_map", "word_embeddings", "query"]


@pytest.mark.parametrize("method", ["merge_and_unload", "unload", "merge_adapter"])
@pytest.mark.parametrize("targets", [PARTS, PARTS[:1], PARTS[2:3]], ids=lambda names: "-".join(names))
def test_adapters_of_peft(method, targets):
    """Merging writes through `.data`, then puts the old module back; no forward comes in between."""
    peft = pytest.importorskip("peft")
    model, inputs = build(), make_inputs()
    plain = no_grad(model, inputs)
    wrapped = peft.get_peft_model(model, peft.LoraConfig(target_modules=targets, init_lora_weights=False)).eval()
    adapted = no_grad(wrapped, inputs)
    assert_same(adapted, with_grad(wrapped, inputs))
    assert (adapted[0] - plain[0]).abs().max() > 1e-3
    with wrapped.disable_adapter():
        assert_same(no_grad(wrapped, inputs), plain)
    result = getattr(wrapped, method)() or wrapped
    assert_same(no_grad(result, inputs), with_grad(result, inputs))
    assert_same(no_grad(result, inputs), plain if method == "unload" else adapted, atol=1e-4)


@pytest.mark.parametrize("wrap_first", [True, False])
def test_merged_without_a_forward_in_between(wrap_first):
    peft = pytest.importorskip("peft")
    model, inputs = build(), make_inputs()
    before = no_grad(model, inputs)
    merged = peft.get_peft_model(model, peft.LoraConfig(target_modules=["map_fc"], init_lora_weights=False))
    if wrap_first:
        no_grad(merged.eval(), inputs)
    merged = merged.merge_and_unload()
    assert merged is model
    assert_table_is_fresh(model, inputs)
    assert (no_grad(model, inputs)[0] - before[0]).abs().max() > 1e-3


def test_table_of_a_large_vocabulary_is_built_in_parts():
    model, inputs = build(vocab_size=9000), make_inputs(input_ids=torch.tensor([[0, 4095, 4096, 8191, 8192, 8999]] * 4))
    inputs = {"input_ids": inputs["input_ids"]}
    assert_table_is_fresh(model, inputs)


def test_copies_work_and_do_not_carry_the_table():
    model, inputs = build(), make_inputs()
    plain = len(pickle.dumps(model))
    wanted = no_grad(model, inputs)
    assert len(pickle.dumps(model)) == plain
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    for variant in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), torch.load(buffer, weights_only=False)):
        assert_same(no_grad(variant, inputs), wanted)
        write_in_place(variant, inputs)
        assert_table_is_fresh(variant, inputs)
        assert (no_grad(variant, inputs)[0] - wanted[0]).abs().max() > 1e-3
        assert_same(no_grad(model, inputs), wanted)


def test_longest_possible_reading_works():
    fields = {"pinyin_length": 11, "pinyin_vocab_size": 32}
    emb = build(**fields).embeddings
    ids, pinyin_ids = torch.randint(0, 50, (3, 7)), torch.randint(0, 32, (3, 7, 11))
    pinyin_ids[0] = 31
    positions = torch.arange(7).expand(3, 7)
    wanted = reference(emb, emb.word_embeddings(ids), ids, pinyin_ids, torch.zeros_like(ids), positions)
    torch.testing.assert_close(emb(ids, pinyin_ids), wanted, atol=1e-5, rtol=0)


# ---------------------------------------------------------------------------------------------- normed glyph images


def by_hand(emb, ids):
    """W_G of ZCA-whitened or standardised rows of the glyph table, in float64."""
    table = emb.glyph_embeddings.embedding.weight.detach().double()
    centred = table - table.mean(0)
    covariance, epsilon = centred.T @ centred / len(table), emb.config.feature_norm_epsilon
    if emb.config.feature_norm == "standard":
        normed = centred / (covariance.diagonal() + epsilon * covariance.diagonal().max()).sqrt()
    else:
        values, vectors = torch.linalg.eigh(covariance)
        normed = centred @ vectors / (values + epsilon * values[-1]).sqrt() @ vectors.T
    return F.linear(normed.float()[ids], emb.glyph_map.weight, emb.glyph_map.bias)


@pytest.mark.parametrize("kind", ["standard", "whiten"])
@pytest.mark.parametrize("count", [3, 50], ids=["few", "folded"])
def test_normed_glyph_images_equal_the_obvious_version(kind, count):
    model, inputs = build(feature_norm=kind), make_inputs()
    assert_table_is_fresh(model, inputs)  # the first use, which estimates
    ids, emb = torch.arange(count), model.embeddings
    torch.testing.assert_close(emb.glyph_vectors(ids), by_hand(emb, ids), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", ["standard", "whiten"])
def test_statistics_of_the_glyph_table_are_kept_and_saved(kind, tmp_path):
    cls = ChineseBertForSequenceClassification
    model, inputs = build(cls, feature_norm=kind, feature_norm_interval=3), make_inputs()
    norm, ages = model.base_model.embeddings.glyph_norm, []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.train()
    for _ in range(4):
        model(**inputs).logits.square().sum().backward()
        optimizer.step()
        ages.append(int(norm.age))
    assert ages == [1, 2, 3, 1]
    model.save_pretrained(tmp_path)
    wanted = no_grad(model.eval(), inputs)
    assert int(norm.age) == 0
    loaded = cls.from_pretrained(tmp_path)
    assert_same(no_grad(loaded, inputs), wanted)
    assert cls.from_pretrained(tmp_path, dtype=torch.bfloat16).bert.embeddings.glyph_norm.mean.dtype == torch.float32
    old = build(cls)
    old.save_pretrained(tmp_path / "old")  # a checkpoint without statistics
    assert "glyph_norm" not in " ".join(old.state_dict())
    switched = cls.from_pretrained(tmp_path / "old", feature_norm=kind)
    assert int(switched.bert.embeddings.glyph_norm.age) == -1
    assert_table_is_fresh(switched, inputs)
    assert int(switched.bert.embeddings.glyph_norm.age) == 0


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(step(torch.optim.AdamW, fused=True), id="AdamW-fused"),
        write_data_of_one_glyph,
        to_dtype,
        grow,
        render,
        render_one,
        write_in_place,
    ],
)
@pytest.mark.parametrize("inference", [False, True])
def test_table_follows_the_statistics(change, inference):
    model, inputs = build(feature_norm="whiten", feature_norm_epsilon=1e-2), make_inputs()
    with torch.inference_mode(inference), torch.no_grad():
        model(**inputs)
    for _ in range(3):
        change(model, inputs)
        assert_table_is_fresh(model, inputs)
