"""Styles of Chinese writing, and which other style renders what a style lacks.

By itself a style takes its usual fallback style (`FALLBACK_STYLES`). In a set of styles two of them could so become
one: without fonts of their own clerical and tablet script are both Kai. A model that reads them as channels would see
the same image twice. So where the usual fallbacks of a set coincide, each of its styles takes one that no other style
of the set shows, and is blank where there is none near to it. Two blank styles would be one image again: all but one
take a style further away, as long as there is one. Which one does not depend on the order of the styles, nor on the
fonts of a machine. Sets without such a coincidence render as their styles do by themselves, and so do Song, Hei, Kai
and styles that a user has named in any set.
"""

from collections.abc import Iterable, Sequence

# style -> the style that renders what it lacks
FALLBACK_STYLES = {
    "song": "hei",
    "hei": "song",
    "kai": "song",
    "fangsong": "song",
    "xingkai": "kai",
    "cao": "xingkai",
    "brush": "kai",
    "lishu": "kai",
    "wei": "kai",
    "seal": "kai",
    "bronze": "seal",
    "oracle": "seal",
    "bigseal": "seal",
    "traditional": "song",
}
STYLES = tuple(FALLBACK_STYLES)
_LAST = ("song", "hei", "kai", "other")  # end every chain: other scripts, rare characters

# Scripts older than the simplified characters: they render the traditional form of a character, where they have it.
TRADITIONAL_STYLES = ("traditional", "lishu", "seal", "bronze", "oracle", "bigseal")

_COMMON = ("song", "hei", "kai", "traditional", "xingkai", "cao", "brush")  # shipped fonts cover common characters

# In a set whose usual fallbacks coincide: the styles that may render what a style lacks, the nearest first. The style
# that stands first chooses first.
_NEAREST = {
    "fangsong": ("song", "hei", "kai"),
    "lishu": ("kai", "brush", "xingkai"),
    "wei": ("kai", "brush", "xingkai"),
    "seal": ("kai", "xingkai"),
    "bigseal": ("seal", "kai"),
    "bronze": ("seal", "kai"),
    "oracle": ("seal", "kai"),
    "xingkai": ("kai",),
    "cao": ("kai",),
    "brush": ("kai",),
}
_FURTHER = ("brush", "xingkai", "kai", "hei", "song", "cao")  # of those that would be blank beside another blank style


def with_fallbacks(name: str) -> list[str]:
    """The style and its usual fallbacks, each once, in the order in which they are tried."""
    order = [name]
    following = FALLBACK_STYLES.get(name, "song")
    while following not in order:  # song and hei are each other's fallback
        order.append(following)
        following = FALLBACK_STYLES[following]
    return list(dict.fromkeys([*order, *_LAST]))


def fallbacks_of(styles: Sequence[str]) -> dict[str, list[str]]:
    """Which styles render what the styles of one set lack.

    Args:
        styles: their names.

    Returns:
        Style -> its fallback styles, in the order in which they are tried; none: what it lacks stays blank.

    Example:
        >>> fallbacks_of(["lishu", "wei"])
        {'lishu': ['kai'], 'wei': ['brush']}
    """
    return {name: with_fallbacks(name)[1:] for name in styles} | distinct_fallbacks(styles)


def distinct_fallbacks(styles: Sequence[str]) -> dict[str, list[str]]:
    """Of `fallbacks_of` those that are not the usual ones, because these coincide; they may leave characters blank."""
    if not _coincide(styles):
        return {}
    shown = {*styles, *(["song"] if "traditional" in styles else [])}
    chosen = {}
    for name in _NEAREST:
        if name in styles:
            chosen[name] = _first_free(_NEAREST[name], shown)
            shown.update(chosen[name])
    blank = [name for name in chosen if not {name, *chosen[name]} & {*_COMMON}]
    for name in blank[:-1]:
        chosen[name] += _first_free(_FURTHER, shown)
        shown.update(chosen[name])
    return chosen


def _coincide(styles: Sequence[str]) -> bool:
    """Whether two styles of a set would usually render most characters alike; Song and its traditional form may."""
    names = set(styles)
    shown = [_shown_by(name) for name in names if name != "traditional"]
    shown += ["song"] if "traditional" in names and "song" not in names else []
    return len(set(shown)) < len(shown)


def _shown_by(name: str) -> str:
    """The style in which a style by itself renders most common characters."""
    if name not in _NEAREST:  # complete, or of a user's own: its fonts are the user's
        return name
    return next(style for style in with_fallbacks(name) if style in _COMMON)


def _first_free(nearest: Iterable[str], shown: set[str]) -> list[str]:
    """The styles that nobody shows, up to the first that covers all common characters."""
    free = []
    for style in nearest:
        if style not in shown:
            free.append(style)
            if style in _COMMON:
                break
    return free


__all__ = ["FALLBACK_STYLES", "STYLES", "TRADITIONAL_STYLES", "distinct_fallbacks", "fallbacks_of", "with_fallbacks"]
