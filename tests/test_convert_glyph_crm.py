"""Files like the authors' go in; what comes out loads by the Auto classes and gives the numbers of their classes."""

import importlib.util
import json
import math
import os
import pickle
import shutil
from collections import OrderedDict
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from PIL import Image
from torch.nn import functional as F
from transformers import AutoModelForPreTraining, AutoModelForTokenClassification, AutoProcessor, AutoTokenizer

from hanziformers import GlyphCrmModel

SCRIPT = Path(__file__).parent.parent / "run_scripts" / "convert_glyph_crm.py"
HIDDEN, INNER, LAYERS, POSITIONS, HEADS = 24, 20, 3, 40, 12
C1, C2 = 2, 3  # channels
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# of a soft hyphen, DEL, private use, beyond the BMP, and two that end lines elsewhere
TOKENS = [*SPECIAL, *"的一Pp1", "\xad", "\x7f", "\ue000", "𠮷", "𪚥", "\x85", "\u2028", "是"]
V = len(TOKENS)


def their_shapes(hybrid):
    """Names and shapes of the authors' weights, in the order of their classes."""
    cnn = {"conv_pre": (C1, 3, 3, 3), **{f"conv1_{i}": (C1, C1, 9, 9) for i in (1, 2, 3)}}
    cnn |= {"conv_pre_2": (C2, C1, 3, 3), **{f"conv2_{i}": (C2, C2, 3, 3) for i in (1, 2, 3)}}
    cnn |= {"fc1": (HIDDEN, C2 * 9), "first_linear": (HIDDEN, C1 * 144), "second_linear": (HIDDEN, C2 * 9)}
    linear = {f"cnn_embedding.{name}": shape for name, shape in cnn.items()}
    for index in range(LAYERS):
        layer = f"bert.encoder.layer.{index}"
        linear |= {f"{layer}.attention.self.{name}": (HIDDEN, HIDDEN) for name in ("query", "key", "value")}
        linear |= {f"{layer}.attention.output.dense": (HIDDEN, HIDDEN)}
        linear |= {f"{layer}.intermediate.dense": (INNER, HIDDEN), f"{layer}.output.dense": (HIDDEN, INNER)}
    linear |= {"pooler.dense": (HIDDEN, HIDDEN), "nsp.seq_relationship": (2, HIDDEN)}
    linear |= {"mlm.predictions.transform.dense": (HIDDEN, HIDDEN)}
    linear |= {"fusion_linear": (HIDDEN, 2 * HIDDEN)} if hybrid else {}
    shapes = {f"{name}.weight": shape for name, shape in linear.items()}
    shapes |= {f"{name}.bias": shape[:1] for name, shape in linear.items()}
    norms = ["bert.embeddings", "mlm.predictions.transform"]
    norms += [f"bert.encoder.layer.{i}.{part}" for i in range(LAYERS) for part in ("attention.output", "output")]
    shapes |= {f"{name}.LayerNorm.{part}": (HIDDEN,) for name in norms for part in ("weight", "bias")}
    tables = {"word": V, "position": POSITIONS, "token_type": 2}
    shapes |= {f"bert.embeddings.{name}_embeddings.weight": (rows, HIDDEN) for name, rows in tables.items()}
    shapes |= {"mlm.predictions.decoder.weight": (V, HIDDEN), "mlm.predictions.bias": (V,)}
    return shapes | ({"embedding_matrix.weight": (V, HIDDEN)} if hybrid else {})


def their_state(hybrid):
    torch.manual_seed(7)
    state = OrderedDict()
    for key, shape in their_shapes(hybrid).items():
        fan_in = math.prod(shape[1:]) if len(shape) > 1 else 4
        state[key] = torch.randn(shape) / fan_in**0.5 + ("LayerNorm.weight" in key)
    state["bert.embeddings.position_ids"] = torch.arange(POSITIONS).expand(1, -1).clone()
    state["mlm.predictions.decoder.bias"] = state["mlm.predictions.bias"]
    return state


