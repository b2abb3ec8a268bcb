"""font manifests say which font drew what, and what stood in; the report says what fonts a machine has."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from transformers.utils import logging

from .fonts import FALLBACK_STYLES, NOWHERE, STYLES, Style

logger = logging.get_logger(__name__)

_NAMED = 20  # of the characters that are not rendered, so many are named


def make_font_manifest(tokens: Sequence[str], places: np.ndarray, styles: Sequence[Style]) -> dict[str, Any]:
    """The font manifest of rendered tokens, as plain values for JSON.

    Args:
        tokens: n tokens.
        places: [n, F] int16, where each comes from: a number of `Style.places`; below 0: not rendered (NOWHERE), blank by
            right, or a word, which are not counted.
        styles: the F styles.

    Returns:
        {"tokens": n, "styles": [for each style {"style", "sources": [for each source that drew something {"style" (it
        may stand in), "family", "version", "licence", "sha256", "file", "where", "characters", "variants"}], "variants",
        "fallbacks": {style: characters}, "not_rendered", "not_rendered_first", "unused": names of the user's files that drew
        nothing}]}. `variants` are characters rendered as their simplified or traditional form. No folder of this machine
        is named.
    """
    entries = []
    for column, style in enumerate(styles):
        ways = style.places()
        counts = Counter(places[:, column].tolist())
        sources: dict[int, dict[str, Any]] = {}
        for number, way in enumerate(ways):
            if not counts[number]:
                continue
            entry = sources.setdefault(id(way.source), _source_entry(way.style, way.source))
            entry["variants" if way.variant else "characters"] += counts[number]
        fallbacks = Counter()
        for entry in sources.values():
            if entry["style"] != style.name:
                fallbacks[entry["style"]] += entry["characters"] + entry["variants"]
        lacking = [tokens[row] for row in np.flatnonzero(places[:, column] == NOWHERE)]
        entries.append(
            {
                "style": style.name,
                "sources": list(sources.values()),
                "variants": sum(entry["variants"] for entry in sources.values()),
                "fallbacks": dict(fallbacks),
                "not_rendered": len(lacking),
                "not_rendered_first": lacking[:_NAMED],
                "unused": [
                    source.path.name
                    for _, source in style.sources()
                    if source.where == "path" and id(source) not in sources
                ],
            }
        )
    return {"tokens": len(tokens), "styles": entries}


def _source_entry(style: str, source: Any) -> dict[str, Any]:
    info = source.info
    return {
        "style": style,
        "family": info.family,
        "version": info.version,
        "licence": info.licence,
        "sha256": source.sha256,
        "file": source.path.name,
        "where": source.where,
        "characters": 0,
        "variants": 0,
    }


def warn_of_fallbacks(manifest: dict[str, Any]) -> None:
    """Logs, once, what was not rendered as asked."""
    for entry in manifest["styles"]:
        notes = [f"{count} in the style {style!r}, which stands in" for style, count in entry["fallbacks"].items()]
        if entry["variants"]:
            notes.append(f"{entry['variants']} as their simplified or traditional variant")
        if entry["not_rendered"]:
            notes.append(f"{entry['not_rendered']} not at all, among them {' '.join(entry['not_rendered_first'])}")
        notes += [f"none by {path}, which has none of them" for path in entry["unused"]]
        if notes:
            logger.warning_once(
                f"style {entry['style']!r}: of {manifest['tokens']} tokens, {'; '.join(notes)}. The font_manifest says "
                f"more; for a better font: fonts={{{entry['style']!r}: ['path of a font']}}"
            )


def font_manifest_markdown(manifest: dict[str, Any]) -> str:
    """The font manifest as Markdown, for a model card."""
    lines = [
        "| style | rendered by | version | licence | where | characters | as variants | sha256 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    notes = []
    for entry in manifest["styles"]:
        for source in entry["sources"]:
            family = source["family"] or source["file"]
            if source["style"] != entry["style"]:
                family += f" (stands in: {source['style']})"
            cells = [entry["style"], family, source["version"], source["licence"] or "not stated", source["where"]]
            cells += [str(source["characters"]), str(source["variants"]), f"`{source['sha256'][:16]}`"]
            lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
        if entry["not_rendered"]:
            first = " ".join(entry["not_rendered_first"])
            notes.append(f"Style {entry['style']}: {entry['not_rendered']} tokens are not rendered, among them {first}")
    return "\n".join([f"Fonts of {manifest['tokens']} tokens:", "", *lines, *(["", *notes] if notes else [])])


@dataclass(frozen=True)
class FontRow:
    """One font of one style in the report.

    Attributes:
        style: the style that it is used for.
        family, version, licence: as its own records name them.
        where: "path", "checkpoint", "shipped" or "system".
        path: where it lies.
        gb2312, big5, uro: how many of the 6,763, 13,053 and 20,992 characters it renders (by ink).
        fallback_style: the style that renders what is missing.
    """

    style: str
    family: str
    version: str
    licence: str
    where: str
    path: str
    gb2312: int
    big5: int
    uro: int
    fallback_style: str


class FontReport(list):
    """A list of `FontRow` that prints as a table."""

    def __str__(self) -> str:
        names = ("style", "family", "version", "licence", "where", "gb2312", "big5", "uro", "fallback_style")
        table = [[name.replace("_", " ") for name in names]]
        table += [[str(getattr(row, name)) for name in names] for row in self]
        widths = [max(len(line[column]) for line in table) for column in range(len(names))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table
        )

    __repr__ = __str__


def fonts(paths: dict[str, Sequence[str]] | None = None) -> FontReport:
    """What fonts this machine has for every style, in the order in which they are tried.

    A style without a font of its own has one row, without a family. `fallback_style` names the style that renders what a
    style lacks.

    Args:
        paths: your own fonts, as for HanziGlyphImageProcessor.

    Example:
        >>> print(fonts())
    """
    report = FontReport()
    for name in dict.fromkeys([*STYLES, *(paths or {})]):
        style, sources = Style(name, paths).levels[0]
        other = FALLBACK_STYLES.get(name, "song")
        for source in sources:
            info = source.info
            counts = [int(source.covered[codes].sum()) for codes in _character_sets()]
            report.append(
                FontRow(style, info.family, info.version, info.licence, source.where, source.name, *counts, other)
            )
        if not sources:
            report.append(FontRow(style, "", "", "", "none", "", 0, 0, 0, other))
    return report


@lru_cache(maxsize=1)
def _character_sets() -> tuple[np.ndarray, ...]:
    """Code points of GB2312's, Big5's and the URO block's characters."""
    return _han_of("gb2312", 0xB0, 0xF7), _han_of("big5", 0xA4, 0xF9), np.arange(0x4E00, 0xA000)


def _han_of(encoding: str, first: int, last: int) -> np.ndarray:
    found = set()
    for high in range(first, last + 1):
        for low in range(0x40, 0xFF):
            character = bytes((high, low)).decode(encoding, errors="ignore")
            if len(character) == 1 and ("\u4e00" <= character <= "\u9fff" or "\uf900" <= character <= "\ufaff"):
                found.add(ord(character))
    return np.array(sorted(found))


__all__ = ["FontReport", "FontRow", "fonts", "make_font_manifest", "font_manifest_markdown", "warn_of_fallbacks"]
