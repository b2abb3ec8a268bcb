"""A table of vectors must never give what the present weights would not give."""

import copy
import io
import pickle
import threading
import time

import pytest
import torch
from process_tools import run_program
from remote_tools import run_without_package
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from hanziformers.modeling.vector_table import ENTRIES_OF_WEIGHT, VectorTable, _entries, has_hooks

ROWS, WIDTH = 40, 6


class Owner(nn.Module):
    """Rows of an embedding through a Linear, kept in a table; counts how many ids were encoded."""

    def __init__(self, whole=False):
        super().__init__()
        self.embedding, self.linear = nn.Embedding(ROWS, 5), nn.Linear(5, WIDTH)
        self.register_buffer("shift", torch.randn(WIDTH))
        self.whole, self.encoded = whole, []
        self.table = VectorTable(self.parts())

    def parts(self):
        return [self.embedding, self.linear, self]  # the owner's own buffer counts too

    def encode(self, ids):
        self.encoded.append(ids.tolist())
        return self.naive(ids)

    def naive(self, ids):
        return torch.tanh(self.linear(self.embedding(ids))) + self.shift

    def forward(self, ids):
        rows = [self.embedding.weight]
        return self.table.look_up(ids, self.encode, self.parts(), rows, self.training, self.whole)


IDS = torch.tensor([[3, 4, 3], [0, 39, 4]])


def build(whole=False):
    return Owner(whole).eval()


def assert_fresh(owner, ids=IDS):
    with torch.no_grad():
        for _ in range(2):
            torch.testing.assert_close(owner(ids), owner.naive(ids))


# ---------------------------------------------------------------------------------------------- kept


@pytest.mark.parametrize("whole", [True, False])
def test_each_id_is_encoded_once(whole):
    owner = build(whole)
    with torch.no_grad():
        first = owner(IDS)
        torch.testing.assert_close(first, owner.naive(IDS))
        assert owner.encoded == [list(range(ROWS)) if whole else [0, 3, 4, 39]]
        first.zero_()  # the caller's own
        owner(IDS[:1])
        owner(torch.tensor([4, 7, 7, 9]))
    assert owner.encoded[1:] == ([] if whole else [[7, 9]])
    assert_fresh(owner)
    owner.table.drop()
    assert_fresh(owner)
    assert len(owner.encoded) == (2 if whole else 3)


@pytest.mark.parametrize("shape", [(), (1,), (2, 0), (2, 3, 4)])
def test_shapes(shape):
    owner, ids = build(), torch.randint(0, ROWS, shape)
    with torch.no_grad():
        found = owner(ids)
        if ids.numel():
            torch.testing.assert_close(found, owner.naive(ids))
        else:
            assert found is None


# ---------------------------------------------------------------------------------------------- never stale


def step(optimizer, **kwargs):
    def change(owner):
        for parameter in owner.parameters():
            parameter.grad = torch.ones_like(parameter)
        optimizer(owner.parameters(), lr=0.5, **kwargs).step()

    return change


def no_grad(change):
    def run(owner):
        with torch.no_grad():
            change(owner)

    return run


def through_numpy(owner):
    owner.linear.bias.detach().numpy()[:] += 1


def swap(owner):
    owner.linear = nn.Linear(5, WIDTH).eval()


def merge(owner):
    """As adapter libraries do: a write that torch does not count, then the old part in its old position."""
    inner = owner.linear
    owner.linear = nn.Sequential(inner)
    inner.weight.data += 0.5
    owner.linear = inner


def transpose_data(owner):
    weight = owner.linear.weight
    weight.data = weight.data.flatten().view(5, WIDTH).t()  # same memory, other strides


