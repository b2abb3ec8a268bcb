"""Sentences of CoNLL-U files, as the treebanks of Universal Dependencies have them, each with its place for errors."""

from dataclasses import dataclass
from pathlib import Path

import conllu
from conllu.exceptions import ParseException
from conllu.models import Token

from .text_files import read_text, shown, split_lines

_COLUMNS = 10


@dataclass(frozen=True)
class ConlluSentence:
    """One sentence.

    Attributes:
        where: the file and line that errors name.
        text: its text as a comment `# text = ` has it; None where there is no such comment.
        words: its words, with the keys of `conllu`: form, upos, head, deprel, misc, ...
        places: where each word is.
    """

    where: str
    text: str | None
    words: list[Token]
    places: list[str]


def read_conllu(path: Path) -> list[ConlluSentence]:
    """Reads a file of CoNLL-U; see `text_files` for encodings, compression and line ends.

    Empty nodes (8.1), which stand for no characters, are left out.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is empty or no CoNLL-U, or has a multiword token (1-2), whose words have no characters of their
            own; names the line and the fix.
    """
    content = read_text(path, "CoNLL-U")
    blocks: list[list[tuple[str, str]]] = [[]]
    for number, line in enumerate(split_lines(path, [content]), 1):
        if line.strip():
            blocks[-1].append((f"{path}, line {number}", line))
        elif blocks[-1]:
            blocks.append([])
    sentences = [_parse(block) for block in blocks if not all(line.startswith("#") for _, line in block)]
    if not sentences:
        raise ValueError(f"{path} has no sentence; expected CoNLL-U with at least one word")
    return sentences


def _parse(block: list[tuple[str, str]]) -> ConlluSentence:
    """The sentence of lines without a blank one, each with its place."""
    rows = [(where, line) for where, line in block if not line.startswith("#")]
    for where, line in rows:
        if (count := len(line.split("\t"))) != _COLUMNS:
            raise ValueError(
                f"{where}: {shown(line)} has {count} columns; a word of CoNLL-U has {_COLUMNS}, with TABs between them"
            )
    try:
        (parsed,) = conllu.parse("\n".join(line for _, line in block))
    except ParseException as error:
        raise ValueError(f"{block[0][0]}: the sentence is not CoNLL-U ({error}); correct it") from error
    words, places = [], []
    for token, (where, line) in zip(parsed, rows, strict=True):
        _check_token(where, line, token, len(words) + 1)
        if isinstance(token["id"], int):
            words.append(token)
            places.append(where)
    return ConlluSentence(block[0][0], parsed.metadata.get("text"), words, places)


def _check_token(where: str, line: str, token: Token, number: int) -> None:
    """Refuses multiword tokens, ids out of order and forms that `conllu` reads otherwise (it splits at two spaces)."""
    index, form = token["id"], line.split("\t")[1]
    if isinstance(index, tuple) and index[1] == "-":
        raise ValueError(
            f"{where}: the multiword token {shown(form)} has words without characters of their own; give its "
            "characters to the words, or leave the sentence out"
        )
    if isinstance(index, int) and index != number:
        raise ValueError(
            f"{where}: {shown(form)} has the id {index}, expected {number}; number the words of a sentence from 1, and "
            "write a blank line between sentences"
        )
    if token["form"] != form or not form.strip():
        raise ValueError(f"{where}: {shown(form)} is no form of a word; write one without two spaces in a row")


__all__ = ["ConlluSentence", "read_conllu"]
