"""A metric of `evaluate`: precision, recall and F1 of exact entities, over all gold entities.

    metric = evaluate.load(hanziformers.training.metrics.EXACT_ENTITIES)
    metric.compute(predictions=[[{"start": 0, "end": 2, "label": "LOC"}]], references=[[...]])

`evaluate.load` copies this file and the siblings that it imports; nothing is fetched from the Hub.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import evaluate
from datasets import Features, Value

from .metric_rows import CheckedRows
from .tag_schemes import Entity, decode_tags, detect_scheme

_DESCRIPTION = "Precision, recall and F1 of named entities: an entity is right if start, end and label are."
_INPUTS = """
Both inputs have one list for each text, of one of two forms:
    entities: {"start": int, "end": int, "label": str}, in characters, the end exclusive. They may overlap.
        Further keys, such as "text", are not read.
    tags: strings of one tag scheme ("B-PER"), as many predictions as references for a text. The scheme is detected:
        one for both inputs or, where they are of different schemes, one for each.
Args:
    by_label: whether to add "by_label": precision, recall, f1 and support of every label.
Returns:
    precision, recall and f1 (micro averages, 0 to 1; 0 where nothing was predicted or nothing is to be found).
"""
_ENTITIES = [{"start": Value("int64"), "end": Value("int64"), "label": Value("string")}]
_TAGS = [Value("string")]


class ExactEntities(CheckedRows, evaluate.Metric):
    """Counts entities that are exactly right, against all predicted and all gold ones.

    A gold entity that overlaps another counts like every other one: a flat prediction misses one of the two.
    """

    def _info(self) -> evaluate.MetricInfo:
        # entities come first: data without any entity fit both forms, but data of tags have tags
        forms = [Features({"predictions": form, "references": form}) for form in (_ENTITIES, _TAGS)]
        return evaluate.MetricInfo(
            description=_DESCRIPTION, citation="", inputs_description=_INPUTS, features=forms, format=None
        )

    def plain_row(self, row: Any) -> Any:
        """Drops what an entity has beside start, end and label; a row of tags stays as it is."""
        if not isinstance(row, list | tuple):
            return row
        for item in row:
            if isinstance(item, dict) and not item.keys() >= set(Entity._fields):
                raise ValueError(f"{item} is no entity; give one with {', '.join(Entity._fields)}")
        return [{key: item[key] for key in Entity._fields} if isinstance(item, dict) else item for item in row]

    def _compute(
        self, predictions: list[list[Any]], references: list[list[Any]], by_label: bool = False
    ) -> dict[str, Any]:
        if any(isinstance(row[0], str) for row in (*predictions, *references) if row):
            predictions, references = _from_tags(predictions, references)
        predicted, gold = _count(predictions), _count(references)
        hits = predicted & gold  # the smaller count of each: an entity that is given twice is not right twice
        result: dict[str, Any] = _scores(hits.total(), predicted.total(), gold.total())
        if by_label:
            counts = [_by_label(one) for one in (hits, predicted, gold)]
            labels = sorted({*counts[1], *counts[2]})
            result["by_label"] = {
                label: {**_scores(*(count[label] for count in counts)), "support": counts[2][label]} for label in labels
            }
        return result


def _from_tags(
    predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]]
) -> tuple[list[list[dict]], list[list[dict]]]:
    """The entities of tag sequences, in positions of their tags."""
    for row, (predicted, gold) in enumerate(zip(predictions, references, strict=True)):
        if len(predicted) != len(gold):
            raise ValueError(f"row {row} has {len(predicted)} predicted tags and {len(gold)} references; give one each")
    try:
        # predictions alone may lack the prefixes that tell a scheme from another
        schemes = [detect_scheme([*predictions, *references])] * 2
    except ValueError:
        schemes = [detect_scheme(predictions), detect_scheme(references)]
    sides = zip((predictions, references), schemes, strict=True)
    return tuple(
        [[entity._asdict() for entity in decode_tags(tags, scheme)[0]] for tags in rows] for rows, scheme in sides
    )


def _count(rows: Iterable[Iterable[dict]]) -> Counter[tuple[int, Entity]]:
    """How often each entity is named, with the number of its text."""
    return Counter((number, Entity(**entity)) for number, row in enumerate(rows) for entity in row)


def _by_label(counts: Counter[tuple[int, Entity]]) -> Counter[str]:
    labels: Counter[str] = Counter()
    for (_, entity), count in counts.items():
        labels[entity.label] += count
    return labels


def _scores(hits: int, predicted: int, gold: int) -> dict[str, float]:
    precision = hits / predicted if predicted else 0.0
    recall = hits / gold if gold else 0.0
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    return {"precision": precision, "recall": recall, "f1": f1}


__all__ = ["ExactEntities"]