CHANGES = {
    "in place": no_grad(lambda owner: owner.linear.weight.add_(1)),
    "a part in place": no_grad(lambda owner: owner.linear.weight[0].mul_(-3)),
    "a buffer": lambda owner: owner.shift.add_(1),
    "copy": no_grad(lambda owner: owner.linear.bias.copy_(torch.randn(WIDTH))),
    "SGD": step(torch.optim.SGD),
    "AdamW": step(torch.optim.AdamW),
    "AdamW foreach": step(torch.optim.AdamW, foreach=True),
    "AdamW fused": step(torch.optim.AdamW, fused=True),
    "SGD fused": step(torch.optim.SGD, fused=True),
    "load": lambda owner: owner.load_state_dict(build().state_dict()),
    "load by assignment": lambda owner: owner.load_state_dict(build().state_dict(), assign=True),
    "dtype": lambda owner: owner.double(),
    "dtype and back": lambda owner: owner.bfloat16().float(),
    "data.add_": lambda owner: owner.linear.weight.data.add_(1),
    "data =": lambda owner: setattr(owner.linear.weight, "data", torch.randn(WIDTH, 5)),
    "transposed data": transpose_data,
    "numpy": through_numpy,
    "a row of data": lambda owner: owner.embedding.weight.data[3].fill_(2),
    "a row of data =": lambda owner: owner.embedding.weight.data.__setitem__(39, torch.randn(5)),
    "new parameter": lambda owner: setattr(owner.linear, "weight", nn.Parameter(torch.randn(WIDTH, 5))),
    "another module": swap,
    "merged": merge,
}


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("name", list(CHANGES))
@pytest.mark.parametrize("inference", [True, False])
def test_computed_again_after_a_change(name, whole, inference):
    owner = build(whole)
    for _ in range(3):
        with torch.inference_mode(inference), torch.no_grad():
            before = owner(IDS).clone()
        CHANGES[name](owner)
        assert_fresh(owner)
        with torch.no_grad():
            assert not torch.equal(owner(IDS).to(before.dtype), before)
        if name in ("dtype", "dtype and back", "a row of data"):
            break  # a second time it would be no change


def test_a_row_written_past_torch_is_encoded_alone():
    owner = build()
    assert_fresh(owner)
    owner.embedding.weight.data[[3, 10]] = torch.randn(2, 5)  # rows without one of the 32 entries of the whole weight
    assert_fresh(owner)
    assert owner.encoded == [[0, 3, 4, 39], [3]]


@pytest.mark.parametrize("size", [4, 1000, 300_000])
def test_a_new_tensor_at_the_address_of_a_dead_one(size):
    """Memory is given out again: the address of a weight does not tell which one it is."""
    table, part, ids = VectorTable([nn.Identity()]), [nn.Identity()], torch.tensor([0])
    for turn in range(20):
        weight = torch.full((1, size), float(turn))
        with torch.no_grad():
            found = table.look_up(ids, lambda ids, weight=weight: weight[ids, :1], part, [weight], training=False)
        assert found.item() == turn
        del weight


@pytest.mark.parametrize("whole", [True, False])
def test_weights_that_are_plain_attributes(whole):
    """As replicas of DataParallel have them, and modules whose parameters FSDP flattens."""
    owner = build(whole)
    weights = {name: owner.linear._parameters.pop(name).detach() for name in ("weight", "bias")}
    vars(owner.linear).update(weights)
    for change in (lambda: weights["weight"].mul_(3), lambda: vars(owner.linear).update(weight=torch.randn(WIDTH, 5))):
        assert_fresh(owner)
        change()
        assert_fresh(owner)


def test_weights_may_be_swapped():
    """`swap_tensors` forbids weak references and views; with the flag `Module.to` and `load_state_dict` swap."""
    owner = build()
    assert_fresh(owner)
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        owner.double()
        assert_fresh(owner)
        owner.load_state_dict(build().double().state_dict())
        assert_fresh(owner)
    finally:
        torch.__future__.set_swap_module_params_on_conversion(False)
    assert owner.linear.weight.dtype == torch.float64


def test_other_memory_at_the_address_of_the_old_one():
    owner = build()
    for _ in range(20):
        for _ in range(2):  # the second may lie where the first one of all lay
            owner.embedding.weight.data = owner.embedding.weight.data - 0.1
        assert_fresh(owner)


# ---------------------------------------------------------------------------------------------- who may use it


def global_hook(owner):
    return torch.nn.modules.module.register_module_forward_hook(lambda *_: None)