def write_weights(path, state, hybrid=True, **parts):
    config = {"CNN_name": "AddBertResPos3", "use_res2bert": True, "cnn_and_embed_mat": hybrid, "data_path": ["a.pkl"]}
    training = {"last_lr": 1e-5, "backward_step": 64, "last_epoch_avg_loss": None}
    torch.save({"config": config, "training_state": training, "model": state, **parts}, path)


def bitmaps():
    """Ink of the lines of vocab.txt, bool [V, 48, 48]; [PAD] is blank."""
    images = np.random.default_rng(3).random((V, 48, 48)) < 0.2
    images[0] = False
    return images


def write_bitmap(path, ink):
    Image.fromarray(~ink).save(path)  # mode "1", black where there is ink


def write_released(folder, hybrid):
    """A folder as the authors have it, with more bitmaps than lines; returns it and its weights."""
    state = their_state(hybrid)
    (folder / "bmp48").mkdir(parents=True)
    write_weights(folder / "pytorch_bin.pt", state, hybrid)
    (folder / "vocab.txt").write_bytes(("\n".join(TOKENS) + "\n").encode())
    for index, ink in enumerate([*bitmaps(), np.ones((48, 48), bool), np.ones((48, 48), bool)]):
        write_bitmap(folder / "bmp48" / f"{index}.bmp", ink)
    (folder / "bmp48" / "__init__.py").write_text("")
    return folder, state


@pytest.fixture(scope="module", params=[True, False], ids=["hybrid", "pure"])
def released(request, tmp_path_factory):
    return write_released(tmp_path_factory.mktemp("released") / "GlyphCRM", request.param)


@pytest.fixture(scope="module")
def convert():
    spec = importlib.util.spec_from_file_location("convert_glyph_crm", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda source, target, *options: module.main(["--source", str(source), "--target", str(target), *options])


@pytest.fixture(scope="module")
def converted(released, convert, tmp_path_factory):
    """The converted folder, once for the tests that only read it."""
    target = tmp_path_factory.mktemp("converted") / "glyphcrm"
    convert(released[0], target)
    return target


@pytest.fixture
def folder(tmp_path):
    """A folder of the hybrid, to be damaged."""
    return write_released(tmp_path / "source", hybrid=True)[0]


def refuses(convert, folder, error, match, *options):
    with pytest.raises(error, match=f"(?s){match}"):
        convert(folder, folder.parent / "target", *options)
    assert not (folder.parent / "target").exists()


# ---------------------------------------------------------------------------------------------- the authors' classes


def apply_conv(state, name, images, padding=0):
    """A convolution as a sum over the kernel's offsets, in float64."""
    weight, bias = state[f"cnn_embedding.{name}.weight"].double(), state[f"cnn_embedding.{name}.bias"].double()
    images = F.pad(images, (padding,) * 4)
    size = images.shape[-1] - weight.shape[-1] + 1
    result = bias[:, None, None].expand(len(images), -1, size, size).clone()
    for i in range(weight.shape[-1]):
        for j in range(weight.shape[-1]):
            patch = images[:, :, i : i + size, j : j + size]
            result += torch.einsum("ncxy,dc->ndxy", patch, weight[:, :, i, j])
    return result


def halve(images):
    """2 x 2 max-pooling."""
    return torch.stack([images[..., i::2, j::2] for i in (0, 1) for j in (0, 1)]).amax(0)


def apply(state, name, vectors):
    return vectors @ state[f"{name}.weight"].double().T + state[f"{name}.bias"].double()


def normalize(state, name, vectors):
    centred = vectors - vectors.mean(-1, keepdim=True)
    scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-12).sqrt()
    return scaled * state[f"{name}.LayerNorm.weight"].double() + state[f"{name}.LayerNorm.bias"].double()


def gelu(values):
    return values * (1 + torch.erf(values / 2**0.5)) / 2


