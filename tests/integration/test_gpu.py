"""What holds on the CPU holds on a GPU: every family's numbers, precisions, attention forms, tables and processes.

Run by `make gpu`, and skipped where torch sees no GPU. What is compared with the CPU is computed there in float32.
"""

import json
import os
import subprocess
import sys
from copy import deepcopy
from functools import partial

import biaffine_tools
import bilstm_tools
import bimpm_tools
import chinese_bert_tools
import glyce_tools
import glyph_crm_tools
import lattice_lstm_tools
import mpm_cner_tools
import pytest
import srl_tools
import torch
from chinese_bert_tools import assert_same, gradients, no_grad, tensors
from glyph_tools import SPECIAL
from remote_tools import REPOSITORY
from script_tools import as_flags, main_of
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader
from transformers import AutoModel, AutoProcessor, DataCollatorForLanguageModeling, DataCollatorWithPadding, pipeline
from transformers.utils import is_flash_attn_2_available

from hanziformers import (
    BiLstmForSequenceClassification,
    ChineseBertTokenizer,
    GlyphCrmTokenizer,
    HanziGlyphImageProcessor,
    HanziProcessor,
    parse,
)
from hanziformers.modeling.han_glyph import GlyphConv, correlate

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU (torch.cuda.is_available() is False)"),
]
DEVICE = "cuda"
DATA = REPOSITORY / "tests" / "data"
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


@pytest.mark.parametrize("feature_norm", [None, "standard", "whiten"])
@pytest.mark.parametrize("glyph_cnn", ["han_glyph", "none"])
def test_features_of_glyphs(glyph_cnn, feature_norm):
    """Each device takes statistics of its own; whitening stretches what rounding makes of them."""
    cls = next(cls for cls in glyph_crm_tools.HEADS if cls.__name__.endswith("ForTokenClassification"))
    fields = {"glyph_cnn": glyph_cnn, "feature_norm": feature_norm, **no_dropout(glyph_crm_tools)}
    model, inputs = glyph_crm_tools.build(cls, **fields), glyph_crm_tools.inputs_for(cls)
    other, there, steps = deepcopy(model).to(DEVICE), moved(inputs), []
    for one, batch in ((model, inputs), (other, there)):
        loss = loss_of(one.train(), batch)
        loss.backward()
        steps.append(on_cpu([loss, *gradients(one).values()]))
        torch.optim.SGD(one.parameters(), lr=0.01).step()
        one.zero_grad()
        steps.append(on_cpu(tensors(one.eval()(**batch))))  # by statistics that are estimated again
    assert relative_error(steps[2], steps[0]) < 1e-2
    assert relative_error(steps[3], steps[1]) < 1e-2
    with torch.autocast(DEVICE, torch.bfloat16):
        loss = loss_of(other.train(), there)
    loss.backward()
    assert all(value.isfinite().all() for value in [loss, *gradients(other).values()])


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
        assert all(value.is_pinned() for value in batch.values() if value.numel())  # what is empty is not
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
    sample = DATA / "ner_sample"
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


# ------------------------------------------------------------------------------------------ Glyce's hosts without BERT


def bilstm_tagger(**more):
    inputs = bilstm_tools.make_inputs()
    labels = bilstm_tools.make_labels(inputs)
    return bilstm_tools.build(classifier="crf", **bilstm_tools.NO_DROPOUT, **more), {**inputs, "labels": labels}


def bilstm_classifier(**more):
    fields = {"id2label": {0: "bad", 1: "good"}, **bilstm_tools.NO_DROPOUT, **more}
    model = bilstm_tools.build(BiLstmForSequenceClassification, **fields)
    return model, bilstm_tools.make_inputs(labels=torch.tensor([0, 1, 1, 0]))


def lattice_tagger(**more):
    inputs = lattice_lstm_tools.make_inputs()
    model = lattice_lstm_tools.build(classifier="crf", **lattice_lstm_tools.NO_DROPOUT, **more)
    return model, {**inputs, "labels": lattice_lstm_tools.labels_of(inputs)}


def bimpm(**more):
    model = bimpm_tools.build(**bimpm_tools.NO_DROPOUT, **more)
    return model, bimpm_tools.make_inputs(labels=torch.tensor([0, 2, 1, 0]))


def parser(**more):
    model = biaffine_tools.make(**bimpm_tools.NO_DROPOUT, **more)
    labels = {"head_labels": biaffine_tools.HEADS, "relation_labels": biaffine_tools.RELATIONS}
    return model, {**biaffine_tools.batch(), **labels}


