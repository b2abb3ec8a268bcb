"""Entity spans and tag sequences, each converted into the other; positions are those of the sequence, ends exclusive.

A tag is `O`, or a prefix, a hyphen and a label: `B-PER.NOM`. The label is everything after the first hyphen.
"""

import re
from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

# The schemes by name, with the prefixes each may use. In IOB1 an entity begins with B only right after another of its
# label, in IOB2 always. BMES and BILOU are BIOES under other letters. IOE1 and IOE2 are not read: a tag that ends an
# entity, without any B, does not say where the entity began.
SCHEMES: dict[str, str] = {
    "IO": "IO",
    "IOB1": "BIO",
    "IOB2": "BIO",
    "BIOES": "BIOES",
    "BMES": "BMESO",
    "BILOU": "BILOU",
}
ALIASES: dict[str, str] = {"BIO": "IOB2", "BMESO": "BMES"}

_TO_BIOES = {"BMES": str.maketrans("M", "I"), "BILOU": str.maketrans("LU", "ES")}
_FROM_BIOES = {"BMES": str.maketrans("I", "M"), "BILOU": str.maketrans("ES", "LU")}
# not two tags in one, of entities that nest (`B-PER|B-ORG`, `I-PER|O`)
_PREFIXED = re.compile(r"[BIMELSU]-(?!.*[^\w-](?:[BIMELSU]-|O$)).", re.DOTALL)
# What is no plain label name: a lone prefix, one letter before a separator (`X-PER`, `B_PER`, `B:PER`), a prefix at the
# end (`PER-B`, `PER(B)`) or as a word, nothing but digits and marks (`0`, `_`).
_NOT_BARE = re.compile(r"[BIMELSU]?$|.[\W_]|.*[\W_][BIMELSU]\W?$|[\W\d_]*$|(?i:begin|inside)[\W_]", re.DOTALL)
# What stands for "no entity", or names a column, in files of other forms: no label either.
_NO_LABELS = {
    *("o", "none", "null", "nil", "nan", "na", "n/a", "out", "outside", "无", "非实体"),
    *("pad", "[pad]", "<pad>", "[cls]", "[sep]", "tag", "tags", "label", "labels", "ner", "ner_tag", "ner_tags"),
    *("标签", "标注"),
}


class TagSchemeError(ValueError):
    """Tags are of no known scheme; `tags` are those that do not fit."""

    def __init__(self, message: str, tags: Iterable[str]) -> None:
        super().__init__(message)
        self.tags = frozenset(tags)


class Entity(NamedTuple):
    """A labelled span: `start` is its first position, `end` the position after its last."""

    start: int
    end: int
    label: str


def detect_scheme(sequences: Iterable[Sequence[str]]) -> str:
    """Names the scheme of tag sequences from the prefixes that occur in all of them together.

    The first that holds: only I and O, or names without any prefix (`PER`) beside O, are IO; only B, I and O are IOB1
    if every B directly follows a tag of its own label, else IOB2; E or S without M is BIOES; M is BMES; L or U is
    BILOU. Sequences of nothing but O are IO.

    Args:
        sequences: the tags of each sentence; read once.

    Returns:
        A key of `SCHEMES`.

    Raises:
        TagSchemeError: if no scheme has all the prefixes, some tags have a prefix and others none, an entity's end is
            marked but no beginning is, tags without prefix have no O among them or have a prefix without hyphen
            (`BPER`, `IPER`), or a tag is neither prefixed nor a plain name: it is a number, a mark, a word for no
            entity (`none`), or two tags in one (`B-PER|B-ORG`).
    """
    found: set[str] = set()
    every_b_follows_its_label = True
    for tags in sequences:
        found.update(tags)
        for before, tag in pairwise(("O", *tags)):
            every_b_follows_its_label &= tag[:2] != "B-" or (before != "O" and before[2:] == tag[2:])
    has_outside = "O" in found
    found.discard("O")
    prefixed = {tag for tag in found if _PREFIXED.match(tag)}
    if not prefixed and (has_outside or not found) and all(map(_is_name, found)) and not _joined(found):
        return "IO"
    prefixes = {tag[0] for tag in prefixed}
    fitting = [name for name, allowed in SCHEMES.items() if prefixes <= set(allowed)]
    if prefixed != found or not fitting or (prefixes & set("EL") and "B" not in prefixes):
        raise _no_scheme(found, prefixed)
    return "IOB2" if fitting[0] == "IOB1" and not every_b_follows_its_label else fitting[0]


