"""Converts the GlyphCRM of its authors (HIT-TMG/GlyphCRM) into a checkpoint that `from_pretrained` loads.

    python run_scripts/convert_glyph_crm.py --source GlyphCRM --target outputs/glyphcrm

The source folder holds the weights (pytorch_bin.pt or pytorch_model.pt), vocab.txt, and bmp48 with a 48 x 48 bitmap for
each line of vocab.txt; vocab.txt and bmp48 may lie in data/, as in the authors' repository, or anywhere by options. The
bitmaps become the bank of the model as they are: nothing of the vocabulary is rendered again.
"""

import hashlib
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import torch
from huggingface_hub import ModelCardData
from PIL import Image
from torch import Tensor
from transformers import AutoModelForPreTraining, AutoProcessor, HfArgumentParser

import hanziformers
from hanziformers import (
    GlyphCrmConfig,
    GlyphCrmForPreTraining,
    GlyphCrmTokenizer,
    HanziGlyphImageProcessor,
    HanziProcessor,
    font_manifest_markdown,
)

HEADS = 12  # no shape tells it; the authors' configuration does
CNN = "AddBertResPos3"  # the class of their HanGlyph; another one of equal shapes could compute something else
PARTS = {"config", "training_state", "model"}  # of their file
WEIGHTS = ("pytorch_bin.pt", "pytorch_model.pt")
VOCABULARY, BITMAPS = ("vocab.txt", "data/vocab.txt"), ("bmp48", "data/bmp48")
BANK = "glyph_crm.embeddings.characters."
# the beginning of their names -> that of ours
NAMES = {
    "cnn_embedding.conv_pre.": f"{BANK}encoder.block1.lift.",
    "cnn_embedding.conv_pre_2.": f"{BANK}encoder.block2.lift.",
    **{
        f"cnn_embedding.conv{block}_{number}.": f"{BANK}encoder.block{block}.residual.{number - 1}."
        for block in (1, 2)
        for number in (1, 2, 3)
    },
    "cnn_embedding.fc1.": f"{BANK}encoder.to_input.",
    "cnn_embedding.first_linear.": f"{BANK}encoder.to_glyph1.",
    "cnn_embedding.second_linear.": f"{BANK}encoder.to_glyph2.",
    "embedding_matrix.": f"{BANK}word_embeddings.",
    "fusion_linear.": f"{BANK}fusion_linear.",
    "bert.": "glyph_crm.",
    "pooler.": "glyph_crm.pooler.",
    "nsp.": "",
    "mlm.": "cls.",
}
HYBRID = "embedding_matrix.weight"
BIAS, DECODER_BIAS = "mlm.predictions.bias", "mlm.predictions.decoder.bias"
POSITIONS = "bert.embeddings.position_ids"
WORDS = "bert.embeddings.word_embeddings.weight"
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
PLAIN = (dict, list, tuple, str, int, float, bool, type(None))


@dataclass
class ConversionArguments:
    """What to convert, and where to."""

    source: str = field(metadata={"help": "the folder of the authors' files"})
    target: str = field(metadata={"help": "the folder to write, another one than the source"})
    weights_file: str | None = field(default=None, metadata={"help": "the weights, if they lie elsewhere"})
    vocab_file: str | None = field(default=None, metadata={"help": "vocab.txt, if it lies elsewhere"})
    bitmaps: str | None = field(default=None, metadata={"help": "the folder of bitmaps, if it lies elsewhere"})
    glyph_style: str = field(
        default="hei",
        metadata={"help": "the style for characters outside of the vocabulary; the bitmaps are of SimHei, a hei font"},
    )


