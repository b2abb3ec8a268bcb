"""Sentences of CoNLL-U files, as the treebanks of Universal Dependencies have them, each with its place for errors."""

import re
from dataclasses import dataclass
from pathlib import Path

from conllu.exceptions import ParseException
from conllu.models import Token
from conllu.parser import DEFAULT_FIELD_PARSERS, DEFAULT_FIELDS, parse_comment_line

from .text_files import read_text, shown, split_lines

NOTHING = "_"  # a cell without a value
_OF_SENTENCE = re.compile(r"#\s*(sent_id|text)\s*=")  # comments that a sentence must follow


@dataclass(frozen=True)
class ConlluSentence:
    """One sentence.

    Attributes:
        where: the file and line that errors name.
        text: its text as a comment `# text = ` has it; None where there is no such comment.
        words: its words, with the keys of `conllu`: form, upos, head, deprel, misc, ...
        places: where each word is.
        lines: its lines as they were read, with comments, empty nodes and multiword tokens; before them what stands
            between it and the sentence before.
    """

    where: str
    text: str | None
    words: list[Token]
    places: list[str]
    lines: list[str]


def read_conllu(path: Path, multiword: bool = False) -> list[ConlluSentence]:
    """Reads a file of CoNLL-U; see `text_files` for encodings, compression and line ends.

    Empty nodes (8.1), which stand for no characters, are no words; remarks between blank lines are no sentences.

    Args:
        path: the file.
        multiword: whether multiword tokens (1-2) may stand before their words; they are no words themselves.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is empty or no CoNLL-U, has a sentence without words or, unless they are allowed, a multiword
            token, whose words have no characters of their own; names the line and the fix.
    """
    sentences: list[ConlluSentence] = []
    remarks: list[tuple[str, str]] = []
    for block in read_blocks(path, "CoNLL-U"):
        if all(line.startswith("#") for _, line in block):
            remarks += [*block, ("", "")]
        else:
            sentences.append(_parse(block, multiword, [line for _, line in remarks]))
            _check_remarks(remarks)
            remarks = []
    if not sentences:
        raise ValueError(f"{path} has no sentence; expected CoNLL-U with at least one word")
    _check_remarks(remarks)
    sentences[-1].lines.extend(line for _, line in [("", ""), *remarks[:-1]] if remarks)
    return sentences


def read_blocks(path: Path, kind: str) -> list[list[tuple[str, str]]]:
    """The lines of a file between blank ones, each with the place that errors name: "FILE, line 3".

    Args:
        path: the file; see `text_files` for encodings, compression and line ends.
        kind: what it should hold, for messages.

    Returns:
        A list of (place, line) for each block, none of which is empty.

    Raises:
        FileNotFoundError: see `text_files.read_text`.
        ValueError: see `text_files.read_text`.
    """
    blocks: list[list[tuple[str, str]]] = [[]]
    for number, line in enumerate(split_lines(path, [read_text(path, kind)]), 1):
        if line.strip():
            blocks[-1].append((f"{path}, line {number}", line))
        elif blocks[-1]:
            blocks.append([])
    return [block for block in blocks if block]


def _check_remarks(remarks: list[tuple[str, str]]) -> None:
    """Refuses comments of a sentence that no word follows."""
    for where, line in remarks:
        if _OF_SENTENCE.match(line):
            raise ValueError(f"{where}: no word follows {shown(line)}; remove the empty sentence, or write its words")


def _parse(block: list[tuple[str, str]], multiword: bool, before: list[str]) -> ConlluSentence:
    """The sentence of lines without a blank one, each with its place."""
    rows = [(where, line) for where, line in block if not line.startswith("#")]
    comments = dict(pair for _, line in block if line.startswith("#") for pair in parse_comment_line(line))
    words, places = [], []
    for where, line in rows:
        token = _read_token(where, line)
        _check_token(where, token, len(words) + 1, multiword)
        if isinstance(token["id"], int):
            words.append(token)
            places.append(where)
    if not words:
        raise ValueError(f"{block[0][0]}: the sentence has no words but {shown(rows[0][1])}; write them, or remove it")
    lines = [*before, *(line for _, line in block)]
    return ConlluSentence(block[0][0], comments.get("text"), words, places, lines)


def _read_token(where: str, line: str) -> Token:
    """The cells of a line as `conllu` reads each; TABs alone part them, where for `conllu` two spaces do so too."""
    cells = line.split("\t")
    if len(cells) != len(DEFAULT_FIELDS):
        raise ValueError(
            f"{where}: {shown(line)} has {len(cells)} columns; a word of CoNLL-U has {len(DEFAULT_FIELDS)}, with TABs "
            "between them"
        )
    cells[2:] = map(str.strip, cells[2:])  # but for id and form, white space at an end is no part of a name
    token = Token(zip(DEFAULT_FIELDS, cells, strict=True))
    for name in DEFAULT_FIELD_PARSERS:
        try:
            token[name] = DEFAULT_FIELD_PARSERS[name](cells, DEFAULT_FIELDS.index(name))
        except ParseException as error:
            what = f"{name}: {error}"
            raise ValueError(f"{where}: the sentence is not CoNLL-U ({what}): {shown(line)}; correct it") from error
    return token


def _check_token(where: str, token: Token, number: int, multiword: bool) -> None:
    """Refuses multiword tokens, ids out of order, and forms that are none."""
    index, form = token["id"], token["form"]
    if isinstance(index, tuple) and index[1] == "-" and not multiword:
        raise ValueError(
            f"{where}: the multiword token {shown(form)} has words without characters of their own; give its "
            "characters to the words, or leave the sentence out"
        )
    if index is None or (isinstance(index, int) and index != number):
        raise ValueError(
            f"{where}: {shown(form)} has the id {index}, expected {number}; number the words of a sentence from 1, and "
            "write a blank line between sentences"
        )
    if not _is_form(form):
        raise ValueError(f"{where}: {shown(form)} is no form of a word; write one without two spaces in a row")


def _is_form(word: str) -> bool:
    """Whether CoNLL-U can hold a word as its FORM: readers of it, `conllu` among them, take two spaces as a TAB."""
    return bool(word.strip()) and "  " not in word


def conllu_line(number: int, word: str, tag: str, head: int, relation: str) -> str:
    """The line of a word; columns of which nothing is known hold `_`.

    Raises:
        ValueError: the word, its part of speech or relation has a TAB or a line end; the word is white space, or has
            two spaces in a row.
    """
    if not _is_form(word):
        raise ValueError(f"{shown(word)} is no word that CoNLL-U can hold; write one without two spaces in a row")
    for cell in (word, tag, relation):
        if any(end in cell for end in "\t\n\r"):
            raise ValueError(f"{shown(cell)} has a TAB or a line end, which CoNLL-U cannot hold; take it out")
    columns = [str(number), word, NOTHING, tag, NOTHING, NOTHING, str(head), relation, NOTHING, NOTHING]
    return "\t".join(columns)


__all__ = ["NOTHING", "ConlluSentence", "conllu_line", "read_blocks", "read_conllu"]
