"""Dependency trees as a data set, as inputs of a parser, and written back as CoNLL-U.

The columns are `words`, their `tags` (parts of speech, UPOS; "_" where there is none), `heads` (1..T, 0 = root) and
`relations`, both empty in a sentence without a tree, and `source`, the sentence as its file has it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from datasets import ClassLabel, Dataset, Features, Value
from transformers import PreTrainedTokenizerBase

from .conllu_files import NOTHING, ConlluSentence, conllu_line, read_conllu
from .text_files import shown
from .tree_checks import check_tree

IGNORED = -100
FILLS = {"head_labels": IGNORED, "relation_labels": IGNORED, "tag_ids": 0}  # what is padded beside the tokenizer's keys
FEATURES = Features(
    {
        "words": [Value("string")],
        "tags": [Value("string")],
        "heads": [Value("int64")],
        "relations": [Value("string")],
        "source": Value("string"),
    }
)
_HUB_COLUMNS = ("tokens", "head", "deprel")


@dataclass(frozen=True)
class TreeReport:
    """What the reader met.

    Attributes:
        sentences: all sentences.
        words: all words.
        without_tree: sentences without heads and relations.
        non_projective: trees with arcs that cross.
        longest: words of the longest sentence.
        without_tag: words without a part of speech.
    """

    sentences: int
    words: int
    without_tree: int
    non_projective: int
    longest: int
    without_tag: int


@dataclass(frozen=True)
class TreeCoverage:
    """What the model does not know of the data.

    Attributes:
        words: all words.
        unknown_words: those outside of the vocabulary.
        unknown_relations: words with a relation that the model does not know, and so cannot predict.
        unknown_tags: words with a part of speech that the model does not know, where it reads them.
    """

    words: int
    unknown_words: int
    unknown_relations: int
    unknown_tags: int


def read_trees(path: Path) -> tuple[Dataset, TreeReport]:
    """Reads a file of CoNLL-U: FORM, UPOS, HEAD and DEPREL of every word.

    A tree has one root; its arcs may cross. A sentence whose words all have `_` as HEAD and DEPREL has no tree: it can
    be parsed, but not learnt from. DEPS (enhanced dependencies) are not read.

    Returns:
        The data set (see the module) and its report.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: see `read_conllu` and `check_tree`; a word lacks head or relation. Names the file and line.
    """
    rows = [_row(sentence) for sentence in read_conllu(path, multiword=True)]
    return Dataset.from_list(rows, features=FEATURES), _report(rows)


def from_columns(dataset: Dataset) -> tuple[Dataset, TreeReport]:
    """Converts a data set with the columns tokens, head and deprel, as those of Universal Dependencies on the Hub.

    Args:
        dataset: one split. Heads are integers or strings of them; deprel and, where it is there, upos are strings or
            `ClassLabel` ids.

    Raises:
        ValueError: its columns are of another form, or a row has no tree: names the row.
    """
    missing = [name for name in _HUB_COLUMNS if name not in dataset.column_names]
    if missing:
        raise ValueError(
            f"columns {dataset.column_names} are of no known form: {', '.join(missing)} missing; rename them to "
            f"{', '.join(_HUB_COLUMNS)} and, for parts of speech, upos"
        )
    names = {column: _class_names(dataset.features.get(column)) for column in ("upos", "deprel")}
    rows = [_row_of_columns(f"row {number}", row, names) for number, row in enumerate(dataset)]
    return Dataset.from_list(rows, features=FEATURES), _report(rows)


def _row(sentence: ConlluSentence) -> dict[str, object]:
    heads, relations = [word["head"] for word in sentence.words], [word["deprel"] for word in sentence.words]
    if all(head is None for head in heads) and set(relations) == {NOTHING}:
        heads = relations = []
    for word, where, head, relation in zip(sentence.words, sentence.places, heads, relations, strict=False):
        if head is None or relation in (NOTHING, ""):
            column = "head (HEAD)" if head is None else "relation (DEPREL)"
            raise ValueError(
                f"{where}: {shown(word['form'])} has no {column}; write one for every word, or `_` as both for all "
                "words of a sentence without a tree"
            )
    if heads:
        check_tree(heads, sentence.places)
    return {
        "words": [word["form"] for word in sentence.words],
        "tags": [word["upos"] or NOTHING for word in sentence.words],
        "heads": heads,
        "relations": relations,
        "source": "\n".join(sentence.lines),
    }


def _class_names(feature: object) -> list[str] | None:
    """The names behind the ids of a list of `ClassLabel`; None for a list of something else."""
    item = getattr(feature, "feature", feature[0] if isinstance(feature, list) else None)
    return item.names if isinstance(item, ClassLabel) else None


def _row_of_columns(where: str, row: Mapping[str, list], names: Mapping[str, list[str] | None]) -> dict[str, object]:
    words, heads = row["tokens"], row["head"]
    tags, relations = (_named(row.get(name) or [], names[name]) for name in ("upos", "deprel"))
    tags = tags or [NOTHING] * len(words)
    if not words or {len(heads), len(relations), len(tags)} != {len(words)}:
        raise ValueError(
            f"{where} has {len(words)} tokens, {len(heads)} heads, {len(relations)} relations and {len(tags)} parts of "
            "speech; write one or more words, and one of each for every word"
        )
    if not all(str(head).isdecimal() for head in heads):
        raise ValueError(f"{where}: the heads are {shown(heads)}; needed are integers, 0 for the root")
    for column, found in (("tokens", words), ("upos", tags), ("deprel", relations)):
        if not all(isinstance(name, str) for name in found):
            raise ValueError(f"{where}: the column {column} holds {shown(found)}; needed are strings")
    if NOTHING in relations:
        raise ValueError(
            f"{where}: the word {relations.index(NOTHING) + 1} has no relation (deprel); write one for every word"
        )
    heads = [int(head) for head in heads]
    check_tree(heads, [f"{where}, word {number}" for number in range(1, len(words) + 1)])
    columns = zip(words, tags, heads, relations, strict=True)
    try:
        source = "\n".join(conllu_line(number, *column) for number, column in enumerate(columns, 1))
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    return {"words": words, "tags": tags, "heads": heads, "relations": relations, "source": source}


def _named(values: Sequence[object], names: Sequence[str] | None) -> list[object]:
    """Values by name, where they are ids; "_" for None, an empty name, and -1, which is no id of a `ClassLabel`."""
    if names is not None:
        values = [None if value in (None, -1) else names[value] for value in values]
    return [NOTHING if value in (None, "") else value for value in values]


def _report(rows: Sequence[Mapping[str, list]]) -> TreeReport:
    return TreeReport(
        sentences=len(rows),
        words=sum(len(row["words"]) for row in rows),
        without_tree=sum(not row["heads"] for row in rows),
        non_projective=sum(has_crossing_arcs(row["heads"]) for row in rows),
        longest=max(len(row["words"]) for row in rows),
        without_tag=sum(tag == NOTHING for row in rows for tag in row["tags"]),
    )


def has_crossing_arcs(heads: Sequence[int]) -> bool:
    """Whether a tree is non-projective: some of its arcs, that of the root among them, cross each other."""
    low, high = np.array([sorted(arc) for arc in enumerate(heads, 1)]).reshape(-1, 2).T  # [T] each
    begins_inside = (low[:, None] < low) & (low < high[:, None])  # of every arc (rows) every other (columns)
    return bool((begins_inside & (high[:, None] < high)).any())


def names_of(dataset: Dataset, column: str) -> list[str]:
    """The parts of speech (`tags`) or `relations` that occur, sorted."""
    return sorted({*chain.from_iterable(dataset[column])} - {NOTHING})


def encode_trees(
    dataset: Dataset, tokenizer: PreTrainedTokenizerBase, relations: Sequence[str], tags: Sequence[str]
) -> tuple[Dataset, TreeCoverage]:
    """Turns sentences into the inputs and labels of a parser.

    Args:
        dataset: see the module.
        tokenizer: takes words as they are, one token for each.
        relations: those of the model, in the order of its logits.
        tags: the parts of speech that the model reads, in the order of its ids 1, 2, ...; [] for none.

    Returns:
        The keys of the tokenizer with `head_labels` and `relation_labels`, -100 where nothing is known, and `tag_ids`
        where parts of speech are read; and what the model does not know.
    """
    relation_ids, tag_ids = ({name: index for index, name in enumerate(names)} for names in (relations, tags))

    def encode(batch: dict[str, list]) -> dict[str, list]:
        output = dict(tokenizer(batch["words"], is_split_into_words=True))
        output["head_labels"] = [row or [IGNORED] * len(words) for row, words in _pairs(batch, "heads")]
        output["relation_labels"] = [
            [relation_ids.get(name, IGNORED) for name in row] or [IGNORED] * len(words)
            for row, words in _pairs(batch, "relations")
        ]
        if tags:
            output["tag_ids"] = [[1 + tag_ids.get(name, -1) for name in row] for row in batch["tags"]]
        return output

    encoded = dataset.map(encode, batched=True, remove_columns=dataset.column_names, desc="Tokenising")
    unknown = sum(row.count(tokenizer.unk_token_id) for row in encoded[tokenizer.model_input_names[0]])
    return encoded, TreeCoverage(
        words=sum(map(len, dataset["words"])),
        unknown_words=unknown,
        unknown_relations=sum(name not in relation_ids for row in dataset["relations"] for name in row),
        unknown_tags=sum(name not in tag_ids for row in dataset["tags"] for name in row) if tags else 0,
    )


def _pairs(batch: dict[str, list], name: str) -> zip:
    return zip(batch[name], batch["words"], strict=True)


def with_trees(source: str, heads: Sequence[int], relations: Sequence[str]) -> str:
    """A sentence of CoNLL-U with other heads and relations.

    Only HEAD and DEPREL of its words change: comments, empty nodes, multiword tokens and all other columns stay as they
    are, DEPS among them, which the file has from elsewhere.

    Args:
        source: the lines of the sentence.
        heads: of every word, 1..T, 0 = root.
        relations: of every word.
    """
    lines = source.split("\n")
    words = [number for number, line in enumerate(lines) if line.split("\t", 1)[0].isdecimal()]
    for number, head, relation in zip(words, heads, relations, strict=True):
        columns = lines[number].split("\t")
        columns[6:8] = str(head), relation
        lines[number] = "\t".join(columns)
    return "\n".join(lines)


__all__ = [
    "FILLS",
    "TreeCoverage",
    "TreeReport",
    "encode_trees",
    "from_columns",
    "has_crossing_arcs",
    "names_of",
    "read_trees",
    "with_trees",
]