def main(argv: list[str] | None = None) -> None:
    """Reads, converts, writes, and compares what was written with what was read."""
    (arguments,) = HfArgumentParser(ConversionArguments).parse_args_into_dataclasses(argv)
    source, target = Path(arguments.source), Path(arguments.target)
    if source.resolve() == target.resolve():
        raise ValueError(f"source and target are both {source}; the published files are not written over")
    weights = find(source, arguments.weights_file, WEIGHTS, "--weights_file")
    vocabulary = find(source, arguments.vocab_file, VOCABULARY, "--vocab_file")
    bitmaps = find(source, arguments.bitmaps, BITMAPS, "--bitmaps")

    state = read_weights(weights)
    config = read_config(state, weights, arguments.glyph_style)
    tokens = read_tokens(vocabulary, config.vocab_size)
    images = read_bitmaps(bitmaps, config.vocab_size, config.glyph_size)
    processor = make_processor(tokens, config)
    config.unk_token_id, config.pad_token_id = processor.tokenizer.unk_token_id, processor.tokenizer.pad_token_id
    config.font_manifest = manifest_of(images, bitmaps, arguments.glyph_style)
    kept, notes = rename(state, config, weights)
    kept[f"{BANK}glyphs"] = images
    model = GlyphCrmForPreTraining.from_pretrained(None, config=config, state_dict=kept, dtype=torch.float32).eval()

    model.save_pretrained(target)
    processor.save_pretrained(target)
    write_card(target, model, [weights, vocabulary, bitmaps], notes)
    compare(model, processor, target)


def find(source: Path, given: str | None, names: tuple[str, ...], option: str) -> Path:
    """The path of a file or folder: what the option says, else the one of `names` that is in the source folder."""
    found = [Path(given)] if given else [source / name for name in names if (source / name).exists()]
    if len(found) > 1:
        raise ValueError(f"there are {' and '.join(map(str, found))}: say by {option} which one is meant")
    if not found or not found[0].exists():
        missing = given or f"{' or '.join(names)} in {source}"
        raise FileNotFoundError(f"there is no {missing}; give its path by {option}")
    return found[0]


# ------------------------------------------------------------------------------------------------ weights


def read_weights(path: Path) -> dict[str, Tensor]:
    """The authors' tensors by their names, read without running any code that the file may hold.

    It needs nothing but what torch allows by itself: tensors, ordered dicts and plain values. All else is refused.
    """
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        # torch's own message proposes to run what the file holds; what it was raised from says the cause alone
        cause = str(error.__context__ if isinstance(error, pickle.UnpicklingError) else error) or type(error).__name__
        code = re.search(r"(?:GLOBAL|<(?:built-in )?function|<class) '?([\w.]+)", cause)
        what = f"it holds {code[1]}, which could run code" if code else cause.splitlines()[0]
        needed = "needed is the authors' file of tensors and plain values"
        raise ValueError(f"{path} cannot be read: {what}; {needed}") from error
    if not isinstance(held, Mapping) or "model" not in held:
        inside = sorted(map(str, held))[:5] if isinstance(held, Mapping) else type(held).__name__
        raise ValueError(f"{path} has no 'model', which holds the weights; it has {inside}")
    if held.keys() - PARTS:
        raise ValueError(f"{path} has {sorted(map(str, held.keys() - PARTS))} beside {sorted(PARTS)}; who wrote it?")
    for part in PARTS - {"model"}:
        check_plain(held.get(part), f"{path}: {part}")
    state = held["model"]
    check_tensors(state, path)
    settings = held["config"] if isinstance(held.get("config"), dict) else {}
    wanted = {"CNN_name": CNN, "use_res2bert": True, "cnn_and_embed_mat": HYBRID in state}
    for key, value in wanted.items():
        if settings.get(key, value) != value:
            raise ValueError(f"{path}: its config says {key}={settings[key]!r}, but the weights need {value!r}")
    print(f"weights: {len(state)} keys, {'with an id table beside the glyphs' if HYBRID in state else 'glyphs alone'}")
    return dict(state)


def check_plain(value: Any, where: str) -> None:
    """Refuses what is no plain value, at any depth."""
    waiting, seen = [value], set()
    while waiting:
        value = waiting.pop()
        if type(value) not in PLAIN:
            name = f"{type(value).__module__}.{type(value).__name__}"
            raise ValueError(f"{where} holds a {name}; needed are plain values")
        if isinstance(value, (dict, list, tuple)) and id(value) not in seen:
            seen.add(id(value))
            waiting += [*value.keys(), *value.values()] if isinstance(value, dict) else value


