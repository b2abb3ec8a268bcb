"""Sentences as JSON records or rows of a data set: text with offsets, CLUENER's form, or tokens with tags."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .tag_schemes import Entity
from .text_files import shown

TAG_COLUMNS = ("ner_tags", "tags", "labels")
_SURFACES = ("text", "mention", "surface")  # keys of an entity that hold its text, if it has one
FORMS = (
    'text with entities [{"start", "end", "label"}] (end exclusive); tokens with one of '
    f"{', '.join(TAG_COLUMNS)}; or, in JSON lines only, text with label "
    "{type: {surface: [[start, end]]}} (CLUENER, end inclusive)"
)


@dataclass
class Sentence:
    """One sentence as read: either its text with entities, or its tokens with tags.

    Attributes:
        where: the file and line, or the row, that errors name.
        text: its text, empty where it has tokens.
        entities: entities of the text.
        tokens: its tokens; None where it has a text.
        tags: the tags of the tokens.
        places: where each token is, if each has a line of its own.
    """

    where: str
    text: str = ""
    entities: Sequence[Entity] = ()
    tokens: list[str] | None = None
    tags: Sequence[str] = ()
    places: Sequence[str] = ()

    def locate(self, index: int) -> str:
        """Where a token is: its line, or its number in its record."""
        return self.places[index] if self.places else f"{self.where}, token {index + 1}"


def parse_record(where: str, record: dict[str, Any], names: Sequence[str] | None) -> Sentence:
    """Reads a record of any form; `names` are the names of its tags where those are ids."""
    text, tokens, entities = (record.get(name) for name in ("text", "tokens", "entities"))
    tag_columns = [name for name in TAG_COLUMNS if name in record]
    # a column of that name that holds something else, as the topics of a text in `tags`, is not looked at
    lists = [name for name in tag_columns if isinstance(record[name], list)]
    has_entities = isinstance(text, str) and isinstance(entities, list | dict)
    if tokens is not None and tag_columns and not (has_entities and not (lists and isinstance(tokens, list))):
        tags = record[(lists or tag_columns)[0]]
        return Sentence(where, tokens=tokens, tags=_check_tags(where, tokens, tags, names))
    if has_entities:
        return Sentence(where, text, _parse_entities(where, text, entities))
    if isinstance(text, str) and isinstance(record.get("label"), dict):
        return Sentence(where, text, _parse_cluener(where, text, record["label"]))
    raise ValueError(f"{where} is of no known form: {shown(record)}; write one of: {FORMS}")


def _check_tags(where: str, tokens: Any, tags: Any, names: Sequence[str] | None) -> list[str]:
    if not (isinstance(tokens, list) and isinstance(tags, list) and len(tokens) == len(tags)):
        raise ValueError(
            f"{where}: tokens {shown(tokens)} and tags {shown(tags)} are not two lists of one length; pair them"
        )
    if names is not None:
        outside = [tag for tag in tags if tag is None or not 0 <= tag < len(names)]
        if outside:
            raise ValueError(
                f"{where}: tag ids {shown(outside)} outside 0..{len(names) - 1}, those of the column; correct them"
            )
        tags = [names[tag] for tag in tags]
    odd = [item for item in (*tokens, *tags) if not isinstance(item, str) or not item]
    if odd:
        raise ValueError(
            f"{where}: tokens and tags are strings that are not empty, not {shown(odd[:10])}; write the tags' names, "
            "or give a dataset whose tag column is a ClassLabel"
        )
    return tags


def _parse_entities(where: str, text: str, entities: list[Any] | dict[str, Any]) -> list[Entity]:
    if isinstance(entities, dict):  # what datasets makes of a Sequence of dicts
        try:
            entities = [dict(zip(entities, values, strict=True)) for values in zip(*entities.values(), strict=True)]
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where}: entities {shown(entities)} need lists of one length; pair them") from error
    for entity in entities:
        if not isinstance(entity, dict) or not {"start", "end", "label"} <= set(entity):
            raise ValueError(f"{where}: entity {shown(entity)} lacks one of start, end, label; write all three")
    checked = [_check_entity(where, text, entity["start"], entity["end"], entity["label"]) for entity in entities]
    for entity, (start, end, label) in zip(entities, checked, strict=True):
        surface = next((entity[name] for name in _SURFACES if isinstance(entity.get(name), str)), None)
        if surface is not None and "".join(surface.split()) != "".join(text[start:end].split()):
            raise ValueError(
                f"{where}: entity {label!r} from {start} to {end} (exclusive) is {shown(text[start:end])} in the text, "
                f"but {shown(surface)} in itself; correct its offsets, in characters, the end exclusive"
            )
    return checked


def _parse_cluener(where: str, text: str, labels: dict[str, Any]) -> list[Entity]:
    entities: list[Entity] = []
    for label, surfaces in labels.items():
        for surface, spans in surfaces.items() if isinstance(surfaces, dict) else [(surfaces, None)]:
            if not isinstance(spans, list) or not all(isinstance(span, list) and len(span) == 2 for span in spans):
                raise ValueError(f"{where}: {label!r} has {shown(surfaces)}, expected {{surface: [[start, end], ...]}}")
            for start, last in spans:
                end = last + 1 if type(last) is int else last  # CLUENER's ends are inclusive
                entities.append(_check_entity(where, text, start, end, label))
                if text[start:end] != surface:
                    raise ValueError(
                        f"{where}: {label!r} at [{start}, {last}] is {shown(text[start:end])} in the text, but "
                        f"{shown(surface)} in the label; correct the offsets, both inclusive, in characters"
                    )
    return entities


def _check_entity(where: str, text: str, start: Any, end: Any, label: Any) -> Entity:
    if not (type(start) is type(end) is int and 0 <= start < end <= len(text) and isinstance(label, str) and label):
        raise ValueError(
            f"{where}: entity from {start!r} to {end!r} (exclusive) of label {label!r} needs a label and "
            f"0 <= start < end <= {len(text)}, the length of its text; correct its offsets, in characters, or its label"
        )
    return Entity(start, end, label)


__all__ = ["FORMS", "TAG_COLUMNS", "Sentence", "parse_record"]
