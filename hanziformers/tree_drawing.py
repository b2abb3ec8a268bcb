"""Dependency trees as SVG, to look at in a browser or a notebook."""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from xml.sax.saxutils import escape

FONTS = "Noto Sans CJK SC, Source Han Sans SC, PingFang SC, Microsoft YaHei, sans-serif"
WORD_SIZE, LABEL_SIZE = 20, 12  # of the letters, in pixels
GAP = 18  # between two words
STEP = 30  # how much higher an arc lies than those inside of it
MARGIN = 16
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # not even escaped
PLAIN, CROSSING = "#3b6ea5", "#c0392b"  # colours of arcs


def draw_tree(
    words: Sequence[str], heads: Sequence[int], relations: Sequence[str], tags: Sequence[str] | None = None
) -> str:
    """Draws a tree: words in a row, above them an arrow from every head to its words, with the relation on it.

    Every arc lies above those that it spans. Arcs that cross another one (in non-projective trees) are red, the others
    blue. The root has an arrow from above, and an arc over the root crosses it.

    Args:
        words: of one sentence.
        heads: of every word, 1..T, or 0 for the root.
        relations: of every word.
        tags: parts of speech, which stand below the words; None for none.

    Returns:
        A file of SVG, whose text is text; control characters, which no XML can hold, are shown as U+FFFD.

    Raises:
        ValueError: not as many heads, relations or parts of speech as words, or a head outside of the sentence.

    Example:
        >>> svg = draw_tree(["我", "看", "书"], [2, 0, 2], ["nsubj", "root", "obj"])
        >>> Path("tree.svg").write_text(svg, encoding="utf-8")
    """
    columns = {"heads": heads, "relations": relations, "tags": words if tags is None else tags}
    for name, column in columns.items():
        if len(column) != len(words):
            raise ValueError(f"there are {len(words)} words and {len(column)} {name}; give one of them for each word")
    for word, head in enumerate(heads, 1):
        if not 0 <= head <= len(words) or head == word:
            allowed = f"0 (the root) to {len(words)}, and not the word itself"
            raise ValueError(f"the head of word {word} is {head}; allowed is {allowed}")
    middles = _middles(words, heads, relations, tags)
    arcs = {(min(word, head), max(word, head)): word for word, head in enumerate(heads, 1) if head}
    levels = _levels(arcs)
    base = MARGIN + LABEL_SIZE + STEP * (1 + max(levels.values(), default=0))  # where arrows end
    parts = [_text(x, base + WORD_SIZE + 4, word, WORD_SIZE) for x, word in zip(middles, words, strict=True)]
    if tags is not None:
        low = base + WORD_SIZE + LABEL_SIZE + 10
        parts += [_text(x, low, tag, LABEL_SIZE, "#777") for x, tag in zip(middles, tags, strict=True)]
    roots = [(word, len(words) + 1) for word, head in enumerate(heads, 1) if not head]  # cross what spans the root
    curves, labels = [], []
    for arc, level in levels.items():
        colour = CROSSING if any(_cross(arc, other) for other in (*arcs, *roots)) else PLAIN
        curve, label = _arrow(middles, arc, arcs[arc], relations[arcs[arc] - 1], base, level, colour)
        curves, labels = [*curves, curve], [*labels, label]
    for word, _ in roots:
        curve, label = _root(middles[word - 1], base, relations[word - 1])
        curves, labels = [*curves, curve], [*labels, label]
    parts += curves + labels  # labels last, so that no curve crosses them
    width = MARGIN + max((x + _half(word, WORD_SIZE) for x, word in zip(middles, words, strict=True)), default=0)
    width = max([width, *(x + MARGIN + _half(name, LABEL_SIZE) for x, name in zip(middles, relations, strict=True))])
    height = base + WORD_SIZE + MARGIN + (0 if tags is None else LABEL_SIZE + 6)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" font-family="{FONTS}">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>", ""])


def _half(text: str, size: int) -> float:
    """Half of about how wide a text is: Chinese characters are as wide as high, others about 0.6 of that."""
    return sum(1.0 if character >= "\u2e80" else 0.6 for character in text) * size / 2


def _middles(
    words: Sequence[str], heads: Sequence[int], relations: Sequence[str], tags: Sequence[str] | None
) -> list[float]:
    """The middle of every word; neighbours are as far apart as they, and the relation between them, need."""
    halves = [_half(word, WORD_SIZE) for word in words]
    if tags is not None:
        halves = [max(half, _half(tag, LABEL_SIZE)) for half, tag in zip(halves, tags, strict=True)]
    middles = [MARGIN + max(halves[0], _half(relations[0], LABEL_SIZE))] if words else []
    for left, right in pairwise(range(len(words))):
        distance = halves[left] + halves[right] + GAP
        for word, head in ((left, right), (right, left)):
            if heads[word] == head + 1:
                distance = max(distance, 2 * _half(relations[word], LABEL_SIZE) + GAP)
        middles.append(middles[left] + distance)
    return middles


def _levels(arcs: Iterable[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """How high every arc lies: above all shorter ones that it spans, or crosses."""
    levels: dict[tuple[int, int], int] = {}
    for low, high in sorted(arcs, key=lambda arc: (arc[1] - arc[0], arc)):
        below = (level for (start, end), level in levels.items() if start < high and end > low)
        levels[low, high] = 1 + max(below, default=0)
    return levels


def _cross(one: tuple[int, int], other: tuple[int, int]) -> bool:
    (low, high), (start, end) = one, other
    return low < start < high < end or start < low < end < high


def _arrow(
    middles: Sequence[float], arc: tuple[int, int], word: int, relation: str, base: float, level: int, colour: str
) -> tuple[str, str]:
    """An arc from the head to the word with an arrowhead, and the relation on top of it."""
    head = arc[0] if arc[1] == word else arc[1]
    end = middles[word - 1]
    start = middles[head - 1] + (6 if word > head else -6)  # beside the arrow that the head itself gets
    top = base - STEP * level
    control = base - STEP * level * 4 / 3  # a cubic curve comes up to three quarters of this height
    curve = f"M {start:.1f} {base} C {start:.1f} {control:.1f} {end:.1f} {control:.1f} {end:.1f} {base}"
    return _path(curve, end, base, colour), _text((start + end) / 2, top + LABEL_SIZE / 3, relation, LABEL_SIZE, colour)


def _root(x: float, base: float, relation: str) -> tuple[str, str]:
    """The arrow to the root from above, and its relation."""
    top = MARGIN + LABEL_SIZE
    return _path(f"M {x:.1f} {top} V {base}", x, base, PLAIN), _text(x, top - 2, relation, LABEL_SIZE, PLAIN)


def _path(curve: str, x: float, base: float, colour: str) -> str:
    """A line with an arrowhead at x."""
    head = f'<path d="M {x:.1f} {base + 2} l -4 -8 h 8 z" fill="{colour}"/>'
    return f'<path d="{curve}" fill="none" stroke="{colour}"/>{head}'


def _text(x: float, y: float, text: str, size: int, colour: str = "black") -> str:
    """A text around x; white around its letters hides what it crosses."""
    style = f'text-anchor="middle" font-size="{size}" fill="{colour}" stroke="white" stroke-width="5"'
    shown = escape(_NOT_IN_XML.sub("\ufffd", text))
    return f'<text x="{x:.1f}" y="{y:.1f}" {style} paint-order="stroke">{shown}</text>'


__all__ = ["draw_tree"]