def check_tensors(state: Any, path: Path) -> None:
    """Refuses weights that are no finite tensors of numbers."""
    if not isinstance(state, Mapping) or not state:
        raise ValueError(f"{path}: 'model' is a {type(state).__name__}; needed is a dict of tensors by name")
    for key, value in state.items():
        dense = type(value) in (Tensor, torch.nn.Parameter) and value.layout == torch.strided and value.is_cpu
        if not dense or not isinstance(key, str):
            raise ValueError(f"{path}: {key} is a {type(value).__name__}; needed is a dense tensor")
        if key != POSITIONS and value.dtype not in FLOATS:
            raise ValueError(f"{path}: {key} is {value.dtype}; needed are floating-point weights of 16 bits or more")
        if not torch.isfinite(value).all():
            raise ValueError(f"{path}: {key} holds values that are not finite; the model would give nothing else")


def read_config(state: dict[str, Tensor], path: Path, style: str) -> GlyphCrmConfig:
    """The sizes, which the authors' file does not say, from the shapes of its weights."""

    def size(key: str, axis: int = 0) -> int:
        if key not in state or state[key].dim() <= axis:
            raise ValueError(f"{path} lacks {key}, so it is no GlyphCRM's; its keys begin {sorted(state)[:5]}")
        return state[key].shape[axis]

    layers = {int(found[1]) for key in state if (found := re.match(r"bert\.encoder\.layer\.(\d+)\.", key))}
    return GlyphCrmConfig.released(
        vocab_size=size("mlm.predictions.decoder.weight"),
        hidden_size=size("bert.embeddings.LayerNorm.weight"),
        num_hidden_layers=len(layers),
        num_attention_heads=HEADS,
        intermediate_size=size("bert.encoder.layer.0.intermediate.dense.weight"),
        max_position_embeddings=size("bert.embeddings.position_embeddings.weight"),
        type_vocab_size=size("bert.embeddings.token_type_embeddings.weight"),
        first_block_channels=size("cnn_embedding.conv_pre.weight"),
        second_block_channels=size("cnn_embedding.conv_pre_2.weight"),
        glyph_size=(size("cnn_embedding.conv1_1.weight", 2) - 1) * 6,  # see GlyphCrmConfig.glyph_size
        glyph_styles=[style],
        id_embeddings=HYBRID in state,
    )


def rename(state: dict[str, Tensor], config: GlyphCrmConfig, path: Path) -> tuple[dict[str, Tensor], list[str]]:
    """The weights under our names, and what was left out, in sentences.

    Raises:
        ValueError: names the keys that are missing, not known or of another shape; or a left-out one does not fit.
    """
    state, notes = dict(state), []
    positions = state.pop(POSITIONS, None)
    if positions is not None:
        if not torch.equal(positions.flatten(), torch.arange(config.max_position_embeddings)):
            raise ValueError(f"{path}: {POSITIONS} does not count 0 to {config.max_position_embeddings - 1}")
        notes.append(f"`{POSITIONS}` counts positions and is left out.")
    if WORDS in state:
        notes.append(f"`{WORDS}` {list(state.pop(WORDS).shape)} is never read by the authors' model and is left out.")
    bias = state.pop(BIAS, None)
    if bias is not None:
        if not torch.equal(bias, state.setdefault(DECODER_BIAS, bias)):
            raise ValueError(f"{path}: {BIAS} and {DECODER_BIAS} are one bias in the authors' model, but differ here")
        notes.append(f"`{BIAS}` and `{DECODER_BIAS}` are the same bias, which is kept once.")
    with torch.device("meta"):
        ours = {key: value.shape for key, value in GlyphCrmForPreTraining(config).state_dict().items()}
    theirs = {key: their_name(key) for key in ours if key != f"{BANK}glyphs"}
    needed = {theirs[key]: ours[key] for key in theirs}
    faults = [f"lacks {key}" for key in sorted(needed.keys() - state.keys())]
    faults += [f"has {key}, which is not known" for key in sorted(state.keys() - needed.keys())]
    faults += [
        f"has {key} {list(state[key].shape)}, where {list(needed[key])} is needed"
        for key in sorted(needed.keys() & state.keys())
        if state[key].shape != needed[key]
    ]
    if faults:
        raise ValueError(f"{path} does not fit ({len(faults)} weights): it {'; it '.join(faults[:10])}")
    print(*notes, sep="\n")
    return {key: state[name] for key, name in theirs.items()}, notes


