"""Files of semantic roles: Universal Propositions (UP 2.0, CoNLL-U-plus) and CoNLL-2009, as sentences with predicates.

Both have one word in a line, with TABs between its columns and a blank line between sentences. UP names its columns in
a comment before the words, `# global.columns = ID FORM ...`, or has the ten of CoNLL-U and its own three behind;
CoNLL-2009 has fourteen columns, and one more for every predicate of the sentence.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .conllu_files import NOTHING, read_blocks
from .text_files import shown
from .tree_checks import check_tree

NO_ROLE = "O"  # the label of a word that has no role, beside the roles
_CONLLU = ["ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC"]
_UP = [*_CONLLU, "UP:PRED", "UP:ARGHEADS", "UP:ARGSPANS"]
_SYNTAX = ["LEMMA", "PLEMMA", "POS", "PPOS", "FEAT", "PFEAT", "HEAD", "PHEAD", "DEPREL", "PDEPREL"]
_CONLL_2009 = ["ID", "FORM", *_SYNTAX, "FILLPRED", "PRED"]
_NAMED = re.compile(r"#+\s*global\.columns\s*=")
# what of a word is read, from which column: of UP, then of CoNLL-2009 as annotated by hand and by programs
_COLUMNS = {
    "up": {"form": "FORM", "tag": "UPOS", "head": "HEAD", "relation": "DEPREL"},
    "gold": {"form": "FORM", "tag": "POS", "head": "HEAD", "relation": "DEPREL"},
    "predicted": {"form": "FORM", "tag": "PPOS", "head": "PHEAD", "relation": "PDEPREL"},
}
SYNTAX = ("gold", "predicted")
_FORMS = (
    "a file of UP has `# global.columns = ID FORM ...` before its words or 13 columns, those of CoNLL-U, UP:PRED, "
    "UP:ARGHEADS and UP:ARGSPANS; CoNLL-2009 has 14 columns and one more for every predicate of the sentence"
)


@dataclass
class Predicate:
    """A predicate: its word (0 is the first), its sense ("be.01") and its arguments, each a word and its role."""

    word: int
    sense: str
    arguments: list[tuple[int, str]] = field(default_factory=list)


@dataclass
class SrlSentence:
    """A sentence: of every word its form, part of speech, head (1..T, 0 = root) and relation; and its predicates."""

    forms: list[str]
    tags: list[str]
    heads: list[int]
    relations: list[str]
    predicates: list[Predicate]


Line = tuple[str, dict[str, str], list[str]]  # where it is, its named cells, and those of the predicates (CoNLL-2009)


def read_sentences(path: Path, syntax: str = "gold") -> Iterator[SrlSentence]:
    """The sentences of a file; see `text_files` for encodings, compression and line ends.

    Args:
        path: the file.
        syntax: which columns of CoNLL-2009 the tags, heads and relations are from, "gold" (POS, HEAD, DEPREL) or
            "predicted" (PPOS, PHEAD, PDEPREL). UP has one of each.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is of neither form, or a line cannot be read without loss; names the file, the line and the fix.
    """
    blocks = read_blocks(path, "semantic roles (UP or CoNLL-2009)")
    names = _global_columns([line for block in blocks for line in block])
    lines = [[line for line in block if not line[1].startswith("#")] for block in blocks]
    lines = [block for block in lines if block]
    if not lines:
        raise ValueError(f"{path} has no sentence, only comments; {_FORMS}")
    if names is None:
        names = _columns_by_number(*lines[0][0])
    is_up = names is not _CONLL_2009
    if is_up and syntax != "gold":
        raise ValueError(f"syntax={syntax!r} is for CoNLL-2009, and {path} is a file of UP, with one tree a sentence")
    columns = _COLUMNS["up" if is_up else syntax]
    for block in lines:
        words = list(_read_lines(block, names, is_up))
        predicates = _up_predicates(words) if is_up else _conll_predicates(words)
        yield _sentence(words, columns, predicates)


def _global_columns(lines: Sequence[tuple[str, str]]) -> list[str] | None:
    """The names of the columns of UP, where a comment before the words has them; files that were joined repeat it."""
    first = next(index for index, (_, line) in enumerate([*lines, ("", "")]) if not line.startswith("#"))
    named = [(where, line) for where, line in lines if line.startswith("#") and _NAMED.match(line)]
    if not named:
        return None
    found = [_NAMED.sub("", line).split() for _, line in named]
    (where, _), names = named[0], found[0]
    for (place, line), others in zip(named, found, strict=True):
        if named[0] not in lines[:first] or others != names:
            raise ValueError(
                f"{place}: {shown(line)} is not what stands before the first word of the file; write it there, and "
                "give files with other columns one by one"
            )
    if len(set(names)) < len(names):
        raise ValueError(f"{where}: the file has the columns {' '.join(names)}, one of them twice; name each once")
    missing = [name for name in ("ID", "FORM", "UPOS", "HEAD", "DEPREL", "UP:PRED", "UP:ARGHEADS") if name not in names]
    if missing:
        raise ValueError(
            f"{where}: the file has the columns {' '.join(names)}, without {', '.join(missing)}; write the columns of "
            "the words (CoNLL-U) and those of the roles into one file"
        )
    return names


def _columns_by_number(where: str, line: str) -> list[str]:
    count = len(line.split("\t"))
    if count < len(_UP):
        raise ValueError(f"{where}: {shown(line)} has {count} columns; {_FORMS}")
    return _UP if count == len(_UP) else _CONLL_2009


def _read_lines(block: Sequence[tuple[str, str]], names: Sequence[str], is_up: bool) -> Iterator[Line]:
    """The words of a sentence; without the empty nodes of CoNLL-U (8.1), which stand for no characters."""
    number = 0
    for where, line in block:
        cells = line.split("\t")
        if len(cells) < len(names) or (is_up and len(cells) > len(names)):
            raise ValueError(
                f"{where}: {shown(line)} has {len(cells)} columns; the words of this file have {len(names)}"
                f"{'' if is_up else ' and one more for every predicate'}, with TABs between them"
            )
        named = dict(zip(names, cells, strict=False))
        if is_up and "." in named["ID"]:
            continue
        number += 1
        if named["ID"] != str(number):
            raise ValueError(
                f"{where}: {shown(named['FORM'])} has the id {shown(named['ID'])}, expected {number}; number the words "
                "of a sentence from 1, without multiword tokens (1-2), and write a blank line between sentences"
            )
        yield where, named, cells[len(names) :]


def _up_predicates(words: Sequence[Line]) -> list[Predicate]:
    """The predicates of a sentence of UP: `UP:ARGHEADS` has `A1:5|A1:10`, or `_`."""
    predicates = []
    for index, (where, cells, _) in enumerate(words):
        sense, arguments = cells["UP:PRED"], cells["UP:ARGHEADS"]
        if not sense or sense != sense.strip():
            raise ValueError(
                f"{where}: {shown(cells['FORM'])} has {shown(sense)} as predicate (UP:PRED); write its sense, or _ if "
                "it is none"
            )
        if sense == NOTHING:
            if arguments != NOTHING:
                raise ValueError(
                    f"{where}: {shown(cells['FORM'])} has the arguments {shown(arguments)} and no predicate (UP:PRED); "
                    "write its sense, or take the arguments out"
                )
            continue
        predicate = Predicate(index, sense)
        for part in arguments.split("|") if arguments != NOTHING else []:
            role, _, number = part.rpartition(":")
            if not number.isdecimal() or not 1 <= int(number) <= len(words):
                raise ValueError(
                    f"{where}: the argument {shown(part)} is no role of a word of this sentence; write ROLE:WORD with "
                    f"a word from 1 to {len(words)}, and | between two of them"
                )
            _add(predicate, int(number) - 1, role, where)
        predicates.append(predicate)
    return predicates


def _conll_predicates(words: Sequence[Line]) -> list[Predicate]:
    """The predicates of a sentence of CoNLL-2009: the n-th word with Y in FILLPRED has its roles in the n-th APRED."""
    predicates = []
    for index, (where, cells, _) in enumerate(words):
        if cells["FILLPRED"] not in ("Y", NOTHING) or (cells["PRED"] != NOTHING and cells["FILLPRED"] != "Y"):
            raise ValueError(
                f"{where}: {shown(cells['FORM'])} has FILLPRED {shown(cells['FILLPRED'])} and PRED "
                f"{shown(cells['PRED'])}; a predicate has Y and its sense, every other word _ and _"
            )
        if cells["FILLPRED"] == "Y":
            predicates.append(Predicate(index, cells["PRED"]))
    for index, (where, _, roles) in enumerate(words):
        if len(roles) != len(predicates):
            raise ValueError(
                f"{where}: the line has {len(roles)} columns of roles (APRED) and its sentence {len(predicates)} "
                "predicates; write one column for each of them, with _ where a word has no role"
            )
        for predicate, cell in zip(predicates, roles, strict=True):
            for role in cell.split("|") if cell != NOTHING else []:
                _add(predicate, index, role, where)
    return predicates


def _add(predicate: Predicate, word: int, role: str, where: str) -> None:
    role = role.strip()
    if role in ("", NOTHING, NO_ROLE):
        raise ValueError(f"{where}: {shown(role)} is no name of a role; write one such as A0 or AM-TMP")
    if (word, role) in predicate.arguments:
        raise ValueError(f"{where}: word {word + 1} has the role {role} of this predicate twice; write it once")
    predicate.arguments.append((word, role))


def _sentence(words: Sequence[Line], columns: Mapping[str, str], predicates: list[Predicate]) -> SrlSentence:
    heads = []
    for where, cells, _ in words:
        form, head = cells[columns["form"]], cells[columns["head"]].strip()
        if not form.strip():
            raise ValueError(f"{where}: {shown(form)} is no form of a word; write one")
        if not head.isdecimal():
            raise ValueError(
                f"{where}: {shown(form)} has the head {shown(head)} ({columns['head']}); write the number of a word, "
                "or 0 for the root: pruning follows the tree (run_parsing.py makes one)"
            )
        heads.append(int(head))
    check_tree(heads, [where for where, _, _ in words])
    forms = [cells[columns["form"]] for _, cells, _ in words]
    # white space at an end is no part of a name, and an empty cell is none
    tags, relations = (
        [cells[columns[name]].strip() or NOTHING for _, cells, _ in words] for name in ("tag", "relation")
    )
    return SrlSentence(forms, tags, heads, relations, predicates)


__all__ = ["NO_ROLE", "SYNTAX", "Predicate", "SrlSentence", "read_sentences"]
