"""Converts a released ChineseBERT folder, or a port of the Hub, into a checkpoint that `from_pretrained` loads.

    python run_scripts/convert_chinesebert.py --source ChineseBERT-base --target chinesebert-base

The weights keep their names and values. What was beside them is checked on the way: the pinyin symbols, the readings,
the length of the vocabulary, and the glyph images of the fonts, whose order the released code left to the file system.
"""

import json
from dataclasses import dataclass, field, fields
from itertools import permutations
from math import isqrt
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    HfArgumentParser,
    PreTrainedModel,
)

import hanziformers
from hanziformers import ChineseBertConfig, ChineseBertTokenizer
from hanziformers.tokenization.published_pinyin import check_symbols, differing_readings

HOLDS = (
    "a released folder holds config.json, pytorch_model.bin or model.safetensors, vocab.txt, and config/ with "
    "pinyin_map.json, the fonts (three *.npy) and perhaps pinyin2tensor.json"
)
FONTS = {
    "STFANGSO": "fangsong",
    "STXINGKA": "xingkai",
    "方正古隶繁体": "lishu",
}  # part of a file's name -> style, in order
GLYPHS = "embeddings.glyph_embeddings.embedding.weight"
HEADS = {  # a key of the weights -> the class; None: --architecture says it
    "classifier.dense_to_labels_layer.weight": "ChineseBertForTokenClassification",
    "classifier.weight": None,
    "qa_outputs.weight": "ChineseBertForQuestionAnswering",
    "cls.predictions.transform.dense.weight": "ChineseBertForMaskedLM",
}
LOADERS = {
    "ChineseBertModel": AutoModel,
    "ChineseBertForMaskedLM": AutoModelForMaskedLM,
    "ChineseBertForSequenceClassification": AutoModelForSequenceClassification,
    "ChineseBertForTokenClassification": AutoModelForTokenClassification,
    "ChineseBertForQuestionAnswering": AutoModelForQuestionAnswering,
}


@dataclass
class ConversionArguments:
    """What to convert, and where to."""

    source: str = field(metadata={"help": "the released folder"})
    target: str = field(metadata={"help": "the folder to write, another one than the source"})
    architecture: Literal["ChineseBertForSequenceClassification", "ChineseBertForTokenClassification"] | None = field(
        default=None, metadata={"help": "needed where the weights hold classifier.weight, which both classes have"}
    )


def main(argv: list[str] | None = None) -> None:
    """Checks, converts, and compares what was written with what was read."""
    (arguments,) = HfArgumentParser(ConversionArguments).parse_args_into_dataclasses(argv)
    source, target = Path(arguments.source), Path(arguments.target)
    if source.resolve() == target.resolve():
        raise ValueError(f"source and target are both {source}; the released files are not written over")
    settings = json.loads(existing(source / "config.json").read_text("utf-8"))
    vocabulary = existing(source / "vocab.txt")
    symbols = check_symbols(existing(source / "config" / "pinyin_map.json"))
    print(f"pinyin_map.json: all {symbols} symbols have our ids")
    compare_readings(source / "config" / "pinyin2tensor.json")

    state = read_weights(source)
    name, labels = decide(state, arguments.architecture)
    print(f"weights: {len(state)} keys -> {name}")
    known = {part.name for part in fields(ChineseBertConfig)} - {"architectures", "dtype", "transformers_version"}
    known.add("position_embedding_type")  # no field, but refused where it is not that of this model
    config = ChineseBertConfig.from_dict({key: value for key, value in settings.items() if key in known})
    maps = [value for key, value in state.items() if key.endswith("embeddings.glyph_map.weight")]
    if not maps:
        raise ValueError(f"the weights hold no glyph_map, so they are no ChineseBERT's; they begin {list(state)[:5]}")
    font_names, fonts = read_fonts(source / "config", config.vocab_size, maps[0].shape[1])
    config.glyph_styles, config.glyph_size = glyph_fields(font_names, maps[0].shape[1])
    config.classifier = "mlp" if "classifier.dense_layer.weight" in state else "linear"
    if labels:
        config.num_labels = labels
    lines = len(vocabulary.read_bytes().splitlines())
    if lines != config.vocab_size:
        raise ValueError(f"{vocabulary} has {lines} lines, but the model's vocab_size is {config.vocab_size}")

    model, info = getattr(hanziformers, name).from_pretrained(
        None, config=config, state_dict=state, output_loading_info=True
    )
    missing = sorted(key for key in info["missing_keys"] if not key.endswith(GLYPHS))
    if missing:
        raise ValueError(f"the weights lack {missing}, without which a {name} would be partly random")
    if info["unexpected_keys"]:
        print(f"weights: left out, as a {name} has no such layers: {sorted(info['unexpected_keys'])}")
    check_glyphs(model.eval(), font_names, fonts, filled=not info["missing_keys"])

    tokenizer = ChineseBertTokenizer(str(vocabulary), model_max_length=config.max_position_embeddings)
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    compare(model, target)