@pytest.mark.parametrize(
    "hook",
    [
        lambda owner: owner.linear.register_forward_hook(lambda *_: None),
        lambda owner: owner.linear.register_forward_pre_hook(lambda *_: None),
        lambda owner: owner.linear.register_full_backward_hook(lambda *_: None),
        lambda owner: owner.linear.register_full_backward_pre_hook(lambda *_: None),
        global_hook,
    ],
    ids=["forward", "pre", "backward", "backward pre", "global"],
)
def test_not_while_a_hook_is_there(hook):
    owner = build()
    assert_fresh(owner)
    handle = hook(owner)
    assert has_hooks(owner.parts())
    with torch.no_grad():
        assert owner(IDS) is None
    handle.remove()
    assert not has_hooks(owner.parts())
    assert_fresh(owner)


class Fake(torch.Tensor):
    """A subclass, as sharded and quantized weights are."""


def wrap(owner):
    owner.linear = nn.Sequential(owner.linear)


def parametrize(owner):
    torch.nn.utils.parametrizations.weight_norm(owner.linear)


def own_forward(owner):
    owner.linear.forward = lambda x: nn.Linear.forward(owner.linear, x) * 2


def sparse(owner):
    owner.linear.weight = nn.Parameter(owner.linear.weight.detach().to_sparse_csr(), requires_grad=False)


REFUSED = {
    "a forward of its own": own_forward,
    "sparse": sparse,
    "training": lambda owner: owner.train(),
    "wrapped": wrap,
    "parametrized": parametrize,
    "meta": lambda owner: owner.to("meta"),
    "subclass": lambda owner: setattr(owner, "shift", owner.shift.as_subclass(Fake)),
}


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support")
@pytest.mark.parametrize("name", list(REFUSED))
def test_not_for(name):
    owner = build()
    assert_fresh(owner)
    REFUSED[name](owner)
    with torch.no_grad():
        assert owner(IDS) is None


def test_not_with_gradients_and_not_of_inference_tensors():
    owner = build()
    assert owner(IDS) is None
    with torch.inference_mode():
        assert build()(IDS) is None
        assert owner(IDS) is not None


def test_not_compiled():
    torch._dynamo.reset()
    owner = build()
    assert_fresh(owner)
    compiled = torch.compile(lambda ids: owner(ids) is None, fullgraph=True, backend="eager")
    with torch.no_grad():
        assert compiled(IDS)


def test_not_in_a_graph_and_not_for_fake_tensors():
    owner, seen = build(), []
    assert_fresh(owner)

    class Model(nn.Module):
        def forward(self, ids):
            seen.append(owner(ids))
            return ids + 1

    with torch.no_grad():
        torch.jit.trace(Model(), (IDS,), check_trace=False)
        torch.export.export(Model(), (IDS,), strict=False)
        with FakeTensorMode(allow_non_fake_inputs=True) as mode:
            seen.append(owner(mode.from_tensor(IDS)))
    assert seen == [None] * len(seen)
    assert len(seen) >= 3
    assert_fresh(owner)


def test_weights_inside_of_vmap_are_not_kept():
    """They have no memory to compare."""
    owners = [build(), build()]
    state, _ = torch.func.stack_module_state(owners)

    def run(state):
        assert torch.func.functional_call(owners[0], state, (IDS,)) is None
        return state["linear.bias"]

    assert_fresh(owners[0])
    with torch.no_grad():
        torch.func.vmap(run)(state)
    assert_fresh(owners[0])


# ---------------------------------------------------------------------------------------------- how it is kept


def test_neither_pickled_nor_copied():
    owner = build()
    plain = len(pickle.dumps(owner))
    assert_fresh(owner)
    owner.encoded.clear()
    assert len(pickle.dumps(owner)) == plain
    buffer = io.BytesIO()
    torch.save(owner, buffer)
    buffer.seek(0)
    for variant in (copy.deepcopy(owner), pickle.loads(pickle.dumps(owner)), torch.load(buffer, weights_only=False)):
        assert variant.table._lock is not owner.table._lock
        CHANGES["in place"](variant)
        assert_fresh(variant)
        assert_fresh(owner)
    assert owner.encoded == []
    assert copy.copy(owner.table)._entry is None


