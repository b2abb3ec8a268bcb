"""Parts of a test set by what its texts hold: polyphones, or characters outside of a vocabulary.

    parts = subsets(texts, {"with polyphones": polyphones()})
    scores = part_scores(rows, parts["with polyphones"])

MPM-CNER's Tables 7 and 8 split test sets so, by whole texts, without saying which characters count; the definitions
here are ours, and the number of texts stands beside every figure.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

from .exact_entities import ExactEntities

USUAL_SHARE = 0.1  # of the phrases that hold a character, from which on a reading is in frequent use
FEWEST_PHRASES = 3


@cache
def polyphones() -> frozenset[str]:
    """The characters with two or more readings in frequent use.

    A reading is in frequent use if at least 3, and at least a tenth, of those of pypinyin's 47,111 phrases that hold
    the character read it so. With its bare list of readings nearly every text would hold a polyphone. A reading counts
    as pypinyin writes it: tone sandhi stays below a tenth, and a neutral tone is a reading of its own.
    """
    # not at the top: the table takes a tenth of a second
    from pypinyin.phrases_dict import phrases_dict

    readings: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for phrase, syllables in phrases_dict.items():
        if len(phrase) == len(syllables):
            for character, syllable in zip(phrase, syllables, strict=True):
                readings[character][syllable[0]] += 1
    return frozenset(character for character, counts in readings.items() if len(_usual(counts)) > 1)


def _usual(counts: Counter[str]) -> list[str]:
    least = max(FEWEST_PHRASES, USUAL_SHARE * counts.total())
    return [reading for reading, count in counts.items() if count >= least]


def unknown_characters(texts: Sequence[str], vocabulary: Collection[str]) -> frozenset[str]:
    """The characters of texts, white space aside, that neither as they are nor in lower case are in a vocabulary."""
    found = {character for text in texts for character in text if not character.isspace()}
    known = set(vocabulary)
    return frozenset(character for character in found if not {character, character.lower()} & known)


def subsets(texts: Sequence[str], characters: dict[str, Collection[str]]) -> dict[str, list[bool]]:
    """For each named set of characters, whether a text holds one of them, by text."""
    named = {name: frozenset(some) for name, some in characters.items()}
    return {name: [not some.isdisjoint(text) for text in texts] for name, some in named.items()}


def part_scores(rows: Sequence[dict[str, Any]], chosen: Sequence[bool]) -> dict[str, float]:
    """Exact entities of the chosen texts.

    Args:
        rows: of predictions.jsonl: "entities" that were found and "gold" ones.
        chosen: whether a row counts, by row.

    Returns:
        texts, entities (gold ones), precision, recall and f1; the last three are nan where there is no gold entity.

    Raises:
        ValueError: the numbers of rows differ.
    """
    part = [row for row, count in zip(rows, chosen, strict=True) if count]
    found, gold = [row["entities"] for row in part], [row["gold"] for row in part]
    counts = {"texts": len(part), "entities": sum(map(len, gold))}
    if not counts["entities"]:
        return {**counts, **dict.fromkeys(("precision", "recall", "f1"), float("nan"))}
    return {**counts, **ExactEntities(keep_in_memory=True).compute(predictions=found, references=gold)}


__all__ = ["part_scores", "polyphones", "subsets", "unknown_characters"]
