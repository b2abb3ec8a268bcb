"""The bank of characters: what is paid once a character must equal what is paid at every position."""

import copy
import pickle
import threading
import time

import pytest
import torch
from torch import nn

from hanziformers.modeling.character_bank import CharacterBank

ROWS, WIDTH, SHAPE = 12, 5, (2, 4, 3)


class Encoder(nn.Module):
    """A small network over 2 fonts of 4 x 3 pixels, with a buffer, that notes what it was called with."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 2)
        self.linear = nn.Linear(3 * 3 * 2, WIDTH)
        self.register_buffer("shift", torch.randn(WIDTH))
        self.calls = []

    def forward(self, images):
        self.calls.append(len(images))
        return torch.tanh(self.linear(self.conv(images).flatten(1)) + self.shift)


def build(chunk_size=128, images=True):
    bank = CharacterBank(Encoder(), ROWS, SHAPE, WIDTH, chunk_size)
    if images:
        bank.set_glyphs(torch.randint(1, 256, (ROWS, *SHAPE), dtype=torch.uint8))
    return bank.eval()


def naive(bank, ids, extra_glyphs=None):
    """Every position's glyph image through the encoder, one by one."""
    images = []
    for example, row in enumerate(ids.tolist()):
        for i in row:
            of_bank = i < ROWS
            images.append(bank.glyphs[i] if of_bank else extra_glyphs[example, i - ROWS].view(SHAPE))
    vectors = [bank.encoder(image[None].to(bank.encoder.conv.weight) / 255) for image in images]
    return torch.cat(vectors).unflatten(0, ids.shape)


def make_batch(batch=3, length=7, extras=2):
    ids = torch.randint(0, ROWS, (batch, length))
    ids[:, 0] = 4
    extra = torch.randint(1, 256, (batch, extras, 24), dtype=torch.uint8)
    if extras:
        ids[:, 2] = ROWS + torch.arange(batch) % extras
        ids[1, 3:5] = ROWS
    return ids, extra


def calls(bank):
    return sum(bank.encoder.calls)


# ---------------------------------------------------------------------------------------------- distinct = naive


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_that_are_no_parameters_are_trained(dtype):
    """As in a replica of DataParallel, whose weights are plain tensors with a graph: they are not frozen."""
    bank = build().to(dtype).train()
    leaves = list(bank.parameters())
    for part in (bank.encoder.conv, bank.encoder.linear):
        for name, weight in list(part._parameters.items()):
            del part._parameters[name]
            setattr(part, name, weight * 1)
    assert not list(bank.parameters())
    vectors = bank(torch.arange(ROWS)[None])
    assert vectors.dtype == dtype
    vectors.square().sum().backward()
    assert all(weight.grad.any() for weight in leaves)