def _no_scheme(found: set[str], prefixed: set[str]) -> TagSchemeError:
    """The error for tags, O left out, that no scheme has together; it names those that do not fit."""
    prefixes = {tag[0] for tag in prefixed}
    if prefixed == found:
        # those whose prefix the scheme that has most of the prefixes lacks; else those that end what never begins
        best = max(SCHEMES.values(), key=lambda allowed: len(prefixes & set(allowed)))
        odd = {tag for tag in prefixed if tag[0] not in best} or {tag for tag in prefixed if tag[0] in "EL"}
    elif prefixed:
        odd = found - prefixed
    else:
        odd = {tag for tag in found if not _is_name(tag)} or _joined(found) or found
    with_prefix, without = ([tag[:40] for tag in sorted(some)[:10]] for some in (prefixed, found - prefixed))
    return TagSchemeError(
        f"tags of no known scheme: prefixes {sorted(prefixes)}, tags {with_prefix}, "
        f"tags without a known prefix and label {without}; allowed are {_allowed()}, or names of labels without "
        "prefix, and O for what is outside of entities; rename the tags to one scheme, the same in the whole data "
        "(ids to the names they stand for)",
        odd,
    )


def decode_tags(tags: Sequence[str], scheme: str) -> tuple[list[Entity], int]:
    """Reads the entities out of one tag sequence, repairing what breaks the scheme.

    Repairs lose no tag: one that should continue an entity but has none of its label before it opens one; an entity
    whose end is not marked ends where the next tag does not continue it.

    Args:
        tags: the tags of one sentence.
        scheme: a key of `SCHEMES` or `ALIASES`.

    Returns:
        The entities in order, in positions of `tags`, and the number of tags that broke the scheme.

    Raises:
        ValueError: if the scheme is unknown or a tag has a prefix that the scheme does not.
    """
    name = _known(scheme)
    rules = _rules(name)
    entities: list[Entity] = []
    broken: set[int] = set()
    start, label = 0, ""  # the open entity; no label: none is open
    for position, tag in enumerate((*tags, "O")):  # the last O closes an entity that is still open
        prefix, tag_label = _split(tag, name)
        continues = prefix in ("I", "E") and tag_label == label
        if _breaks(prefix, tag_label == label, rules):
            broken.add(position)
        if label and not continues:
            entities.append(Entity(start, position, label))
            if rules == "BIOES":
                broken.add(position - 1)
            label = ""
        if prefix != "O" and not continues:
            start, label = position, tag_label
        if prefix in ("E", "S"):
            entities.append(Entity(start, position + 1, label))
            label = ""
    return entities, len(broken)