def their_name(key: str) -> str:
    """The authors' name of one of our weights."""
    # the longest beginning decides, as "bert." stands for all that has no name of its own
    fitting = [(ours, old) for old, ours in NAMES.items() if key.startswith(ours)]
    ours, old = max(fitting, key=lambda pair: len(pair[0]))
    return old + key.removeprefix(ours)


# ------------------------------------------------------------------------------------------------ vocabulary


def read_tokens(path: Path, count: int) -> list[str]:
    """The token of each line; a line that is blank or repeated later keeps its number under a name that no text has."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 (byte {error.start}); get the file again") from error
    # only these end a line, as in the authors' code: the vocabulary may hold U+0085 or U+2028 as tokens
    lines = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")
    if len(lines) != count:
        raise ValueError(f"{path} has {len(lines)} lines, but the weights have {count} rows: a line is a row")
    tokens = [line.strip() or line for line in lines]
    last = {token: index for index, token in enumerate(tokens)}  # of equal lines the last counts, as in their code
    unused = [index for index, token in enumerate(tokens) if not token or last[token] != index]
    for index in unused:
        tokens[index] = f"[line {index}]"
    if unused:
        print(f"vocab.txt: {len(unused)} lines are blank or repeated later, and are never read: {unused[:5]}")
    return tokens


def make_processor(tokens: list[str], config: GlyphCrmConfig) -> HanziProcessor:
    """Tokenizer and image processor; says which tokens no text gives."""
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = GlyphCrmTokenizer(vocabulary, model_max_length=config.max_position_embeddings)
    made = tokenizer(tokens, add_special_tokens=False)["input_ids"]
    unread = [token for index, token in enumerate(tokens) if made[index] != [index]]
    if unread:
        names = ", ".join(f"U+{ord(token):04X}" if len(token) == 1 else repr(token) for token in unread[:5])
        print(f"vocab.txt: {len(unread)} tokens are kept, but no text gives them here: {names}")
    image_processor = HanziGlyphImageProcessor(
        styles=config.glyph_styles, size=config.glyph_size, binary=config.glyph_binary
    )
    return HanziProcessor(image_processor, tokenizer)


# ------------------------------------------------------------------------------------------------ glyph images


def read_bitmaps(folder: Path, count: int, size: int) -> Tensor:
    """The glyph images of lines 0..count-1, uint8 [count, 1, size, size], ink 255; counts what is not needed."""
    names = {path.name for path in folder.iterdir()}
    needed = [f"{index}.bmp" for index in range(count)]
    missing = [name for name in needed if name not in names]
    if missing:
        raise ValueError(
            f"{folder} lacks {len(missing)} of {count} bitmaps, among them {', '.join(missing[:5])}; they are numbered "
            "by the line of vocab.txt, from 0"
        )
    images = np.stack([read_bitmap(folder / name, size) for name in needed])
    share = images.mean()
    if not share:
        raise ValueError(f"{folder}: all {count} bitmaps are white, but ink is black; get the folder again")
    if share > 0.5:
        raise ValueError(
            f"{folder}: {share:.0%} of the bitmaps is black, which is the ink; they are white on black, and the model "
            "was trained on black on white: invert them"
        )
    others = names - set(needed)
    beyond = sum(bool(re.fullmatch(r"\d+\.bmp", name)) for name in others)
    further = f"{beyond} beyond the last line of vocab.txt, {len(others) - beyond} others"
    print(f"bitmaps: {count} read; not needed: {further}")
    print(f"bitmaps: {int((~images.any(axis=(1, 2))).sum())} have no ink; mean ink {share:.1%}")
    return torch.from_numpy(images.astype(np.uint8) * 255)[:, None]


def read_bitmap(path: Path, size: int) -> np.ndarray:
    """Where a bitmap has ink, bool [size, size]."""
    try:
        with Image.open(path, formats=["BMP"]) as image:
            if (image.mode, image.size) != ("1", (size, size)):  # before the pixels are read
                raise ValueError(f"it is {image.size} of mode {image.mode}")
            return ~np.array(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{path} is no bitmap of {size} x {size} pixels of 1 bit ({error}), as the model was trained on"
        ) from error


def manifest_of(images: Tensor, folder: Path, style: str) -> dict[str, Any]:
    """The font manifest of the bitmaps: which fonts the authors drew them with is not known for each."""
    source = {
        "style": style,
        "family": "the authors' bitmaps",
        "version": "",
        "licence": "",
        "sha256": hashlib.sha256(images.numpy().tobytes()).hexdigest(),
        "file": folder.name,
        "where": "published",
        "characters": len(images),
        "variants": 0,
    }
    entry = {"style": style, "sources": [source], "variants": 0, "fallbacks": {}, "unused": []}
    return {"tokens": len(images), "styles": [{**entry, "not_rendered": 0, "not_rendered_first": []}]}


# ------------------------------------------------------------------------------------------------ what is written


def write_card(target: Path, model: GlyphCrmForPreTraining, sources: list[Path], notes: list[str]) -> None:
    """Writes README.md: where the files came from, and what became of them."""
    config = model.config
    data = ModelCardData(
        language="zh",
        library_name="transformers",
        pipeline_tag="fill-mask",
        tags=["hanziformers", config.model_type],
        model_name=target.name,
    )
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sources[:2]]
    hashes.append(config.font_manifest["styles"][0]["sources"][0]["sha256"])
    hybrid = "An id table stands beside the glyph vectors (`id_embeddings`, the authors' `cnn_and_embed_mat`)."
    text = Template((Path(__file__).parent.parent / "model_cards" / "converted_glyph_crm.md").read_text("utf-8"))
    filled = text.substitute(
        name=target.name,
        model_class=type(model).__name__,
        parameters=f"{model.num_parameters():,}",
        version=hanziformers.__version__,
        kind=hybrid if config.id_embeddings else "It reads glyph images and nothing else.",
        source="\n".join(f"| {path.name} | sha256 `{digest}` |" for path, digest in zip(sources, hashes, strict=True)),
        conversion="\n".join(f"- {note}" for note in notes),
        style=config.glyph_styles[0],
        fonts=font_manifest_markdown(config.font_manifest),
    )
    (target / "README.md").write_text(f"---\n{data.to_yaml()}\n---\n\n{filled}", encoding="utf-8")


@torch.no_grad()
def compare(model: GlyphCrmForPreTraining, processor: HanziProcessor, target: Path) -> None:
    """Loads the folder as a user does; its inputs, bank and outputs must be those of the model that was converted."""
    loaded, reader = AutoModelForPreTraining.from_pretrained(target), AutoProcessor.from_pretrained(target)
    tokens = processor.tokenizer.convert_ids_to_tokens(range(model.config.vocab_size))
    single = [token for token in tokens if len(token) == 1][: min(128, model.config.max_position_embeddings - 3)]
    text = "".join([*single, *processor.tokenizer.common_characters()[:1]])  # the last one is not in the vocabulary
    ours, theirs = (dict(one([text], return_tensors="pt")) for one in (processor, reader))
    alike = ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
    same = torch.equal(model.base_model.embeddings.characters.glyphs, loaded.base_model.embeddings.characters.glyphs)
    before, after = (one(**ours).to_tuple() for one in (model, loaded))
    difference = max((old - new).abs().max().item() for old, new in zip(before, after, strict=True))
    print(f"written: {target}; largest difference of its outputs to those of the source's weights: {difference:.3g}")
    if not (alike and same and difference < 1e-5):
        raise RuntimeError(f"{target} does not give what the source gives: do not use it, and report this")


if __name__ == "__main__":
    main()
