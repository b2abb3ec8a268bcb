"""Words of CoNLL-U files as entities that cover the text: for word segmentation (CWS) and parts of speech (POS).

A tagger that finds entities then finds words, and exact entities are the usual figures: a word counts if both of its
ends are right, for POS its part of speech too.
"""

from pathlib import Path

from datasets import Dataset

from .conllu_files import ConlluSentence, read_conllu
from .ner_data import FEATURES, ReadReport
from .text_files import shown

SEGMENTS = "W"  # the label of every word in word segmentation
# what the words of CoNLL-U are labelled with, by task
LABELS = {"cws": SEGMENTS, "pos": "UPOS"}


def is_conllu(path: Path) -> bool:
    """Whether a file is named as one of CoNLL-U; an ending for its compression does not matter."""
    return ".conllu" in [suffix.lower() for suffix in path.suffixes[-2:]]


def read_words(path: Path, label: str, joiner: str = "") -> tuple[Dataset, ReadReport]:
    """Reads a file of CoNLL-U.

    The text of a sentence is that of its comment `# text = `. Without one its words are joined: by a space unless the
    word says SpaceAfter=No or, in a file in which no word says so, by `joiner`, but by a space between two letters or
    digits (Latin, Greek, Cyrillic ...), which would become one word.

    Args:
        path: the file.
        label: what a word is labelled with: "W", which is the same for all, or "UPOS".
        joiner: what stands between two words of a file that does not say it.

    Returns:
        The dataset (see `ner_data`), of which every word is an entity, and its report.

    Raises:
        ValueError: see `read_conllu`; a word has no UPOS, or does not stand in its text.
    """
    sentences = read_conllu(path)
    says_spaces = any(_has_no_space(word) for sentence in sentences for word in sentence.words)
    rows = [_row(sentence, label, joiner, says_spaces) for sentence in sentences]
    count = sum(len(sentence.words) for sentence in sentences)
    return Dataset.from_list(rows, features=FEATURES), ReadReport(len(rows), count, repairs=0, overlapping=0)


def _row(sentence: ConlluSentence, label: str, joiner: str, says_spaces: bool) -> dict[str, object]:
    text = sentence.text or _join(sentence, joiner, says_spaces)
    entities, end = [], 0
    for word, where in zip(sentence.words, sentence.places, strict=True):
        form, name = word["form"], SEGMENTS if label == SEGMENTS else word["upos"]
        start = end + len(text[end:]) - len(text[end:].lstrip())
        if not text.startswith(form, start):
            raise ValueError(
                f"{where}: {shown(form)} is not what its text goes on with, {shown(text[start : start + 20])}; correct "
                "the text or the word"
            )
        if name in (None, "_"):
            raise ValueError(f"{where}: {shown(form)} has no part of speech (UPOS); write one for every word")
        end = start + len(form)
        entities.append({"start": start, "end": end, "label": name})
    if text[end:].strip():
        raise ValueError(f"{sentence.where}: the text ends in {shown(text[end:])}, which no word has; correct it")
    return {"text": text, "entities": entities}


def _join(sentence: ConlluSentence, joiner: str, says_spaces: bool) -> str:
    parts = []
    for word, following in zip(sentence.words, [*sentence.words[1:], None], strict=True):
        parts.append(word["form"])
        if following is None:
            break
        if says_spaces:
            parts.append("" if _has_no_space(word) else " ")
        else:
            would_merge = _is_alphabetic(word["form"][-1]) and _is_alphabetic(following["form"][0])
            parts.append(joiner or " " * would_merge)
    return "".join(parts)


def _has_no_space(word: dict) -> bool:
    return (word["misc"] or {}).get("SpaceAfter") == "No"


def _is_alphabetic(character: str) -> bool:
    return character.isalnum() and character < "\u2e80"  # from here on characters are Chinese, Japanese, Korean


__all__ = ["LABELS", "SEGMENTS", "is_conllu", "read_words"]