def existing(path: Path) -> Path:
    """The path of a file that must be there."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path}; {HOLDS}")
    return path


def read_weights(folder: Path) -> dict[str, Tensor]:
    """The tensors by their names, read without running any code that a file may hold."""
    if (folder / "model.safetensors").is_file():
        return load_file(folder / "model.safetensors")
    return torch.load(existing(folder / "pytorch_model.bin"), map_location="cpu", weights_only=True)


def decide(state: dict[str, Tensor], wanted: str | None) -> tuple[str, int]:
    """The class that the keys speak of, and its number of labels (0: it has none of its own)."""
    key = next((key for key in HEADS if key in state), None)
    name = HEADS[key] if key else "ChineseBertModel"
    if name is None and wanted is None:
        raise ValueError(
            f"the weights hold {key}, which labels texts or tokens: say which by --architecture "
            "ChineseBertForSequenceClassification or --architecture ChineseBertForTokenClassification"
        )
    if name is not None and wanted not in (None, name):
        raise ValueError(f"--architecture is {wanted}, but by their keys the weights are a {name}'s: leave it out")
    return name or wanted, len(state[key]) if key and key.startswith("classifier.") else 0


def compare_readings(path: Path) -> None:
    """Counts the readings that the tokenizer writes otherwise; the weights work all the same, so none is refused."""
    if not path.is_file():
        print("pinyin2tensor.json: not there, readings not compared")
        return
    differing, count = differing_readings(path)
    print(f"pinyin2tensor.json: {len(differing)} of {count} readings differ", *differing[:5], sep="\n  ")


def read_fonts(folder: Path, vocab_size: int, values: int) -> tuple[list[str], list[Tensor]]:
    """Names and glyph images [V, height * width] of the fonts, in the order of FONTS, other names sorted.

    Args:
        folder: holds one .npy file for each font, or none at all.
        vocab_size: V.
        values: of a character in all fonts together, as the weights take them.
    """
    paths = sorted(folder.glob("*.npy"))
    named = [path for part in FONTS for path in paths if part in path.name]
    if paths and sorted(named) != paths:
        print(f"fonts: their names are not those of {', '.join(FONTS)}; taken in the order of their names")
        named = paths
    fonts = [torch.from_numpy(np.load(path).astype(np.float32)).flatten(1) for path in named]
    widths = [font.shape[1] for font in fonts]
    if fonts and (sum(widths) != values or {len(font) for font in fonts} != {vocab_size}):
        raise ValueError(
            f"the fonts {[path.name for path in named]} hold {[tuple(font.shape) for font in fonts]} values, but the "
            f"model takes {values} in all for each of {vocab_size} tokens; {HOLDS}"
        )
    return [path.name for path in named], fonts


def glyph_fields(names: list[str], values: int) -> tuple[list[str], int]:
    """The configuration's glyph_styles and glyph_size: the styles of FONTS, or the names of other files.

    Without fonts the released three are taken.
    """
    known = [style for part, style in FONTS.items() for name in names if part in name]
    styles = known if len(known) == len(names) else [Path(name).stem for name in names]
    styles = styles or list(FONTS.values())
    size = isqrt(values // len(styles))
    if len(styles) * size**2 != values:
        raise ValueError(
            f"the weights take {values} values of a glyph, which are no square images in {styles}; {HOLDS}"
        )
    return styles, size


def check_glyphs(model: PreTrainedModel, names: list[str], fonts: list[Tensor], filled: bool) -> None:
    """Says which fonts the glyph table of the weights holds, or fills an empty one with grey values of 0..255."""
    if not filled and not fonts:
        raise FileNotFoundError(f"the weights hold no glyph table, and there are no fonts to fill it from; {HOLDS}")
    table = model.base_model.embeddings.glyph_embeddings.embedding.weight.detach()
    if not filled:
        table.copy_(torch.cat(fonts, dim=1))  # as they are; set_glyphs would scale them to 0..1
        print(f"glyph table: not in the weights, filled from {', '.join(names)}")
        return
    table = table.float()
    mean, std = table.mean().item(), table.std().item()
    print(f"glyph table: min {table.min():.6g}, max {table.max():.6g}, mean {mean:.6g}, std {std:.6g}")
    orders = list(permutations(range(len(fonts)))) if fonts else []
    away = [(table - torch.cat([fonts[i] for i in order], dim=1)).abs().mean().item() for order in orders]
    for difference, order in sorted(zip(away, orders, strict=True))[:1]:
        found = "equals the fonts in the order" if difference == 0 else "equals the fonts in no order, not even"
        print(f"glyph table: {found} {', '.join(names[i] for i in order)}; mean difference {difference:.6g}")


@torch.no_grad()
def compare(model: PreTrainedModel, target: Path) -> None:
    """Loads the folder as a user does; its outputs must be the source's."""
    config, name = model.config, type(model).__name__
    AutoTokenizer.from_pretrained(target)
    loaded = LOADERS[name].from_pretrained(target)
    input_ids = torch.randint(config.vocab_size, (2, min(16, config.max_position_embeddings)))
    pinyin_ids = torch.randint(config.pinyin_vocab_size, (*input_ids.shape, config.pinyin_length))
    before, after = (one(input_ids=input_ids, pinyin_ids=pinyin_ids).to_tuple() for one in (model, loaded))
    difference = max((old - new).abs().max().item() for old, new in zip(before, after, strict=True))
    print(f"written: {target}, a {name}; largest difference of its outputs to the source's: {difference:.3g}")
    if not difference < 1e-5:
        raise RuntimeError(f"{target} does not give the outputs of the source: do not use it, and report this")


if __name__ == "__main__":
    main()
