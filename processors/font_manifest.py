"""Font manifests say which font rendered how many tokens, and what was rendered by a fallback.

A manifest is a plain dict for JSON. It is saved with a checkpoint and printed in the model card.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from transformers.utils import logging

from .fonts import NOT_FOUND, FontChain
from .glyph_source import GlyphSource

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*

_NAMED = 20  # of the tokens that are not rendered, so many are named


def make_font_manifest(tokens: Sequence[str], candidates: np.ndarray, chains: Sequence[FontChain]) -> dict[str, Any]:
    """The font manifest of rendered tokens, as plain values for JSON.

    Args:
        tokens: n tokens.
        candidates: [n, F] int16, how each token is rendered: an index of `FontChain.candidates`, or NOT_FOUND. Other
            negative values (no ink, words of several characters) are not counted.
        chains: those of the F styles.

    Returns:
        {"tokens": n, "styles": [for each style an entry]}. An entry holds:

        - "style";
        - "own": number of characters that the style's own sources render, variants among them;
        - "sources": for each source that rendered something {"style" (its own or a fallback), "family", "version",
          "licence", "sha256", "file", "where", "characters", "variants"}, where variants are characters that were
          rendered as their simplified or traditional form;
        - "variants": their number over all sources;
        - "fallbacks": {style: number of characters};
        - "not_rendered", and "not_rendered_first": their number, and the first of them;
        - "unused": names of the user's files that rendered nothing.

        No folder of this machine is named.
    """
    entries = [_style_entry(tokens, candidates[:, column], chain) for column, chain in enumerate(chains)]
    return {"tokens": len(tokens), "styles": entries}


def _style_entry(tokens: Sequence[str], indices: np.ndarray, chain: FontChain) -> dict[str, Any]:
    """The entry of one style; `indices` are its candidates, [n] int16."""
    counts = Counter(indices.tolist())
    sources: dict[int, dict[str, Any]] = {}
    for index, candidate in enumerate(chain.candidates()):
        if counts[index]:
            # A source is a candidate twice, for characters and for their variants: both go into one entry.
            entry = sources.setdefault(id(candidate.source), _source_entry(candidate.style, candidate.source))
            entry["variants" if candidate.variant else "characters"] += counts[index]
    rendered = _by_style(sources.values())
    lacking = [tokens[row] for row in np.flatnonzero(indices == NOT_FOUND)]
    own = [source for _, source in chain.sources() if source.where == "path"]
    return {
        "style": chain.name,
        "own": rendered[chain.name],
        "sources": list(sources.values()),
        "variants": sum(entry["variants"] for entry in sources.values()),
        "fallbacks": {style: count for style, count in rendered.items() if style != chain.name},
        "not_rendered": len(lacking),
        "not_rendered_first": lacking[:_NAMED],
        "unused": [source.path.name for source in own if id(source) not in sources],
    }


def _by_style(sources: Iterable[dict[str, Any]]) -> Counter[str]:
    """How many characters the sources of each style render, variants among them."""
    rendered = Counter()
    for source in sources:
        rendered[source["style"]] += source["characters"] + source["variants"]
    return rendered


def _source_entry(style: str, source: GlyphSource) -> dict[str, Any]:
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
    """Logs, once, what was not rendered in the style itself."""
    for entry in manifest["styles"]:
        notes = [f"{count} are rendered in the fallback style {style!r}" for style, count in entry["fallbacks"].items()]
        if entry["variants"]:
            notes.append(f"{entry['variants']} are rendered as their simplified or traditional variant")
        if entry["not_rendered"]:
            first = " ".join(entry["not_rendered_first"])
            notes.append(f"{entry['not_rendered']} are not rendered, among them {first}")
        notes += [f"none is rendered by {file}, which covers none of them" for file in entry["unused"]]
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
                family += f" (fallback: {source['style']})"
            cells = [entry["style"], family, source["version"], source["licence"] or "not stated", source["where"]]
            cells += [str(source["characters"]), str(source["variants"]), f"`{source['sha256'][:16]}`"]
            lines.append("| " + " | ".join(_plain(cell) for cell in cells) + " |")
        notes.append(_note(entry))
    return "\n".join(
        [f"Fonts of {manifest['tokens']} tokens:", "", *lines, "", "Characters of each style:", "", *notes]
    )


def _note(entry: dict[str, Any]) -> str:
    """How many characters of a style are its own, what renders the others, and how many are blank, as a list item."""
    rendered = _by_style(entry["sources"])  # manifests of older checkpoints do not say it
    parts = [f"{rendered.pop(entry['style'], 0)} are its own"]
    parts += [f"{count} are rendered in {_plain(style)} instead" for style, count in rendered.items()]
    if entry["not_rendered"]:
        first = _plain(" ".join(entry["not_rendered_first"]))
        parts.append(f"{entry['not_rendered']} are not rendered, among them {first}")
    return f"- {_plain(entry['style'])}: {', '.join(parts)}"


def _plain(text: str) -> str:
    """A name of somebody else's font as one line of text, which no table, tag or link of Markdown is made of."""
    return re.sub(r"([<\[\]])", r"\\\1", " ".join(text.replace("|", "/").split()))


def check_font_manifest(manifest: Any) -> dict[str, Any] | None:
    """A font manifest that comes from a file.

    Raises:
        ValueError: it is not what `make_font_manifest` makes.
    """
    try:
        if manifest is not None:
            font_manifest_markdown({**manifest, "tokens": manifest["tokens"] + 0})  # reads all that is ever read
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"font_manifest is {str(manifest)[:80]}, which is no font manifest ({error!r}); leave it out"
        ) from error
    return manifest


__all__ = ["check_font_manifest", "font_manifest_markdown", "make_font_manifest", "warn_of_fallbacks"]
