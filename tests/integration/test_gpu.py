"""What holds on the CPU holds on a GPU: every family's numbers, precisions, attention forms, tables and processes.

Run by `make gpu`, and skipped where torch sees no GPU. What is compared with the CPU is computed there in float32.
"""

import os
import subprocess
import sys
from copy import deepcopy
from functools import partial

import chinese_bert_tools
import glyce_tools
import glyph_crm_tools
import mpm_cner_tools
import pytest
import torch
from chinese_bert_tools import assert_same, gradients, tensors
from glyph_tools import SPECIAL
from remote_tools import REPOSITORY
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader
from transformers import DataCollatorForLanguageModeling, DataCollatorWithPadding, pipeline
from transformers.utils import is_flash_attn_2_available

from hanziformers import ChineseBertTokenizer, GlyphCrmTokenizer, HanziGlyphImageProcessor, HanziProcessor
from hanziformers.modeling.han_glyph import GlyphConv, correlate

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU (torch.cuda.is_available() is False)"),
]
DEVICE = "cuda"
FAMILIES = {"chinese_bert": chinese_bert_tools, "glyph_crm": glyph_crm_tools}
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
# heads of 16 values: what the fused kernels take
WIDE = {"hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 128}
TEXTS = ["银行行长很忙", "今天天气好，重庆的行人多", "㐀𠀀", "好"]
CASES = [pytest.param(tools, cls, id=cls.__name__) for tools in FAMILIES.values() for cls in tools.EVERY]


@pytest.fixture(autouse=True)
def _exact_products():
    """Full float32 products, so that the tolerances below are about the code and not about TF32."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


@pytest.fixture(params=FAMILIES)
def tools(request):
    return FAMILIES[request.param]


@pytest.fixture
def processing_class(request, tools, own_fonts):
    vocabulary = [*SPECIAL, *"银行长很忙今天气好，重庆的人多"]
    if tools is chinese_bert_tools:
        return ChineseBertTokenizer(vocab={token: row for row, token in enumerate(vocabulary)})
    image_processor = HanziGlyphImageProcessor(styles=["song"], size=24)
    return HanziProcessor(image_processor, GlyphCrmTokenizer(vocab={token: i for i, token in enumerate(vocabulary)}))


def no_dropout(tools):
    return {**NO_DROPOUT, **getattr(tools, "NO_DROPOUT", {})}


def moved(inputs, device=DEVICE):
    return {name: value.to(device) for name, value in inputs.items()}


def on_cpu(values):
    return [value.detach().float().cpu() for value in values]


def loss_of(model, inputs):
    output = model(**inputs)
    return output.loss if "loss" in output else output.last_hidden_state.float().pow(2).mean()


def relative_error(found, wanted):
    """Norm of the difference over that of what is wanted, of all tensors together."""
    found, wanted = (torch.cat([value.flatten() for value in on_cpu(values)]) for values in (found, wanted))
    return float((found - wanted).norm() / wanted.norm())


@pytest.mark.parametrize(("tools", "cls"), CASES)
def test_outputs_are_those_of_the_cpu(tools, cls):
    model, inputs = tools.build(cls, **no_dropout(tools)), tools.inputs_for(cls)
    wanted = [tools.no_grad(model, inputs), tools.with_grad(model, inputs)]
    model.to(DEVICE)
    found = [tools.no_grad(model, moved(inputs)), tools.with_grad(model, moved(inputs))]
    for one, other in zip(found, wanted, strict=True):
        assert_same(on_cpu(one), other, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("tools", "cls"), CASES)
def test_a_training_step_is_that_of_the_cpu(tools, cls):
    model, inputs = tools.build(cls, **no_dropout(tools)).train(), tools.inputs_for(cls)
    other = deepcopy(model).to(DEVICE)
    steps = []
    for one, batch in ((model, inputs), (other, moved(inputs))):
        optimizer = torch.optim.SGD(one.parameters(), lr=0.1)
        loss_of(one, batch).backward()
        steps.append(on_cpu(gradients(one).values()))
        optimizer.step()
    assert relative_error(steps[1], steps[0]) < 1e-4
    assert relative_error(other.parameters(), model.parameters()) < 1e-5


@pytest.mark.parametrize(("tools", "cls"), CASES)
def test_bf16_autocast_and_bf16_weights(tools, cls):
    model, inputs = tools.build(cls, **no_dropout(tools)).to(DEVICE), moved(tools.inputs_for(cls))
    wanted = tensors(model(**inputs))
    with torch.autocast(DEVICE, torch.bfloat16):
        found, loss = tensors(model(**inputs)), loss_of(model.train(), inputs)
    loss.backward()
    assert relative_error(found, wanted) < 0.1
    assert all(value.isfinite().all() for value in gradients(model).values())
    half = model.eval().to(torch.bfloat16)
    with torch.no_grad():
        assert relative_error(tensors(half(**inputs)), wanted) < 0.1


@pytest.mark.parametrize("classifier", ["linear", "crf"])
@pytest.mark.parametrize("parts", [mpm_cner_tools, glyce_tools], ids=["mpm_cner", "glyce"])
def test_taggers_around_an_encoder(parts, classifier):
    model, inputs = parts.build(classifier=classifier, **parts.NO_DROPOUT), parts.make_inputs()
    inputs["labels"] = parts.make_labels(inputs)
    other, there = deepcopy(model).to(DEVICE), moved(inputs)
    for _ in range(2):  # the second time with weights that a step has changed, in place of those of the tables
        with torch.no_grad():
            assert_same(on_cpu(tensors(other(**there))), tensors(model(**inputs)), atol=1e-3, rtol=1e-3)
        steps = []
        for one, batch in ((model, inputs), (other, there)):
            one.train()(**batch).loss.backward()
            steps.append(on_cpu(gradients(one).values()))
            torch.optim.SGD(one.parameters(), lr=0.01, fused=True).step()
            one.zero_grad()
            one.eval()
        assert relative_error(steps[1], steps[0]) < 1e-4
    with torch.autocast(DEVICE, torch.bfloat16):
        loss = other.train()(**there).loss
    loss.backward()
    assert loss.isfinite()
    assert all(value.isfinite().all() for value in gradients(other).values())


@pytest.mark.parametrize("cls_name", ["ForMaskedLM", "ForTokenClassification"])
def test_compile(tools, cls_name):
    cls = next(cls for cls in tools.EVERY if cls.__name__.endswith(cls_name))
    model = tools.build(cls, **no_dropout(tools)).to(DEVICE).train()
    compiled = torch.compile(model)
    for batch, length in ((4, 9), (3, 12), (5, 7)):
        inputs = moved(tools.inputs_for(cls, batch=batch, length=length))
        model.zero_grad()
        loss = loss_of(model, inputs)
        loss.backward()
        wanted = [loss, *gradients(model).values()]
        model.zero_grad()
        loss = loss_of(compiled, inputs)
        loss.backward()
        assert relative_error([loss, *gradients(model).values()], wanted) < 1e-3


@pytest.mark.parametrize("implementation", ["sdpa", "flex_attention"])
def test_attention_forms_agree_with_eager(tools, implementation):
    cls = tools.EVERY[0]
    model, inputs = tools.build(cls, **WIDE, **no_dropout(tools)).to(DEVICE), moved(tools.inputs_for(cls))
    rows = inputs["attention_mask"].bool()  # what stands at padding is nobody's
    found = []
    for name in ("eager", implementation):
        model.set_attn_implementation(name)
        with torch.no_grad():
            found.append(model(**inputs).last_hidden_state[rows])
    assert relative_error([found[1]], [found[0]]) < 1e-4


def test_fused_flash_kernel_of_torch(tools):
    cls = tools.EVERY[0]
    model = tools.build(cls, **WIDE, **no_dropout(tools)).to(DEVICE, torch.bfloat16)
    inputs = moved(tools.inputs_for(cls))
    del inputs["attention_mask"]  # the kernel takes no mask
    with torch.no_grad():
        with sdpa_kernel(SDPBackend.MATH):
            wanted = model(**inputs).last_hidden_state
        try:
            with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
                found = model(**inputs).last_hidden_state
        except RuntimeError as error:
            pytest.skip(f"this GPU or this torch has no flash kernel: {error}")
    assert relative_error([found], [wanted]) < 0.05


@pytest.mark.skipif(not is_flash_attn_2_available(), reason="flash-attn is not installed")
def test_flash_attention_2(tools):
    cls = tools.EVERY[0]
    model = tools.build(cls, **WIDE, **no_dropout(tools)).to(DEVICE, torch.bfloat16)
    inputs = moved(tools.inputs_for(cls))
    rows, found = inputs["attention_mask"].bool(), []
    for name in ("eager", "flash_attention_2"):
        model.set_attn_implementation(name)
        with torch.no_grad():
            found.append(model(**inputs).last_hidden_state[rows])
    assert relative_error([found[1]], [found[0]]) < 0.05


@pytest.mark.parametrize("form", ["cudnn", "cudnn benchmark", "without cudnn", "channels last", "frequencies"])
def test_forms_of_the_large_convolution(form):
    conv, images = GlyphConv(8, 8, 9), torch.rand(40, 8, 48, 48)
    target = torch.randn(40, 8, 40, 40)
    exact = F.conv2d(images.double(), conv.weight.double(), conv.bias.double())
    wanted = torch.autograd.grad((exact * target).sum(), (conv.weight, conv.bias))
    conv, images = conv.to(DEVICE), images.to(DEVICE)
    if form == "channels last":
        conv, images = (thing.to(memory_format=torch.channels_last) for thing in (conv, images))
    flags = {"enabled": form != "without cudnn", "benchmark": form == "cudnn benchmark", "allow_tf32": False}
    with torch.backends.cudnn.flags(**flags):
        found = correlate(images, conv.weight) + conv.bias[:, None, None] if form == "frequencies" else conv(images)
        gradient = torch.autograd.grad((found * target.to(DEVICE)).sum(), (conv.weight, conv.bias))
    assert relative_error([found], [exact]) < 1e-5
    assert relative_error(gradient, wanted) < 1e-4


def test_distributed_data_parallel_over_nccl(tools, tmp_path):
    if not torch.distributed.is_nccl_available():
        pytest.skip("this torch has no NCCL")
    cls = next(cls for cls in tools.HEADS if cls.__name__.endswith("ForTokenClassification"))
    model, inputs = tools.build(cls, **no_dropout(tools)).to(DEVICE).train(), moved(tools.inputs_for(cls))
    loss_of(model, inputs).backward()
    wanted = gradients(model)
    model.zero_grad()
    torch.cuda.set_device(0)
    torch.distributed.init_process_group("nccl", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        parallel = DistributedDataParallel(model, device_ids=[0])
        loss_of(parallel, inputs).backward()
    finally:
        torch.distributed.destroy_process_group()
    found = gradients(model)
    assert found.keys() == wanted.keys()
    assert relative_error(found.values(), wanted.values()) < 1e-6


@pytest.mark.parametrize("optimizer", ["AdamW fused", "AdamW foreach", "SGD fused"])
def test_the_table_follows_the_optimizer(tools, optimizer):
    cls = next(cls for cls in tools.HEADS if cls.__name__.endswith("ForTokenClassification"))
    model, inputs = tools.build(cls, **no_dropout(tools)).to(DEVICE), moved(tools.inputs_for(cls))
    kind, _, form = optimizer.partition(" ")
    step = partial(getattr(torch.optim, kind), lr=0.05, **{form: True})(model.parameters()).step
    for _ in range(3):
        assert_same(tools.no_grad(model, inputs), tools.with_grad(model, inputs), atol=1e-5)
        # in eval mode, so that nothing but the change itself tells that the vectors are old
        loss_of(model, inputs).backward()
        step()
        model.zero_grad()
    model.to("cpu")
    here = moved(inputs, "cpu")
    assert_same(tools.no_grad(model, here), tools.with_grad(model, here), atol=1e-5)
    model.to(DEVICE)
    assert_same(tools.no_grad(model, inputs), tools.with_grad(model, inputs), atol=1e-5)


@pytest.mark.parametrize("masked", [False, True], ids=["padding", "masking"])
def test_pinned_memory(processing_class, masked):
    tokenizer = getattr(processing_class, "tokenizer", processing_class)
    examples = [dict(tokenizer(text)) for text in TEXTS * 2]
    collator = DataCollatorForLanguageModeling(tokenizer) if masked else DataCollatorWithPadding(tokenizer)
    for batch in DataLoader(examples, 4, collate_fn=collator, pin_memory=True, num_workers=1):
        assert all(value.is_pinned() for value in batch.values())
        there = {name: value.to(DEVICE, non_blocking=True) for name, value in batch.items()}
        torch.cuda.synchronize()
        for name, value in there.items():
            assert torch.equal(value.cpu(), batch[name]), name


def test_a_pipeline_on_the_gpu(tools, processing_class):
    tokenizer = getattr(processing_class, "tokenizer", processing_class)
    cls = next(cls for cls in tools.HEADS if cls.__name__.endswith("ForTokenClassification"))
    sizes = {"vocab_size": len(tokenizer)}
    if hasattr(processing_class, "render_bank"):
        sizes["glyph_vocab_size"] = tokenizer.glyph_vocab_size
    model = tools.build(cls, **sizes)
    if hasattr(processing_class, "render_bank"):
        model.base_model.set_glyphs(processing_class.render_bank())
    results = [
        pipeline("token-classification", model, tokenizer=tokenizer, device=device)(TEXTS, batch_size=2)
        for device in ("cpu", DEVICE)
    ]
    for here, there in zip(*results, strict=True):
        assert [(one["entity"], one["start"]) for one in here] == [(one["entity"], one["start"]) for one in there]
        assert all(abs(one["score"] - other["score"]) < 1e-4 for one, other in zip(here, there, strict=True))


@pytest.mark.parametrize("model_type", [*FAMILIES, "mpm_cner", "glyce"])
def test_a_training_run(model_type, tmp_path):
    sample = REPOSITORY / "tests" / "data" / "ner_sample"
    characters = sorted({c for c in (sample / "dev.jsonl").read_text(encoding="utf-8") if "一" <= c <= "鿿"})
    vocab_file = tmp_path / "vocab.txt"
    vocab_file.write_text("\n".join([*SPECIAL, *characters]), encoding="utf-8")
    command = [sys.executable, "run_scripts/run_ner.py", "--model_type", model_type, "--vocab_file", vocab_file]
    command += ["--output_dir", tmp_path / "run"]
    command += ["--train_file", sample / "train.jsonl", "--validation_file", sample / "dev.jsonl", "--bf16", "True"]
    command += ["--config_overrides", "hidden_size=64,num_hidden_layers=2,num_attention_heads=4,intermediate_size=128"]
    command += ["--max_steps", "4", "--max_train_samples", "64", "--do_train", "--do_eval", "--vocabulary_bank", "True"]
    environment = os.environ | {"HANZIFORMERS_CACHE": str(tmp_path / "cache")}
    run = subprocess.run(list(map(str, command)), cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-4000:]
    assert (tmp_path / "run" / "model.safetensors").is_file()


def test_hooks_see_what_the_table_would_hide(tools):
    model, inputs = tools.build(tools.EVERY[0]).to(DEVICE), moved(tools.inputs_for(tools.EVERY[0]))
    wanted, seen = tools.no_grad(model, inputs), []
    # the first part of the embeddings that the table stands for
    part = next(m for name, m in model.embeddings.named_modules() if isinstance(m, nn.Linear | nn.Conv2d))
    hook = part.register_forward_hook(lambda *_: seen.append(1))
    assert_same(tools.no_grad(model, inputs), wanted, atol=1e-5)
    hook.remove()
    assert seen