@pytest.mark.parametrize("chunk_size", [1, 3, 128])
@pytest.mark.parametrize("extras", [None, 0, 2])
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_outputs_and_gradients_equal_the_naive_ones(mode, extras, chunk_size):
    bank = build(chunk_size).train(mode == "train")
    ids, extra = make_batch(extras=extras or 0)
    extra = None if extras is None else extra
    factor, results = torch.randn(*ids.shape, WIDTH), []
    for run in (bank, lambda *batch: naive(bank, *batch)):
        bank.zero_grad()
        vectors = run(ids, extra)
        (vectors * factor).sum().backward()
        results.append([vectors.detach(), *(p.grad.clone() for p in bank.parameters())])
    for found, wanted in zip(*results, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    assert results[0][1].any()


def test_each_distinct_character_is_encoded_once():
    bank, (ids, extra) = build(chunk_size=4).train(), make_batch(extras=2)
    bank(ids, extra)
    used = {(0 if i < ROWS else 1 + example, i) for example, row in enumerate(ids.tolist()) for i in row}
    assert calls(bank) == len(used) < ids.numel()
    assert max(bank.encoder.calls) <= 4


def test_examples_have_their_own_further_characters():
    bank = build()
    ids = torch.tensor([[ROWS, 1], [ROWS, ROWS]])
    extra = torch.randint(1, 256, (2, 1, 24), dtype=torch.uint8)
    for grad in (True, False):
        with torch.set_grad_enabled(grad):
            found = bank(ids, extra)
        torch.testing.assert_close(found, naive(bank, ids, extra))
        assert not torch.allclose(found[0, 0], found[1, 0])
        torch.testing.assert_close(found[1, 0], found[1, 1])


@pytest.mark.parametrize("shape", [(0, 5), (2, 0), (0,), (1, 1), (1,), (), (2, 3, 4)])
@pytest.mark.parametrize("mode", ["train", "eval", "no_grad"])
def test_shapes_from_nothing_to_many(shape, mode):
    bank = build().train(mode == "train")
    ids = torch.randint(0, ROWS, shape)
    with torch.set_grad_enabled(mode != "no_grad"):
        vectors = bank(ids)
        if len(shape) == 2:
            again = bank(ids, torch.zeros(shape[0], 3, 24, dtype=torch.uint8))
            torch.testing.assert_close(again, vectors)
    assert vectors.shape == (*shape, WIDTH)
    wanted = naive(bank, ids.view(1, -1)).view(*shape, WIDTH) if ids.numel() else torch.zeros(*shape, WIDTH)
    torch.testing.assert_close(vectors.detach(), wanted.detach())
    if mode != "no_grad":
        vectors.sum().backward()  # a batch without tokens gives no gradient, and no error


def test_activation_checkpointing_gives_the_same_gradients():
    ids, extra = make_batch()
    bank, found = build(chunk_size=3).train(), []
    for on in (False, True):
        bank.gradient_checkpointing = on
        bank.zero_grad()
        bank.encoder.calls.clear()
        bank(ids, extra).square().sum().backward()
        found.append(([p.grad.clone() for p in bank.parameters()], calls(bank)))
    for one, other in zip(found[0][0], found[1][0], strict=True):
        torch.testing.assert_close(one, other)
    assert found[1][1] == 2 * found[0][1]  # encoded again on the way back


# ---------------------------------------------------------------------------------------------- the table


def test_a_row_is_encoded_once_and_then_looked_up():
    bank = build()
    wanted = naive(bank, torch.arange(ROWS)[None])[0].detach()
    bank.encoder.calls.clear()
    with torch.no_grad():
        for ids, new in (([[3, 4, 3]], 2), ([[4, 4]], 0), ([[4, 5], [6, 3]], 2), ([list(range(ROWS))], 8), ([[0]], 0)):
            before = calls(bank)
            torch.testing.assert_close(bank(torch.tensor(ids)), wanted[torch.tensor(ids)])
            assert calls(bank) - before == new


def test_the_whole_bank_at_once():
    bank, ids = build(), torch.randint(0, ROWS, (2, 9))
    bank.fill()
    assert calls(bank) == ROWS
    with torch.no_grad():
        found = bank(ids)
    assert calls(bank) == ROWS
    torch.testing.assert_close(found, naive(bank, ids).detach())
    with pytest.raises(ValueError, match=r"model\.eval\(\)"):
        bank.train().fill()
    adapter(bank.eval())
    with pytest.raises(ValueError, match="adapters"):
        bank.fill()


def test_further_characters_are_encoded_afresh():
    bank, (ids, extra) = build(), make_batch()
    bank.fill()
    with torch.no_grad():
        bank(ids, extra)
        before = calls(bank)
        other = extra.flip(1)
        torch.testing.assert_close(bank(ids, other), naive(bank, ids, other))
    assert calls(bank) > before


def test_the_results_are_the_callers():
    bank, ids = build(), torch.randint(0, ROWS, (2, 9))
    with torch.no_grad():
        first = bank(ids)
        wanted = first.clone()
        first.zero_()
        assert torch.equal(bank(ids), wanted)


def step(bank, fused=None):
    optimizer = torch.optim.AdamW(bank.parameters(), lr=0.1, fused=fused)
    bank(torch.tensor([[1, 2]])).sum().backward()
    optimizer.step()


def in_place(name):
    def change(bank):
        with torch.no_grad():
            bank.get_parameter(name).add_(0.3)

    return change


def new_parameter(bank):
    bank.encoder.linear.weight = nn.Parameter(torch.randn_like(bank.encoder.linear.weight))


def adapter(bank):
    class Wrapped(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner, self.on = inner, True

        def forward(self, x):
            return self.inner(x) + (1 if self.on else 0)

    bank.encoder.linear = Wrapped(bank.encoder.linear)


CHANGES = {
    "weight": in_place("encoder.linear.weight"),
    "bias": in_place("encoder.conv.bias"),
    "buffer": lambda bank: bank.encoder.shift.add_(1),
    "new parameter": new_parameter,
    "optimizer": step,
    "fused optimizer": lambda bank: step(bank, fused=True),
    "load": lambda bank: bank.load_state_dict(build().state_dict()),
    "load by assignment": lambda bank: bank.load_state_dict(build().state_dict(), assign=True),
    "all glyph images": lambda bank: bank.set_glyphs(bank.glyphs.flip(0)),
    "one glyph image": lambda bank: bank.set_glyphs(255 - bank.glyphs[4:5], torch.tensor([4])),
    "glyph images in place": lambda bank: bank.glyphs.sub_(1),
    "another encoder": lambda bank: setattr(bank, "encoder", Encoder()),
    "adapter": adapter,
    "double": lambda bank: bank.double(),
    "data of a weight": lambda bank: bank.encoder.linear.weight.data.add_(0.3),
    "new data of a weight": lambda bank: setattr(bank.encoder.shift, "data", torch.ones(WIDTH)),
    "data of a glyph image": lambda bank: bank.glyphs.data[4].copy_(255 - bank.glyphs[4]),
    "data and train": lambda bank: (setattr(bank.encoder.shift, "data", torch.ones(WIDTH)), bank.train().eval()),
}


@pytest.mark.parametrize("change", list(CHANGES))
@pytest.mark.parametrize("full", [True, False])
def test_the_table_goes_with_every_change(change, full):
    bank, ids = build(), torch.tensor([[4, 4, 1], [2, 1, 0]])
    if full:
        bank.fill()
    with torch.no_grad():
        before = bank(ids)
    CHANGES[change](bank)
    with torch.no_grad():
        found = bank(ids)
        assert torch.equal(bank(ids), found)
    assert found.dtype == bank.encoder.conv.weight.dtype
    assert not torch.equal(found, before.to(found.dtype))
    torch.testing.assert_close(found, naive(bank, ids).detach())


def test_an_adapter_may_be_switched():
    bank, ids = build(), torch.tensor([[4, 1]])
    adapter(bank)
    with torch.no_grad():
        bank(ids)
        bank.encoder.linear.on = False
        torch.testing.assert_close(bank(ids), naive(bank, ids))


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("name", ["linear", "conv", ""])
def test_hooks_on_the_encoder_count_while_they_are_there(name, early):
    bank, ids = build(), torch.tensor([[4, 1]])
    with torch.no_grad():
        plain = naive(bank, ids)
        if not early:
            bank(ids)
        handle = bank.encoder.get_submodule(name).register_forward_hook(lambda part, args, out: out * 0)
        wanted = naive(bank, ids)
        assert not torch.equal(wanted, plain)
        torch.testing.assert_close(bank(ids), wanted)
        handle.remove()
        torch.testing.assert_close(bank(ids), plain)


def test_hooks_see_every_position():
    """The bank is what get_input_embeddings() gives: noise of a hook differs for two copies of a character."""
    for mode in (True, False):
        bank, ids, seen = build().train(mode), torch.tensor([[4, 4, 1]]), []

        def hook(part, args, out, seen=seen):
            seen.append(out.shape)
            return out + torch.arange(3.0)[None, :, None]

        bank.register_forward_hook(hook)
        with torch.set_grad_enabled(mode):
            found = bank(ids)
        wanted = naive(bank, ids) + torch.arange(3.0)[None, :, None]
        torch.testing.assert_close(found.detach(), wanted.detach())
        assert seen == [(1, 3, WIDTH)]


def test_two_threads_that_meet_a_fresh_table(monkeypatch):
    """A delay at the allocation of the table, where threads once took rows that were not computed yet."""
    allocate = torch.Tensor.new_empty

    def slow(self, *args, **kwargs):
        made = allocate(self, *args, **kwargs).fill_(77)  # so that what was not written is seen
        time.sleep(0.005)
        return made

    def call(ids, delay):
        time.sleep(delay)
        with torch.no_grad():
            found.append(torch.allclose(bank(ids), wanted[ids], atol=1e-5))

    bank, found = build(), []
    wanted = naive(bank, torch.arange(ROWS)[None])[0]
    monkeypatch.setattr(torch.Tensor, "new_empty", slow)
    for _ in range(20):
        bank.train().eval()
        batches = torch.randint(0, ROWS, (2, 2, 5))
        threads = [threading.Thread(target=call, args=(ids, index * 0.003)) for index, ids in enumerate(batches)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        call(batches.flatten(0, 1), 0)  # what both have left
    assert found == [True] * 60


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("extras", [None, 0, 1, 3])
def test_a_trace_holds_no_table_and_no_size(extras):
    bank, (ids, extra) = build(chunk_size=4), make_batch(2, 5, extras or 0)
    with torch.no_grad():
        bank(ids, extra)
        traced = torch.jit.trace(bank, (ids,) if extras is None else (ids, extra), check_trace=False)
        for batch, length, others in ((1, 4, 1), (3, 7, 2), (4, 60, 0)):
            ids, extra = make_batch(max(batch, 2), length, 0 if extras is None else others)
            run = traced(ids) if extras is None else traced(ids, extra)
            torch.testing.assert_close(run, naive(bank, ids, extra))


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_an_id_beyond_the_examples_own_characters_is_refused_by_a_trace():
    """It must not read those of the next example."""
    bank, (ids, extra) = build(), make_batch(2, 5, 2)
    with torch.no_grad():
        traced = torch.jit.trace(bank, (ids, extra), check_trace=False)
        ids[0, 1] = ROWS + 2
        with pytest.raises(RuntimeError, match="index 3 is out of bounds for dimension 1 with size 3"):
            traced(ids, extra)


def test_train_drops_the_table():
    bank = build()
    bank.fill()
    bank.train()
    assert bank._table._entry is None


def test_the_table_stays_behind_when_the_bank_moves_to_another_device():
    bank = build()
    bank.fill()
    with torch.no_grad():
        assert bank._look_up(torch.tensor([1])) is not None
        bank.to("meta")
        assert bank._look_up(torch.tensor([1])) is None
        assert bank._look_up(torch.tensor([1], device="meta")) is None
        assert bank(torch.tensor([[1, 2]], device="meta")).shape == (1, 2, WIDTH)


def test_gradients_are_not_lost_to_the_table():
    bank = build()
    bank.fill()
    bank(torch.tensor([[1, 2]])).sum().backward()
    assert bank.encoder.conv.weight.grad.any()


def test_two_banks_have_two_tables():
    bank = build()
    bank.fill()
    variant = copy.deepcopy(bank)
    CHANGES["weight"](variant)
    ids = torch.tensor([[1, 2]])
    with torch.no_grad():
        torch.testing.assert_close(variant(ids), naive(variant, ids))
        torch.testing.assert_close(bank(ids), naive(bank, ids))
    assert len(pickle.dumps(bank)) < len(pickle.dumps(build())) + 500


def test_inference_mode_and_then_not():
    bank, ids = build(), torch.tensor([[1, 2, 1]])
    with torch.inference_mode():
        bank(torch.tensor([[1]]))
    with torch.no_grad():
        found = bank(ids)
    with torch.inference_mode():
        torch.testing.assert_close(bank(ids), found)
        bank(torch.arange(ROWS)[None])
    torch.testing.assert_close(bank(ids), found)
    assert calls(bank) == ROWS + 2  # the last call had gradients


def test_weights_made_in_inference_mode_are_not_kept():
    ids = torch.tensor([[1, 2]])
    with torch.inference_mode():
        bank = build()
        bank(ids)
        bank.encoder.shift.add_(1)  # unseen by torch
        torch.testing.assert_close(bank(ids), naive(bank, ids))
    assert bank._table._entry is None


def test_autocast_does_not_lower_what_is_kept():
    bank, ids = build(), torch.tensor([[1, 2]])
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        kept = bank(ids)
    assert kept.dtype == torch.float32
    torch.testing.assert_close(kept, naive(bank, ids).detach())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(bank(ids).float(), kept, atol=0.05, rtol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_dtypes(dtype):
    bank, (ids, extra) = build(), make_batch()
    wanted = naive(bank, ids, extra).detach()
    bank.to(dtype)
    assert bank.glyphs.dtype == torch.uint8
    for grad in (True, False):
        with torch.set_grad_enabled(grad):
            found = bank(ids, extra)
        assert found.dtype == dtype
        torch.testing.assert_close(found.detach().float(), wanted, atol=0.05, rtol=0)


# ---------------------------------------------------------------------------------------------- compiled


@pytest.mark.parametrize("extras", [None, 2])
def test_compiled_without_breaks(extras):
    torch._dynamo.reset()
    bank = CharacterBank(nn.Sequential(nn.Flatten(), nn.Linear(24, WIDTH)), ROWS, SHAPE, WIDTH)
    bank.set_glyphs(torch.randint(1, 256, (ROWS, *SHAPE), dtype=torch.uint8))
    bank.eval()
    compiled = torch.compile(bank, fullgraph=True, backend="aot_eager")
    ids, extra = make_batch(extras=extras or 0)
    batch = (ids,) if extras is None else (ids, extra)
    with torch.no_grad():
        torch.testing.assert_close(compiled(*batch), bank(*batch))
        bank.encoder[1].bias.add_(1)
        torch.testing.assert_close(compiled(*batch), bank(*batch))  # no table is baked into the graph
    grads = []
    for run in (bank, compiled):
        bank.zero_grad()
        run(*batch).square().sum().backward()
        grads.append(bank.encoder[1].weight.grad.clone())
    torch.testing.assert_close(*grads)


@pytest.mark.parametrize("extras", [None, 3])
def test_exported_with_open_sizes(extras):
    torch._dynamo.reset()
    bank = CharacterBank(nn.Sequential(nn.Flatten(), nn.Linear(24, WIDTH)), ROWS, SHAPE, WIDTH, chunk_size=4)
    bank.set_glyphs(torch.randint(1, 256, (ROWS, *SHAPE), dtype=torch.uint8))
    bank.eval()
    ids, extra = make_batch(extras=extras or 0)
    batch = (ids,) if extras is None else (ids, extra)
    shapes = tuple({axis: torch.export.Dim.DYNAMIC for axis in (0, 1)} for _ in batch)
    with torch.no_grad():
        bank(*batch)
        run = torch.export.export(bank, batch, dynamic_shapes=shapes, strict=False).module()
        for size, length, others in ((2, 4, 1), (4, 60, 2), (3, 6, 0)):
            ids, extra = make_batch(size, length, 0 if extras is None else others)
            batch = (ids,) if extras is None else (ids, extra)
            torch.testing.assert_close(run(*batch), bank(*batch))


# ---------------------------------------------------------------------------------------------- what others ask for


def test_a_size_for_code_that_asks_an_embedding_for_it():
    bank = build()
    assert bank.weight.shape == (ROWS, 24)
    assert bank.weight.dtype == torch.uint8
    assert torch.equal(bank.weight, bank.glyphs.flatten(1))
    assert not bank.weight.requires_grad
    bank.set_glyphs(255 - bank.glyphs)
    assert torch.equal(bank.weight, bank.glyphs.flatten(1))
    names = [name for name, _ in [*bank.named_parameters(), *bank.named_buffers()]]
    assert not [name for name in (*names, *bank.state_dict()) if name.endswith("weight") and "encoder" not in name]
    with pytest.raises((AttributeError, KeyError), match="weight"):
        bank.weight = nn.Parameter(torch.zeros(ROWS, WIDTH))


# ---------------------------------------------------------------------------------------------- glyph images, bad input


def test_glyph_images_are_written_as_rows_and_saved():
    bank = build(images=False)
    assert not bank.glyphs.any()
    images = torch.randint(0, 256, (ROWS, *SHAPE), dtype=torch.uint8)
    bank.set_glyphs(images)
    assert torch.equal(bank.glyphs, images)
    bank.set_glyphs(torch.full((2, 24), 7, dtype=torch.uint8), torch.tensor([3, 11]))
    images[[3, 11]] = 7
    bank.set_glyphs(images[:1].numpy(), [5])
    images[5] = images[0]
    assert torch.equal(bank.glyphs, images)
    assert torch.equal(bank.state_dict()["glyphs"], images)


@pytest.mark.parametrize(
    ("shape", "rows", "dtype"),
    [
        ((ROWS, 23), None, torch.uint8),
        ((ROWS - 1, *SHAPE), None, torch.uint8),
        ((2, *SHAPE), [1, 2, 3], torch.uint8),
        ((2, *SHAPE), [1, ROWS], torch.uint8),
        ((2, *SHAPE), [-1, 2], torch.uint8),
        ((ROWS, *SHAPE), None, torch.float32),
        ((ROWS, *SHAPE), None, torch.bool),
    ],
)
def test_glyph_images_that_do_not_fit_are_refused(shape, rows, dtype):
    bank = build()
    before = bank.glyphs.clone()
    match = r"needed are \(2, 4, 3\) values|rows holds|needed is torch.uint8"
    with pytest.raises(ValueError, match=match):
        bank.set_glyphs(torch.zeros(shape, dtype=dtype), rows)
    assert torch.equal(bank.glyphs, before)


def blank(extra, example, index):
    extra = extra.clone()
    extra[example, index] = 0
    return extra


IDS, EXTRA = torch.tensor([[0, 1], [2, ROWS + 1]]), torch.ones(2, 2, 24, dtype=torch.uint8)
OPEN = torch.tensor([[0, 1], [2, ROWS + ord("𠮷")]])
PADDING = r"collate with DataCollatorWithPadding\(tokenizer\).*--pad_to_max_length False.*return_tensors='pt'"
WRONG = {
    "beyond the bank": ((IDS, None), f"glyph_ids holds {ROWS + 1}.*0 to {ROWS - 1}.*extra_glyphs.*processor"),
    "open": ((OPEN, None), f"glyph_ids holds {ROWS + 0x20BB7}; .*open id, {ROWS} .*U.20BB7 .'𠮷'.*{PADDING}"),
    "open, with extras": ((OPEN, EXTRA), f"glyph_ids holds {ROWS + 0x20BB7}; .*open id, {ROWS} .*{PADDING}"),
    "beyond all characters": ((OPEN + 0x110000, None), "(?!.*open id).*processor or tokenizer"),
    "below": ((IDS - 1, EXTRA), f"glyph_ids holds -1.*0 to {ROWS + 1}"),
    "beyond the extras": ((IDS + 1, EXTRA), f"glyph_ids holds {ROWS + 2}.*0 to {ROWS + 1}.*2 extra_glyphs.*processor"),
    "beyond no extras": ((IDS, EXTRA[:, :0]), f"glyph_ids holds {ROWS + 1}.*0 to {ROWS - 1}.*0 extra_glyphs"),
    "padding": ((IDS, blank(EXTRA, 1, 1)), f"holds {ROWS + 1} in example 1.*blank.*0 to {ROWS - 1}.*processor"),
    "of another batch": ((IDS, EXTRA[:1]), r"extra_glyphs are torch.uint8 \(1, 2, 24\).*\[B, E, 24\].*processor"),
    "floats": ((IDS, EXTRA.float()), "extra_glyphs are torch.float32.*needed are torch.uint8"),
    "glyph images not flattened": ((IDS, EXTRA.view(2, 2, *SHAPE)), r"\(2, 2, 2, 4, 3\).*flattened"),
    "another size": ((IDS, EXTRA[..., 1:]), r"\(2, 2, 23\).*\[B, E, 24\]"),
    "one dimension": ((IDS, EXTRA[0, 0]), r"\(24,\).*\[B, E, 24\]"),
    "flat ids": ((IDS[0], EXTRA), r"ids \(2,\).*ids \[B, L\]"),
}


@pytest.mark.parametrize("name", list(WRONG))
@pytest.mark.parametrize("grad", [True, False])
def test_wrong_inputs_are_explained(name, grad):
    bank = build()
    batch, message = WRONG[name]
    with torch.set_grad_enabled(grad):
        with pytest.raises(ValueError, match=f"(?s){message}"):
            bank(*batch)
        bank(IDS, blank(EXTRA, 0, 0))  # blank rows that nobody points to are padding


def test_a_blank_bank_warns_once(warnings):
    bank = build(images=False)
    for _ in range(3):
        bank(torch.tensor([[1]]))
    assert len(warnings) == 1
    assert "set_glyphs" in warnings[0]
    other = build()
    other(torch.tensor([[1]]))
    assert len(warnings) == 1


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("traced", [False, True])
def test_blank_rows_before_the_images_do_not_count(mode, traced):
    """A pipeline that pads on the left puts them there; how many differs from example to example."""
    bank = build().train(mode == "train")
    ids, extra = make_batch(extras=2)
    ids[0, 2:4] = torch.tensor([ROWS, ROWS + 1])
    extra[2, 1] = 0  # this example has one image of its own, and each of the others two
    ids[2, 2] = ROWS
    expected = bank(ids, extra)
    moved = torch.zeros(3, 5, 24, dtype=torch.uint8)
    moved[0, 3:], moved[1, 1:3], moved[2, 4:] = extra[0], extra[1], extra[2, :1]
    run = torch.jit.trace(bank, (ids, moved), check_trace=False) if traced else bank
    torch.testing.assert_close(run(ids, moved), expected)
    blank = torch.zeros(3, 5, 24, dtype=torch.uint8)
    inside = ids.masked_fill(ids >= ROWS, 4)
    torch.testing.assert_close(run(inside, blank), bank(inside))


@pytest.mark.parametrize("beyond", [1, 2, 3])
def test_ids_behind_the_last_image_are_refused(beyond):
    bank = build()
    ids, extra = make_batch(extras=3)
    ids = ids.masked_fill(ids >= ROWS, 4)
    extra[:, : 3 - beyond] = 0  # `beyond` images at the end
    ids[1, 2] = ROWS + beyond
    wanted = "allowed are 0 to" if beyond == 3 else f"{ROWS + beyond} in example 1, whose glyph image .* is blank"
    with pytest.raises(ValueError, match=wanted):
        bank(ids, extra)


def test_a_frozen_encoder_is_looked_up_in_training_too():
    bank = build()
    bank.encoder.requires_grad_(False)
    bank.train()
    ids, extra = make_batch()
    assert torch.allclose(bank(ids, extra), naive(bank, ids, extra))
    bank(ids.clamp(max=ROWS - 1))
    bank.encoder.calls.clear()
    bank.train()  # as the Trainer does before every step
    vectors = bank(ids.clamp(max=ROWS - 1))
    bank.eval()
    bank(ids.clamp(max=ROWS - 1))
    bank.train()
    assert not calls(bank)
    assert not vectors.requires_grad
    bank.encoder.linear.requires_grad_(True)  # thawed: encoded again, with a gradient
    assert bank(ids.clamp(max=ROWS - 1)).requires_grad
    bank.encoder.requires_grad_(False)
    with torch.no_grad():
        bank.encoder.linear.weight.mul_(2)
    assert torch.allclose(bank(ids, extra), naive(bank, ids, extra))
