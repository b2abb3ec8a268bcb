"""The pinyin files of published ChineseBERT folders: whether they say the same as our alphabet and our readings.

A folder holds them as config/pinyin_map.json (symbol -> id) and config/pinyin2tensor.json (reading -> 8 ids), or as
`pinyin_map` and `pinyin2tensor` in its tokenizer_config.json.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers.utils import logging

from .pinyin import SYMBOLS, encode_pinyin

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*

Published = str | Path | Mapping[str, Any]  # a file, or what it holds
_NAMED = 5  # readings that a warning names


def check_symbols(pinyin_map: Published) -> int:
    """Refuses another alphabet than ours, under which a model would read other letters than it was trained on.

    Args:
        pinyin_map: has "char2idx", symbol -> id; the id 0 is empty whatever its symbol.

    Returns:
        How many symbols have an id.

    Raises:
        ValueError: names the symbols with another id; or the file holds something else.
    """
    name, held = _read("pinyin_map", pinyin_map)
    symbols = held.get("char2idx")
    if not isinstance(symbols, Mapping):
        raise ValueError(f"{name} holds no char2idx, the ids of the symbols; it has {sorted(held)[:5]}")
    released = {symbol: index for symbol, index in symbols.items() if index}
    ours = {symbol: index for index, symbol in enumerate(SYMBOLS) if index}
    differing = sorted(symbol for symbol in ours.keys() | released.keys() if ours.get(symbol) != released.get(symbol))
    if differing:
        here = ", ".join(f"{symbol!r} {released.get(symbol)} (ours {ours.get(symbol)})" for symbol in differing)
        raise ValueError(f"{name} gives other ids than the tokenizer: {here}; the pinyin would be read wrongly")
    return len(ours)


def differing_readings(pinyin2tensor: Published) -> tuple[list[str], int]:
    """Compares readings with those of the tokenizer; weights work all the same, so none is refused.

    Args:
        pinyin2tensor: reading -> 8 ids.

    Returns:
        A line for each reading that the tokenizer writes otherwise, and the number of all readings.

    Raises:
        ValueError: the file holds no mapping.
    """
    _, released = _read("pinyin2tensor", pinyin2tensor)
    differing = []
    for reading, ids in released.items():
        try:
            ours = encode_pinyin(reading)
        except ValueError:
            ours = None
        if ours != ids:
            differing.append(f"{reading!r} {ids} (ours {ours})")
    return differing, len(released)


def check_published(pinyin_map: Published | None, pinyin2tensor: Published | None) -> None:
    """Refuses another alphabet, and warns of other readings; None is not there.

    Raises:
        ValueError: see `check_symbols` and `differing_readings`.
    """
    if pinyin_map is not None:
        check_symbols(pinyin_map)
    if pinyin2tensor is not None:
        differing, count = differing_readings(pinyin2tensor)
        if differing:
            logger.warning(
                f"the published pinyin2tensor has other symbols for {len(differing)} of {count} readings, among them "
                f"{'; '.join(differing[:_NAMED])}. Characters with these readings are encoded as ours"
            )


def _read(name: str, held: Published) -> tuple[str, Mapping[str, Any]]:
    """The name and the content of a file."""
    if isinstance(held, str | Path):
        name = str(held)
        try:
            held = json.loads(Path(held).read_text("utf-8"))
        except ValueError as error:  # no UTF-8, or no JSON
            raise ValueError(f"{name} cannot be read ({error}); get the file again") from error
    if not isinstance(held, Mapping):
        raise ValueError(f"{name} holds a {type(held).__name__}; needed is a mapping, as published")
    return name, held


__all__ = ["check_published", "check_symbols", "differing_readings"]