def encode_tags(entities: Iterable[Entity], length: int, scheme: str = "IOB2") -> list[str]:
    """Writes entities as one tag sequence, the inverse of `decode_tags`.

    Args:
        entities: entities in any order, within 0..length and without overlap (see `split_overlaps`).
        length: the number of tags to write.
        scheme: a key of `SCHEMES` or `ALIASES`.

    Returns:
        `length` tags.

    Raises:
        ValueError: if the scheme is unknown, an entity is empty, has no label or lies outside 0..length, two overlap,
            or the scheme is IO and two of one label touch, which IO cannot tell from one entity.
    """
    name = _known(scheme)
    rules = _rules(name)
    letters = _FROM_BIOES.get(name, {})
    tags = ["O"] * length
    before = Entity(0, 0, "")
    for entity in sorted(Entity(*entity) for entity in entities):
        start, end, label = entity
        if not 0 <= start < end <= length or not label:
            raise ValueError(f"{entity} needs a label and 0 <= start < end <= {length}; correct its offsets or label")
        if start < before.end:
            raise ValueError(f"{before} and {entity} overlap, tags are flat; choose with split_overlaps first")
        touches = start == before.end and label == before.label
        if touches and rules == "IO":
            raise ValueError(f"{before} and {entity} touch, in IO they become one; use IOB2 or BIOES")
        prefixes = ["I"] * (end - start)
        if rules in ("IOB2", "BIOES") or (rules == "IOB1" and touches):
            prefixes[0] = "B"
        if rules == "BIOES":
            prefixes[-1] = "E" if end - start > 1 else "S"
        tags[start:end] = [f"{prefix.translate(letters)}-{label}" for prefix in prefixes]
        before = entity
    return tags


def split_overlaps(entities: Iterable[Entity]) -> tuple[list[Entity], list[Entity]]:
    """Chooses entities that do not overlap, for flat tagging: greedily the longest first, ties by start, then label.

    Args:
        entities: entities in any order.

    Returns:
        The entities kept, to which none of the others can be added, and those left over; each sorted.
    """
    kept: list[Entity] = []  # sorted
    left_over: list[Entity] = []
    for entity in sorted(entities, key=lambda entity: (entity.start - entity.end, entity)):  # longest first
        # those kept do not overlap: only the last that starts before this one ends can reach into it
        before = bisect_left(kept, (entity.end,)) - 1
        if before >= 0 and kept[before].end > entity.start:
            left_over.append(entity)
        else:
            insort(kept, entity)
    return kept, sorted(left_over)


def _is_name(tag: str) -> bool:
    """Whether a tag without prefix may name a label."""
    return not _NOT_BARE.match(tag) and tag.casefold() not in _NO_LABELS


def _joined(tags: set[str]) -> set[str]:
    """The tags that are a prefix and a label without hyphen: the same label stands after B and after I, M or E."""
    labels = {tag[1:] for tag in tags if tag[0] == "B"} & {tag[1:] for tag in tags if tag[0] in "IME"}
    return {tag for tag in tags if tag[0] in "BIME" and tag[1:] in labels}


def _allowed() -> str:
    return ", ".join(f"{name} ({' '.join(prefixes)})" for name, prefixes in SCHEMES.items())


def _known(scheme: str) -> str:
    """Resolves an alias; raises ValueError for a name that is no scheme's."""
    name = ALIASES.get(scheme, scheme)
    if name not in SCHEMES:
        raise ValueError(f"unknown tag scheme {scheme!r}; use one of {', '.join((*SCHEMES, *ALIASES))}")
    return name


def _rules(name: str) -> str:
    """Returns the scheme whose rules `name` follows: BIOES for those that only rename its letters."""
    return "BIOES" if name in _TO_BIOES else name


def _split(tag: str, name: str) -> tuple[str, str]:
    """Splits a tag into its prefix, in the letters of `_rules(name)`, and its label; a bare label of IO is an I."""
    if tag == "O":
        return "O", ""
    if _PREFIXED.match(tag) and tag[0] in SCHEMES[name]:
        return tag[0].translate(_TO_BIOES.get(name, {})), tag[2:]
    if name == "IO" and not _PREFIXED.match(tag) and _is_name(tag):
        return "I", tag
    raise ValueError(
        f"tag {tag!r} is not of the scheme {name}; allowed are O and, each with a hyphen and a label, "
        f"{' '.join(SCHEMES[name].replace('O', ''))}; pass the scheme that detect_scheme names"
    )


def _breaks(prefix: str, same_label: bool, rules: str) -> bool:
    """Whether a tag cannot stand where it does, given whether an entity of its label is open just before it."""
    if rules == "IOB1":
        return prefix == "B" and not same_label
    return rules in ("IOB2", "BIOES") and prefix in ("I", "E") and not same_label
