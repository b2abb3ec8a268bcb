"""Scores of spelling correction, by sentence and by character, and what they cost in right text.

A row is the text as it was written, the right one and what the model makes of it, all of one length. An error is a
character that is wrong in the text as it was written; a change is a character in which the model's text differs from
it.

By character:
    detection   precision: changes at an error / changes; recall: errors that are changed / errors
    correction  precision: changes that give the right character / changes; recall: errors that become right / errors

By sentence, as in SIGHAN's bake-offs a sentence counts if all of its errors, and only they, are found:
    detection   precision: sentences in which all errors and nothing else is changed / sentences with a change;
                recall: the same / sentences with an error
    correction  the same of sentences that become right as a whole

(The bake-offs' own tool counts as false positives only right sentences that are changed; here, as in the papers since,
a sentence with errors in which others are changed lowers the precision too.)

F1 is the harmonic mean of both; a figure without a denominator is 0.

The price:
    false_alarms  changes at right characters per 1,000 right Chinese characters that the model sees
    broken_texts  right sentences that are changed / right sentences
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from .spelling_data import OTHER

LEVELS = ("detection", "correction", "sentence_detection", "sentence_correction")
PARTS = ("precision", "recall", "f1")
SCORES = (*(f"{level}_{part}" for level in LEVELS for part in PARTS), "false_alarms", "broken_texts")


class Scored(NamedTuple):
    """A row with what was predicted for it.

    Attributes:
        text: as it was written.
        correct: the right text.
        predicted: what the model makes of it.
        kinds: of the errors, in their order.
        seen: how many right Chinese characters the model sees.
    """

    text: str
    correct: str
    predicted: str
    kinds: Sequence[str]
    seen: int


def spelling_scores(rows: Sequence[Scored]) -> dict[str, float]:
    """The figures of the module's docstring, by the names of `SCORES`.

    Raises:
        ValueError: the texts of a row have different lengths.
    """
    hits = dict.fromkeys(LEVELS, 0)
    errors = changes = wrong = changed = false_alarms = seen = broken = 0
    for row in rows:
        places = [a != b for a, b in zip(row.text, row.correct, strict=True)]
        moved = [a != b for a, b in zip(row.text, row.predicted, strict=True)]
        hits["detection"] += sum(map(bool.__and__, places, moved))
        hits["correction"] += sum(move and p == c for move, p, c in zip(moved, row.predicted, row.correct, strict=True))
        hits["sentence_detection"] += any(places) and places == moved
        hits["sentence_correction"] += any(places) and row.predicted == row.correct
        errors, changes = errors + sum(places), changes + sum(moved)
        wrong, changed = wrong + any(places), changed + any(moved)
        false_alarms += sum(move and not place for move, place in zip(moved, places, strict=True))
        broken += any(moved) and not any(places)
        seen += row.seen
    scores: dict[str, float] = {}
    for level in LEVELS:
        of_sentences = level.startswith("sentence")
        precision = _ratio(hits[level], changed if of_sentences else changes)
        recall = _ratio(hits[level], wrong if of_sentences else errors)
        f1 = _ratio(2 * precision * recall, precision + recall)
        scores |= zip((f"{level}_{part}" for part in PARTS), (precision, recall, f1), strict=True)
    return {
        **scores,
        "false_alarms": _ratio(1000 * false_alarms, seen),
        "broken_texts": _ratio(broken, len(rows) - wrong),
    }


def scores_by_kind(rows: Sequence[Scored]) -> dict[str, dict[str, float]]:
    """The recall of detection and of correction, by character, and the number of errors, for every kind of error."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in rows:
        errors = [place for place, (a, b) in enumerate(zip(row.text, row.correct, strict=True)) if a != b]
        for place, kind in zip(errors, row.kinds, strict=True):
            found, right = row.predicted[place] != row.text[place], row.predicted[place] == row.correct[place]
            counts[kind] = [old + new for old, new in zip(counts[kind], (1, found, right), strict=True)]
    names = sorted(counts, key=lambda kind: (kind == OTHER, kind))
    return {
        kind: {
            "detection_recall": counts[kind][1] / counts[kind][0],
            "correction_recall": counts[kind][2] / counts[kind][0],
            "support": counts[kind][0],
        }
        for kind in names
    }


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


__all__ = ["SCORES", "Scored", "scores_by_kind", "spelling_scores"]