def slow_glyph_vectors(state, ink):
    """R, G1 and G2 of images [n, 48, 48]; the coordinates run from -.48 to .46 in steps of .02, y upwards."""
    steps = (torch.arange(48).double() - 24) * 0.02
    maps = [steps[None, :].expand(48, 48), -steps[:, None].expand(48, 48)]
    images = torch.stack([torch.stack([one.double(), *maps]) for one in ink])
    flat = []
    for lift, name in (("conv_pre", "conv1"), ("conv_pre_2", "conv2")):
        lifted = apply_conv(state, lift, images, padding=1).relu()
        deep = apply_conv(state, f"{name}_2", apply_conv(state, f"{name}_1", lifted).relu()).relu()
        images = halve((apply_conv(state, f"{name}_3", deep) + halve(lifted)).relu())
        flat.append(images.flatten(1))
    names = (("fc1", flat[1]), ("first_linear", flat[0]), ("second_linear", flat[1]))
    return [apply(state, f"cnn_embedding.{name}", vectors).tanh() for name, vectors in names]


def slow_outputs(state, ids, types, mask):
    """Logits of characters and of pairs: [B, L, V] and [B, 2]; padding has no image, but a row of the id table."""
    distinct = sorted(set(ids[mask == 1].tolist()))
    tables = torch.zeros(3, V, HIDDEN, dtype=torch.double)
    tables[:, distinct] = torch.stack(slow_glyph_vectors(state, torch.from_numpy(bitmaps())[distinct]))
    hidden, *skipped = (table[ids] * (ids != 0)[..., None] for table in tables)
    if "embedding_matrix.weight" in state:
        hidden = apply(state, "fusion_linear", torch.cat([hidden, state["embedding_matrix.weight"].double()[ids]], -1))
    hidden = hidden + state["bert.embeddings.position_embeddings.weight"].double()[: ids.shape[1]]
    hidden = hidden + state["bert.embeddings.token_type_embeddings.weight"].double()[types]
    hidden = normalize(state, "bert.embeddings", hidden)
    for index in range(LAYERS):
        layer = f"bert.encoder.layer.{index}"
        parts = [apply(state, f"{layer}.attention.self.{name}", hidden) for name in ("query", "key", "value")]
        query, key, value = (part.unflatten(-1, (HEADS, -1)) for part in parts)
        scores = torch.einsum("bqhd,bkhd->bhqk", query, key) / (HIDDEN // HEADS) ** 0.5
        scores = scores - (1 - mask.double())[:, None, None] * 10_000
        attended = torch.einsum("bhqk,bkhd->bqhd", scores.softmax(-1), value).flatten(2)
        attended = hidden + apply(state, f"{layer}.attention.output.dense", attended)
        attended = normalize(state, f"{layer}.attention.output", attended)
        inner = gelu(apply(state, f"{layer}.intermediate.dense", attended))
        hidden = attended + apply(state, f"{layer}.output.dense", inner)
        hidden = normalize(state, f"{layer}.output", hidden + skipped[index] if index < 2 else hidden)
    head = normalize(state, "mlm.predictions.transform", gelu(apply(state, "mlm.predictions.transform.dense", hidden)))
    pairs = apply(state, "nsp.seq_relationship", apply(state, "pooler.dense", hidden[:, 0]).tanh())
    return apply(state, "mlm.predictions.decoder", head), pairs


@torch.no_grad()
def test_outputs_are_those_of_the_authors_classes(released, converted):
    ids = torch.tensor([[2, 5, 13, 4, 12, 3, 11, 10, 3], [2, 7, 5, 3, 1, 17, 3, 0, 0]])
    types = torch.tensor([[0, 0, 0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 1, 1, 1, 0, 0]])
    mask = (ids != 0).long()
    wanted = slow_outputs(released[1], ids, types, mask)
    model = AutoModelForPreTraining.from_pretrained(converted).eval()
    assert model.config.id_embeddings == ("embedding_matrix.weight" in released[1])
    found = model(input_ids=ids, token_type_ids=types, attention_mask=mask)
    torch.testing.assert_close(found.prediction_logits[mask == 1].double(), wanted[0][mask == 1], atol=1e-5, rtol=0)
    torch.testing.assert_close(found.seq_relationship_logits.double(), wanted[1], atol=1e-5, rtol=0)


# ---------------------------------------------------------------------------------------------- what is written


def test_the_folder_is_todays(released, converted):
    _, state = released
    model, processor = AutoModelForPreTraining.from_pretrained(converted), AutoProcessor.from_pretrained(converted)
    config, tokenizer = model.config, processor.tokenizer
    sizes = (config.hidden_size, config.intermediate_size, config.num_hidden_layers, config.max_position_embeddings)
    assert sizes == (HIDDEN, INNER, LAYERS, POSITIONS)
    assert (config.num_attention_heads, config.position_maps, config.glyph_size) == (12, "released", 48)
    assert (config.vocab_size, config.num_glyphs, config.unk_token_id, config.glyph_styles) == (V, V, 1, ["hei"])
    assert (config.first_block_channels, config.second_block_channels) == (C1, C2)
    bank = model.base_model.embeddings.characters.glyphs
    assert torch.equal(bank[:, 0] == 255, torch.from_numpy(bitmaps()))  # none is rendered again
    assert tokenizer.convert_ids_to_tokens(range(V)) == TOKENS
    assert tokenizer.model_max_length == POSITIONS
    source = config.font_manifest["styles"][0]["sources"][0]
    assert (source["family"], source["characters"]) == ("the authors' bitmaps", V)
    for cls in (GlyphCrmModel, AutoModelForTokenClassification):
        _, info = cls.from_pretrained(converted, output_loading_info=True)
        assert info["missing_keys"] <= {"classifier.weight", "classifier.bias"}
    files = {path.name for path in converted.iterdir()}
    assert {"model.safetensors", "modeling_glyph_crm.py", "hybrid_bank.py", "tokenizer.json", "fonts"} <= files
    card = (converted / "README.md").read_text("utf-8")
    assert f"{model.num_parameters():,} parameters" in card
    assert "pytorch_bin.pt | sha256" in card
    assert ("An id table stands beside" in card) == ("embedding_matrix.weight" in state)
    assert "`bert.embeddings.word_embeddings.weight` [18, 24] is never read" in card
    assert str(released[0].parent) not in card


def test_characters_are_known_by_the_line_of_vocab_txt(converted):
    tokenizer = AutoTokenizer.from_pretrained(converted)
    assert tokenizer("P p\ue000𠮷𪚥")["input_ids"] == [2, 7, 8, 12, 13, 14, 3]  # case is kept
    inputs = AutoProcessor.from_pretrained(converted)(["的㐀"], return_tensors="pt")
    assert inputs["input_ids"].tolist() == [[2, 5, 1, 3]]
    assert inputs["glyph_ids"].tolist() == [[2, 5, V, 3]]  # rendered by a font of the folder
    assert inputs["extra_glyphs"].any()


def test_what_is_left_out_is_said(convert, folder, capsys):
    convert(folder, folder.parent / "target")
    said = capsys.readouterr().out
    assert f"bitmaps: {V} read; not needed: 2 beyond the last line of vocab.txt, 1 others" in said
    assert "bitmaps: 1 have no ink" in said
    assert "4 tokens are kept, but no text gives them here: U+00AD, U+007F, U+0085, U+2028" in said
    assert "`bert.embeddings.word_embeddings.weight` [18, 24] is never read" in said
    assert "`mlm.predictions.bias` and `mlm.predictions.decoder.bias` are the same bias" in said
    difference = said.partition("largest difference of its outputs to those of the source's weights: ")[2].split()[0]
    assert float(difference) < 1e-5  # 0, or rounding: not all processors sum in the same order


def test_blank_and_repeated_lines_keep_their_numbers(convert, folder, capsys):
    lines = [*TOKENS]
    lines[8], lines[10] = "", "的"  # a blank line, and a repeated one, of which the later counts
    (folder / "vocab.txt").write_bytes("\r\n".join(lines).encode())  # the last line may lack its end
    convert(folder, folder.parent / "target")
    assert "2 lines are blank or repeated later, and are never read: [5, 8]" in capsys.readouterr().out
    tokenizer = AutoTokenizer.from_pretrained(folder.parent / "target")
    assert len(tokenizer) == V
    assert tokenizer("的一是", add_special_tokens=False)["input_ids"] == [10, 6, 17]


@pytest.mark.parametrize("name", ["pytorch_model.pt", "moved"])
def test_other_places(convert, folder, name):
    """The other name of the weights; vocabulary and bitmaps in data/, or named by options."""
    (folder / "pytorch_bin.pt").rename(folder / name)
    (folder / "data").mkdir()
    (folder / "vocab.txt").rename(folder / "data" / "vocab.txt")
    options = []
    if name == "moved":
        (folder / "bmp48").rename(folder / "pictures")
        options = ["--weights_file", str(folder / name), "--bitmaps", str(folder / "pictures")]
    else:
        (folder / "bmp48").rename(folder / "data" / "bmp48")
    convert(folder, folder.parent / "target", *options)
    assert (folder.parent / "target" / "model.safetensors").is_file()


def test_half_precision_and_a_single_bias_are_read(convert, folder):
    state = their_state(hybrid=False)
    state.pop("mlm.predictions.decoder.bias")
    state.pop("bert.embeddings.position_ids")
    write_weights(folder / "pytorch_bin.pt", {k: v.half() for k, v in state.items()}, hybrid=False)
    convert(folder, folder.parent / "target")
    model = AutoModelForPreTraining.from_pretrained(folder.parent / "target")
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert torch.equal(model.cls.predictions.decoder.bias, state["mlm.predictions.bias"].half().float())


# ---------------------------------------------------------------------------------------------- what is refused


class Hostile:
    """Unpickling it would make a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("where", ["config", "training_state", "model", "alone", "raw"])
def test_code_in_the_file_is_not_run(convert, folder, where):
    mark, path = folder.parent / "mark", folder / "pytorch_bin.pt"
    if where == "raw":
        path.write_bytes(pickle.dumps({"model": Hostile(mark)}, protocol=2))
    elif where == "alone":
        torch.save(Hostile(mark), path)
    else:
        write_weights(path, their_state(True), **{where: {"bert": Hostile(mark)}})
    refuses(convert, folder, ValueError, r"pytorch_bin\.pt cannot be read: it holds posix\.mkdir, which could run code")
    assert not mark.exists()


REFUSED_FILES = {
    "another class": ({"config": {"lr": Fraction(1, 3)}}, r"it holds fractions\.Fraction"),
    "a tensor as a setting": ({"config": {"lr": torch.ones(1)}}, r"config holds a torch\.Tensor; .*plain values"),
    "a part more": ({"optimizer": {}}, r"has \['optimizer'\] beside"),
    "another network": ({"config": {"CNN_name": "AddBertResPos2"}}, "CNN_name='AddBertResPos2'.*'AddBertResPos3'"),
    "without skip connections": ({"config": {"use_res2bert": False}}, "use_res2bert=False.*True"),
    "no dict": ({"model": [1]}, "'model' is a list; needed is a dict of tensors"),
    "no tensor": ({"model": {"bert.x": "y"}}, "bert.x is a str; needed is a dense tensor"),
    "sparse": ({"model": {"bert.x": torch.eye(2).to_sparse()}}, "bert.x is a Tensor; needed is a dense tensor"),
    "integers": ({"model": {"bert.x": torch.ones(2, dtype=torch.int64)}}, "bert.x is torch.int64"),
    "nan": ({"model": {"bert.x": torch.tensor([1.0, math.nan])}}, "bert.x holds values that are not finite"),
    "a BERT": (
        {"config": {}, "model": {"bert.x": torch.ones(2)}},
        "lacks mlm.predictions.decoder.weight, so it is no GlyphCRM's",
    ),
}


@pytest.mark.parametrize("name", list(REFUSED_FILES))
def test_files_of_another_kind_are_refused(convert, folder, name):
    parts, message = REFUSED_FILES[name]
    write_weights(folder / "pytorch_bin.pt", their_state(True), **parts)
    refuses(convert, folder, ValueError, message)


def test_other_files_are_refused(convert, folder):
    path = folder / "pytorch_bin.pt"
    state, whole = their_state(True), path.read_bytes()
    torch.save(state, path)
    refuses(convert, folder, ValueError, "has no 'model', which holds the weights")
    torch.save([state], path)
    refuses(convert, folder, ValueError, "has no 'model'.*list")
    for damaged in (whole[: len(whole) // 2], b"", b"version https://git-lfs.github.com/spec/v1\n", pickle.dumps({})):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"pytorch_bin\.pt cannot be read: ") as raised:
            convert(folder, folder.parent / "target")
        assert "weights_only" not in str(raised.value)  # torch advises to run what the file holds


def changed(key, value):
    """The weights with one changed; None takes it away."""
    state = their_state(True)
    state[key] = value
    return {name: tensor for name, tensor in state.items() if tensor is not None}


REFUSED_WEIGHTS = {
    "missing": ("cnn_embedding.conv2_2.bias", None, r"\(1 weights\): it lacks cnn_embedding.conv2_2.bias"),
    "no second vector": ("cnn_embedding.second_linear.weight", None, "lacks cnn_embedding.second_linear.weight"),
    "missing fusion": ("fusion_linear.weight", None, "lacks fusion_linear.weight"),
    "unknown": ("bert.pooler.dense.bias", torch.ones(24), "has bert.pooler.dense.bias, which is not known"),
    "of a replica": ("module.nsp.x", torch.ones(1), "has module.nsp.x, which is not known"),
    "a layer apart": ("bert.encoder.layer.7.output.dense.bias", torch.ones(24), "it lacks bert.encoder.layer.3."),
    "shape": ("fusion_linear.weight", torch.ones(24, 24), r"fusion_linear.weight \[24, 24\], where \[24, 48\] is"),
    "kernel": ("cnn_embedding.conv1_2.weight", torch.ones(2, 2, 7, 7), r"\[2, 2, 7, 7\], where \[2, 2, 9, 9\] is"),
    "channels": ("cnn_embedding.conv_pre.weight", torch.ones(2, 1, 3, 3), r"\[2, 1, 3, 3\], where \[2, 3, 3, 3\]"),
    "two biases": ("mlm.predictions.bias", torch.ones(V), "one bias in the authors' model, but differ"),
    "eight bits": ("pooler.dense.bias", torch.ones(24).to(torch.float8_e4m3fn), "bias is torch.float8_e4m3fn; needed"),
    "positions": ("bert.embeddings.position_ids", torch.arange(40).flip(0)[None], "does not count 0 to 39"),
}


@pytest.mark.parametrize("name", list(REFUSED_WEIGHTS))
def test_weights_that_do_not_fit_are_named(convert, folder, name):
    key, value, message = REFUSED_WEIGHTS[name]
    write_weights(folder / "pytorch_bin.pt", changed(key, value))
    refuses(convert, folder, ValueError, message)


def test_a_table_that_the_settings_deny_is_refused(convert, folder):
    write_weights(folder / "pytorch_bin.pt", their_state(True), hybrid=False)
    refuses(convert, folder, ValueError, "cnn_and_embed_mat=False, but the weights need True")


def test_a_width_that_twelve_heads_do_not_share_is_refused(convert, folder):
    write_weights(folder / "pytorch_bin.pt", changed("bert.embeddings.LayerNorm.weight", torch.ones(25)))
    refuses(convert, folder, (ValueError, StrictDataclassError), "hidden_size=25.*multiple of 12 heads")


def test_vocabularies_that_do_not_fit_are_refused(convert, folder):
    path = folder / "vocab.txt"
    path.write_text("\n".join(TOKENS[:-1]) + "\n", encoding="utf-8")
    refuses(convert, folder, ValueError, f"has {V - 1} lines, but the weights have {V} rows")
    path.write_text("\n".join([*TOKENS, "多"]) + "\n", encoding="utf-8")
    refuses(convert, folder, ValueError, f"has {V + 1} lines, but the weights have {V} rows")
    path.write_text("\n".join(["[pad]", *TOKENS[1:]]) + "\n", encoding="utf-8")
    refuses(convert, folder, ValueError, r"lacks \['\[PAD\]'\]")
    path.write_bytes("\n".join(TOKENS).encode("utf-16"))
    refuses(convert, folder, ValueError, r"vocab\.txt is not UTF-8")


def test_bitmaps_that_do_not_fit_are_named(convert, folder):
    path, ink = folder / "bmp48" / "7.bmp", bitmaps()[7]
    grey = Image.fromarray((~ink * 255).astype(np.uint8))
    white_on_black = Image.fromarray(ink.astype(np.uint8), "P")
    white_on_black.putpalette([255, 255, 255, 0, 0, 0])
    for image, found in (
        (Image.new("1", (32, 32)), r"\(32, 32\) of mode 1"),
        (Image.new("1", (60_000, 48)), r"\(60000, 48\) of mode 1"),
        (grey, r"\(48, 48\) of mode L"),
        (grey.convert("RGB"), r"\(48, 48\) of mode RGB"),
        (white_on_black, r"\(48, 48\) of mode P"),
    ):
        image.save(path)
        refuses(convert, folder, ValueError, rf"7\.bmp is no bitmap of 48 x 48 pixels of 1 bit \(it is {found}\)")
    grey.save(path, format="PNG")
    refuses(convert, folder, ValueError, r"7\.bmp is no bitmap.*cannot identify")
    write_bitmap(path, ink)
    path.write_bytes(path.read_bytes()[:200])
    refuses(convert, folder, ValueError, r"7\.bmp is no bitmap")
    path.unlink()
    (folder / "bmp48" / "9.bmp").rename(folder / "bmp48" / "09.bmp")
    refuses(convert, folder, ValueError, rf"lacks 2 of {V} bitmaps, among them 7\.bmp, 9\.bmp")


def test_inverted_bitmaps_are_refused(convert, folder):
    for index, ink in enumerate(bitmaps()):
        write_bitmap(folder / "bmp48" / f"{index}.bmp", ~ink)
    refuses(convert, folder, ValueError, "8.% of the bitmaps is black, which is the ink; they are white on black")


def test_bitmaps_without_ink_are_refused(convert, folder):
    for index in range(V):
        write_bitmap(folder / "bmp48" / f"{index}.bmp", np.zeros((48, 48), bool))
    refuses(convert, folder, ValueError, f"bmp48: all {V} bitmaps are white")


def test_missing_and_doubled_files_are_named(convert, folder):
    shutil.copyfile(folder / "pytorch_bin.pt", folder / "pytorch_model.pt")
    refuses(convert, folder, ValueError, "there are .*pytorch_bin.pt and .*pytorch_model.pt: say by --weights_file")
    for name, option in (("pytorch_model.pt", None), ("bmp48", "--bitmaps"), ("vocab.txt", "--vocab_file")):
        (folder / name).rename(folder / f"moved-{name}")
        if option:
            refuses(convert, folder, FileNotFoundError, f"there is no {name} or data/{name}.*give its path by {option}")
    with pytest.raises(ValueError, match="not written over"):
        convert(folder, folder)


def test_a_folder_with_other_outputs_is_not_passed(convert, folder, monkeypatch):
    """The check at the end sees a checkpoint that went wrong on its way to the disk."""
    save = GlyphCrmModel.save_pretrained

    def spoilt(self, target, *args, **kwargs):
        with torch.no_grad():
            kept = self.cls.predictions.decoder.bias.clone()
            self.cls.predictions.decoder.bias += 1
            save(self, target, *args, **kwargs)
            self.cls.predictions.decoder.bias.copy_(kept)

    from hanziformers import GlyphCrmForPreTraining

    monkeypatch.setattr(GlyphCrmForPreTraining, "save_pretrained", spoilt)
    with pytest.raises(RuntimeError, match="does not give what the source gives"):
        convert(folder, folder.parent / "target")


def test_config_json_names_no_path(converted):
    assert "/" not in json.dumps(json.loads((converted / "config.json").read_text())["font_manifest"])