def test_kept_vectors_may_be_used_anywhere():
    owner = build()
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        found = owner(IDS)
    assert found.dtype == torch.float32  # autocast would have lowered it
    with torch.no_grad():
        found = owner(IDS)
    assert not found.requires_grad
    assert not found.is_inference()
    (found * torch.ones((), requires_grad=True)).sum().backward()  # an inference tensor could not be saved for this
    assert len(owner.encoded) == 1


def test_a_failed_encoding_is_not_kept(monkeypatch):
    owner = build()
    monkeypatch.setattr(owner, "encode", lambda ids: 1 / 0)
    with torch.no_grad(), pytest.raises(ZeroDivisionError):
        owner(IDS)
    monkeypatch.undo()
    assert_fresh(owner)


@pytest.mark.parametrize("whole", [True, False])
def test_threads_share_a_table(whole, monkeypatch):
    """Many threads, a delay where the table is allocated, and memory that shows what was not written."""
    allocate, owner, wrong = torch.Tensor.new_empty, build(whole), []

    def slow(self, *args, **kwargs):
        made = allocate(self, *args, **kwargs).fill_(77)
        time.sleep(0.002)
        return made

    def work(seed):
        generator = torch.Generator().manual_seed(seed)
        for _ in range(40):
            if seed == 0:
                owner.table.drop()
            ids = torch.randint(0, ROWS, (3,), generator=generator)
            with torch.no_grad():
                if not torch.allclose(owner(ids), owner.naive(ids), atol=1e-5):
                    wrong.append(ids.tolist())

    monkeypatch.setattr(torch.Tensor, "new_empty", slow)
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# ---------------------------------------------------------------------------------------------- what is compared


@pytest.mark.parametrize(
    "tensor",
    [
        torch.randn(768, 2304),
        torch.randn(5),
        torch.randn(()),
        torch.randn(300, 70).t(),
        torch.randn(8, 3, 5, 5).to(memory_format=torch.channels_last),
        torch.randint(0, 256, (40, 1, 48, 48), dtype=torch.uint8),
        torch.randn(0, 4),
    ],
    ids=lambda tensor: f"{tuple(tensor.shape)}",
)
def test_compared_entries_are_views(tensor):
    for rows in (False, True) if tensor.dim() > 1 else (False,):
        found = _entries(tensor, of_each_row=rows)
        assert found.dim() == 1 + rows
        assert found.numel() > 0 or not tensor.numel()
        assert found.shape[-1] <= ENTRIES_OF_WEIGHT
        before = found.clone()
        tensor.add_(1)
        assert torch.equal(found, before + 1)
        if rows:
            assert len(found) == len(tensor)


def test_compared_entries_lie_in_many_rows_and_columns():
    tensor = torch.arange(768 * 2304).view(768, 2304)
    found = _entries(tensor)
    assert len((found // 2304).unique()) == len((found % 2304).unique()) == len(found) >= ENTRIES_OF_WEIGHT - 1


# ---------------------------------------------------------------------------------------------- the process

TABLES = """
import torch
from torch.nn.modules import module
from torch.optim import optimizer
def tables():
    found = {f"{part.__name__}.{name}": value for part in (module, optimizer) for name, value in vars(part).items()}
    return {name: len(value) for name, value in found.items() if "._global_" in name and hasattr(value, "__len__")}
before = tables()
assert len(before) > 6, before
"""
LOAD = """
from transformers import AutoModel
for folder in sys.argv[1:]:
    AutoModel.from_pretrained(folder, trust_remote_code=True).eval()(torch.tensor([[1, 2]]))
assert tables() == before, tables()
"""


def test_no_hook_for_the_whole_process(tmp_path):
    from chinese_bert_tools import build as chinese_bert
    from glyph_crm_tools import build as glyph_crm

    done = run_program(TABLES + "import hanziformers\nassert tables() == before, tables()")
    assert done.returncode == 0, done.stderr[-2000:]
    folders = [tmp_path / str(index) for index in range(3)]
    for folder, model in zip(folders, (chinese_bert(), glyph_crm(), chinese_bert(vocab_size=60)), strict=True):
        model.save_pretrained(folder)
    run_without_package(TABLES + LOAD, *folders, folder=tmp_path / "run")