def labeller_of_roles(**more):
    model, inputs = srl_tools.build(**bimpm_tools.NO_DROPOUT, **more), srl_tools.make_inputs()
    labels = torch.randint(0, 4, inputs["word_ids"].shape)
    return model, {**inputs, "labels": labels.masked_fill(inputs["attention_mask"] == 0, -100)}


HOSTS = [bilstm_tagger, bilstm_classifier, lattice_tagger, bimpm, parser, labeller_of_roles]
hosts = pytest.mark.parametrize("host", HOSTS, ids=[host.__name__ for host in HOSTS])


def without_labels(inputs):
    return {name: value for name, value in inputs.items() if "labels" not in name}


@hosts
@pytest.mark.parametrize("glyce", [True, False], ids=["glyce", "ids"])
def test_hosts_give_what_they_give_on_the_cpu(host, glyce):
    model, inputs = host(glyce=glyce)
    other, there = deepcopy(model).to(DEVICE), moved(inputs)
    for _ in range(2):  # the second time with weights that a step has changed
        for batch, placed in ((inputs, there), (without_labels(inputs), without_labels(there))):
            assert_same(on_cpu(no_grad(other, placed)), on_cpu(no_grad(model, batch)), 1e-4, 1e-4)
        steps = []
        for one, batch in ((model, inputs), (other, there)):
            one.train()(**batch).loss.backward()
            steps.append(on_cpu(gradients(one).values()))
            # not Adam: its first step makes much of how small gradients are rounded
            torch.optim.SGD(one.parameters(), lr=0.01, fused=True).step()
            one.zero_grad()
            one.eval()
        assert relative_error(steps[1], steps[0]) < 1e-4


@pytest.mark.parametrize("host", [bilstm_tagger, lattice_tagger, parser], ids=lambda host: host.__name__)
def test_hosts_decode_what_they_decode_on_the_cpu(host):
    model, inputs = host()
    inputs = without_labels(inputs)
    wanted = model.decode(**inputs)
    found = model.to(DEVICE).decode(**moved(inputs))
    assert found.keys() == wanted.keys()
    for name in wanted:
        torch.testing.assert_close(torch.as_tensor(found[name]).cpu(), torch.as_tensor(wanted[name]), atol=1e-4, rtol=0)


@hosts
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bf16", "fp16"])
def test_hosts_train_under_autocast(host, dtype):
    if DEVICE == "cpu" and dtype == torch.float16:
        pytest.skip("few CPUs have LSTMs in fp16")
    model, inputs = host()
    model, inputs = model.to(DEVICE).train(), moved(inputs)
    before = [weight.detach().clone() for weight in model.parameters()]
    exact = loss_of(model, inputs).detach()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler(DEVICE, init_scale=128.0, enabled=dtype == torch.float16)
    with torch.autocast(DEVICE, dtype):
        loss = loss_of(model, inputs)
    assert relative_error([loss], [exact]) < 0.1
    scaler.scale(loss).backward()
    scaler.step(optimizer)  # is left out where a gradient is not finite
    assert all(value.isfinite().all() for value in gradients(model).values())
    assert relative_error(model.parameters(), before) > 0
    with torch.autocast(DEVICE, dtype), torch.no_grad():
        assert all(value.isfinite().all() for value in tensors(model.eval()(**without_labels(inputs))))


@hosts
def test_hosts_in_bf16_weights(host):
    model, inputs = host()
    model, inputs = model.to(DEVICE), moved(without_labels(inputs))
    with torch.no_grad():
        wanted = model.base_model(**inputs).last_hidden_state
        half = model.to(torch.bfloat16)
        assert relative_error([half.base_model(**inputs).last_hidden_state], [wanted]) < 0.1
        assert all(value.isfinite().all() for value in tensors(half(**inputs)))


