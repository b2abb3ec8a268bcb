"""Sentences with tags in columns, as CoNLL has them: a token per line, first its characters, last its tag."""

import re
from collections.abc import Iterable

from .ner_records import Sentence


def parse_columns(lines: Iterable[tuple[str, str]]) -> tuple[list[Sentence], int]:
    """Groups the lines of a token-per-line file; returns the sentences and the number of -DOCSTART- lines."""
    sentences: list[Sentence] = []
    marks, count, is_open = 0, 0, False
    for where, line in lines:
        mark = line.startswith("-DOCSTART-")
        if mark or not line.strip(" \t"):
            marks, is_open = marks + mark, False
            continue
        fields = _split_line(line)
        count = count or max(2, len(fields))  # the first line says how many columns all lines have
        if len(fields) != count or not fields[0] or not fields[-1].strip():
            raise ValueError(
                f"{where}: {line!r} has the columns {fields}, expected {count} as in the first line, of which the "
                "first is a token and the last its tag; write one token and one tag in every line, separated by a TAB"
            )
        if not is_open:
            sentences.append(Sentence(where, tokens=[], tags=[]))
            is_open = True
        sentences[-1].tokens.append(fields[0])
        sentences[-1].tags.append(fields[-1].strip())
    return sentences, marks


def _split_line(line: str) -> list[str]:
    # a token may itself be white space, even the separator: split what follows, with a letter in the token's position
    if line[0].isspace() and line[1:2] in (" ", "\t"):
        return [line[0], *_split_line("x" + line[1:])[1:]]
    return line.split("\t") if "\t" in line else re.split(" +", line.rstrip(" "))


def strip_positions(sentences: list[Sentence]) -> bool:
    """Takes the positions within words off the tokens, if all have them (see `read_ner`); returns whether they had."""
    tokens = [token for sentence in sentences for token in sentence.tokens]
    if not all(len(token) > 1 and token[-1] in "0123456789" for token in tokens):
        return False
    if not all(sentence.tokens[0].endswith("0") for sentence in sentences):
        return False
    for sentence in sentences:
        position = -1
        for index, token in enumerate(sentence.tokens):
            # digits of the token itself may stand before its position: "50" is 5 of position 0
            following = str(position + 1)
            counts_on = token.endswith(following) and len(token) > len(following)
            digits = following if counts_on else token[-1]
            sentence.tokens[index], position = token.removesuffix(digits), int(digits)
    return True


__all__ = ["parse_columns", "strip_positions"]
