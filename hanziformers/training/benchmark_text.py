"""Text and vocabulary to measure on: what the script benchmark.py reads, or makes up."""

import random
from collections.abc import Iterator
from itertools import chain, cycle
from pathlib import Path


def made_up_vocabulary() -> dict[str, int]:
    """As many tokens as the published vocabulary has: special ones, marks, and the characters of two Unicode blocks."""
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"，。！？、；：0123456789"]
    tokens += map(chr, chain(range(0x4E00, 0xA000), range(0x3400, 0x4DC0)))
    return {token: index for index, token in enumerate(tokens[:23236])}


def zipf_text(seed: int, length: int) -> str:
    """Characters as unevenly frequent as in Chinese text: 8 x 128 of them are .42 distinct, 256 x 512 .027."""
    choice = random.Random(seed)
    characters = ["，", *map(chr, choice.sample(range(0x4E00, 0xA000), 3599))]
    return "".join(choice.choices(characters, [(rank + 8) ** -1.25 for rank in range(3600)], k=length))


def read_text(path: str) -> str:
    """The lines of a file, one after the other."""
    text = "".join(line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines())
    if not text:
        raise ValueError(f"{path} holds no text; give a file with some")
    return text


def pieces(text: str, length: int) -> Iterator[str]:
    """Piece after piece of `length` characters, from the start again after the last."""
    if len(text) < length:
        raise ValueError(f"the text has {len(text)} characters, and pieces of {length} are needed: give a longer one")
    return cycle(text[start : start + length] for start in range(0, len(text) - length + 1, length))


__all__ = ["made_up_vocabulary", "pieces", "read_text", "zipf_text"]