def write_texts(folder):
    """The sample of entities as a vocabulary, and as texts and pairs of texts by whether a place is in them."""
    rows = [json.loads(line) for line in (DATA / "ner_sample" / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    characters = sorted({c for row in rows for c in row["text"] if "一" <= c <= "鿿"})
    (folder / "vocab.txt").write_text("\n".join([*SPECIAL, *characters]) + "\n", encoding="utf-8")
    lines, texts = ["text_a\ttext_b\tlabel"], ["text\tlabel"]
    for one, other in zip(rows[:64], rows[1:65], strict=True):
        label = int(any(entity["label"] == "LOC" for entity in one["entities"]))
        texts.append(f"{one['text']}\t{label}")
        lines.append(f"{one['text']}\t{other['text']}\t{label}")
    (folder / "texts.tsv").write_text("\n".join(texts) + "\n", encoding="utf-8")
    (folder / "pairs.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def run_on_gpu(script, folder, train_file, test_file, **own):
    """A short run of a script in this process, to `folder / "run"`."""
    sizes = "hidden_size=32,embedding_dim=16,glyph_dim=8,glyph_groups=2"
    named = {"config_overrides": sizes, "vocabulary_bank": True, "glyph_styles": "song", "output_dir": folder / "run"}
    named |= {"train_file": train_file, "test_file": test_file, "validation_file": test_file}
    named |= {"learning_rate": 1e-2, "max_steps": 4, "max_train_samples": 64, "disable_tqdm": True}
    return main_of(script)([*as_flags(named | own), "--do_train", "--do_eval", "--do_predict"])


@pytest.mark.parametrize("precision", ["bf16", "fp16", "fp32"])
@pytest.mark.parametrize("model_type", ["bilstm", "lattice_lstm"])
def test_taggers_of_hosts_by_their_script(own_fonts, model_type, precision, tmp_path):
    if DEVICE == "cpu" and precision == "fp16":
        pytest.skip("a Trainer takes fp16 on a GPU alone")
    write_texts(tmp_path)
    files = (DATA / "ner_sample" / f"{split}.jsonl" for split in ("train", "dev"))
    own = {} if precision == "fp32" else {precision: True}
    run_on_gpu("run_ner", tmp_path, *files, model_type=model_type, classifier="crf", vocab_file=tmp_path / "vocab.txt",
               **own)  # fmt: skip
    results = [pipeline("token-classification", model=str(tmp_path / "run"), device=device, ignore_labels=[])(
                   TEXTS, batch_size=2) for device in ("cpu", DEVICE)]  # fmt: skip
    for here, there in zip(*results, strict=True):
        assert [(one["entity"], one["start"]) for one in here] == [(one["entity"], one["start"]) for one in there]
        assert [one["score"] for one in there] == pytest.approx([one["score"] for one in here], abs=1e-4)


@pytest.mark.parametrize(("model_type", "file"), [("bilstm", "texts.tsv"), ("bimpm", "pairs.tsv")])
def test_classifiers_of_hosts_by_their_script(own_fonts, model_type, file, tmp_path):
    write_texts(tmp_path)
    own = {"vocab_file": tmp_path / "vocab.txt"} if model_type == "bilstm" else {"min_word_count": 1}
    files = [tmp_path / file] * 2
    assert run_on_gpu("run_classification", tmp_path, *files, model_type=model_type, bf16=True, **own)["test"]
    inputs = [{"text": text, "text_pair": text} for text in TEXTS] if model_type == "bimpm" else TEXTS
    results = [pipeline("text-classification", model=str(tmp_path / "run"), device=device)(inputs, batch_size=2)
               for device in ("cpu", DEVICE)]  # fmt: skip
    for here, there in zip(*results, strict=True):
        assert (there["label"], there["score"]) == (here["label"], pytest.approx(here["score"], abs=1e-4))


def test_a_parser_by_its_script(own_fonts, tmp_path):
    files = (DATA / "treebank" / f"{split}.conllu" for split in ("train", "test"))
    run_on_gpu("run_parsing", tmp_path, *files, model_type="biaffine", min_word_count=1, bf16=True)
    model, processor = (kind.from_pretrained(tmp_path / "run") for kind in (AutoModel, AutoProcessor))
    sentences = [["我", "看", "书"], ["今天", "天气", "很", "好"], ["好"], []]
    trees = [parse(model.to(device), processor, sentences) for device in ("cpu", DEVICE)]
    assert trees[0] == trees[1]


def test_semantic_roles_by_their_script(own_fonts, tmp_path):
    files = (DATA / "srl_sample" / name for name in ("train.conllup", "test.conll09"))
    results = run_on_gpu("run_srl", tmp_path, *files, model_type="srl", bf16=True)
    assert results["test"].keys() >= {"precision", "recall", "f1"}


def test_the_lattice_is_measured(tmp_path):
    sizes = {"batch_size": 2, "length": 6, "num_words": 20, "rounds": 1}
    main_of("benchmark_lattice")(as_flags({"output_dir": tmp_path, "device": DEVICE, **sizes}))
    assert "batch 2: " in (tmp_path / "lattice_lstm.txt").read_text(encoding="utf-8")
