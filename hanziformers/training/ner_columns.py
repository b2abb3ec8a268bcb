"""Sentences with tags in columns, as CoNLL has them: a token per line, first its characters, last its tag."""

import re
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

from transformers.utils import logging

from .ner_records import Sentence
from .table_files import usual_width
from .text_files import shown

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*

# A file of one sentence, without a blank line at its end, is taken for one that lacks its blank lines from here on.
_LONG = 200
_ENDS, _CLOSING = ("。", "！", "？", "!", "?"), ("”", "’", "」", "』", "）", ")", "】", "》", '"', "'")
_ENOUGH_TOKENS = 10  # tokens of a file from which on numbers are taken for ids, and the form of most decides
# names of the columns of tokens and of tags
_TOKEN_NAME = re.compile(
    r"\W*(?:chars?|characters?|hanzi|tokens?|words?|texts?|forms?|sentences?|字|字符|[汉漢单單文]字|词|詞|[单單]?[词詞][语語]?"
    r"|文本|原文|句子|[内內]容)\W*",
    re.IGNORECASE,
)
_TAG_NAME = re.compile(
    r"(?:[\W_\d]*(?:ner|nes?|named|entit(?:y|ies)|tags?|labels?|types?|class(?:es)?|categor(?:y|ies)|names?|targets?|gold"
    r"|bioe?s?|bmeso?|bilou|iob|slots?|annotations?|[实實][体體]|命名|[标標][签籤注註记記识識]|[类類][别別型]?|名[称稱]))+[\W_\d]*",
    re.IGNORECASE,
)
_ID = re.compile(r"[\w.:#-]*\d", re.ASCII)  # 12, 3-4, doc3, Sentence:1


class _Row(NamedTuple):
    where: str  # for errors
    line: str
    fields: list[str]


def parse_columns(lines: Iterable[tuple[str, str]]) -> tuple[list[Sentence], int]:
    """Groups the lines of a token-per-line file; returns the sentences and the number of -DOCSTART- lines.

    Raises:
        ValueError: a line has more or fewer columns than the others, the first column holds numbers or ids, all tokens
            end in the same separator, a blank line ends every single token, or a line holds the names of columns.
    """
    sentences: list[Sentence] = []
    rows: list[_Row] = []
    marks, is_open = 0, False
    for where, line in lines:
        mark = line.startswith("-DOCSTART-")
        if mark or not line.strip(" \t"):
            marks, is_open = marks + mark, False
            continue
        rows.append(_Row(where, line, _split_line(line)))
        if not is_open:
            sentences.append(Sentence(where, tokens=[], tags=[], places=[]))
            is_open = True
        sentences[-1].places.append(where)
    _check_rows(rows)
    taken = iter(rows)
    for sentence in sentences:
        for row in islice(taken, len(sentence.places)):
            sentence.tokens.append(row.fields[0])
            sentence.tags.append(row.fields[-1].strip())
    _check_tokens(sentences, len(rows[0].fields) if rows else 0)
    _check_separators(sentences)
    _check_names(sentences)
    return sentences, marks


def _split_line(line: str) -> list[str]:
    # a token may itself be white space, even the separator: split what follows, with a letter in the token's position
    if line[0].isspace() and line[1:2] in (" ", "\t"):
        return [line[0], *_split_line("x" + line[1:])[1:]]
    return line.split("\t") if "\t" in line else re.split(" +", line.rstrip(" "))


def _check_rows(rows: Sequence[_Row]) -> None:
    if not rows:
        return
    count, whose = usual_width([len(row.fields) for row in rows])
    count = max(2, count)
    for where, line, fields in rows:
        if len(fields) != count or not fields[0] or not fields[-1].strip():
            raise ValueError(
                f"{where}: {shown(line)} has the columns {shown(fields)}, expected {count} {whose}, of which the first "
                "is a token and the last its tag; write one token and one tag in every line, separated by a TAB"
            )


def _check_tokens(sentences: Sequence[Sentence], columns: int) -> None:
    """Refuses a first column of ids: tokens numbered 1, 2, 3, sentences doc1, doc1, doc2, ids of a vocabulary."""
    tokens = [token for sentence in sentences for token in sentence.tokens]
    counts = len(tokens) > 2 and all(
        sentence.tokens[0] in ("0", "1")
        and sentence.tokens == [str(int(sentence.tokens[0]) + index) for index in range(len(sentence.tokens))]
        for sentence in sentences
    )
    numbers = len(tokens) >= _ENOUGH_TOKENS and all(token.isdigit() for token in tokens)
    ids = columns > 2 and all(_ID.fullmatch(token) for token in tokens)
    if tokens and (counts or numbers or ids):
        raise ValueError(
            f"{sentences[0].where}: the first column holds {shown(tokens[:5])}, which are numbers or ids, not tokens, "
            "as in all lines; write the token in the first column and its tag in the last"
        )


def _check_separators(sentences: Sequence[Sentence]) -> None:
    """Refuses separators that are none of the form: `我, O` in every line, a blank line after every token."""
    tokens = [token for sentence in sentences for token in sentence.tokens]
    if len(tokens) < _ENOUGH_TOKENS:
        return
    end = tokens[0][-1]
    if not end.isalnum() and all(len(token) > 1 and token[-1] == end for token in tokens):
        raise ValueError(
            f"{sentences[0].where}: the token {shown(tokens[0])} ends in {end!r}, as all tokens do, which separates "
            "columns rather than belongs to the tokens; separate token and tag by one TAB and nothing else"
        )
    if len(tokens) == len(sentences):
        raise ValueError(
            f"{sentences[1].where}: a blank line ends every token, so that each would be a sentence; leave out the "
            "blank lines within sentences"
        )


def _check_names(sentences: Sequence[Sentence]) -> None:
    """Refuses a line of names of columns, `char entity`: no other token has its tag."""
    places: dict[str, set[tuple[str, bool]]] = {}  # by tag: the tokens, and whether they begin a sentence
    for sentence in sentences:
        for index, (token, tag) in enumerate(zip(sentence.tokens, sentence.tags, strict=True)):
            places.setdefault(tag, set()).add((token, index == 0))
    for sentence in sentences:
        token, tag = sentence.tokens[0], sentence.tags[0]
        if places[tag] == {(token, True)} and _TOKEN_NAME.fullmatch(token) and _TAG_NAME.fullmatch(tag):
            raise ValueError(
                f"{sentence.where}: {shown(token)} has the tag {shown(tag)}, as no other token has: the line holds the "
                "names of columns; remove it"
            )


def check_one_sentence(sentence: Sentence, has_end: bool = False) -> None:
    """Checks the one sentence of a file: it may be a file that lacks all blank lines. A warning says that it is one.

    Args:
        sentence: the sentence.
        has_end: whether a blank line stands after it, which says that it is one; there is a warning if it is long.

    Raises:
        ValueError: no blank line stands after it, and it is long, or goes on after the end of a sentence.
    """
    tokens = sentence.tokens
    whole = f"{sentence.where}: the whole file is one sentence of {len(tokens)} tokens"
    if has_end:
        if len(tokens) > _LONG:
            logger.warning(f"{whole}; if it is not, write a blank line after every sentence")
        return
    end = next((index for index, token in enumerate(tokens) if token.startswith(_ENDS)), len(tokens))
    further = next((index for index in range(end, len(tokens)) if not tokens[index].startswith(_ENDS + _CLOSING)), None)
    if further is not None or len(tokens) > _LONG:
        after = "" if further is None else f"; after its end it goes on at {sentence.locate(further)}"
        raise ValueError(
            f"{sentence.where}: no blank line ends a sentence, so that the whole file would be one of "
            f"{len(tokens)} tokens{after}; write a blank line after every sentence (at the end of the file "
            "too, if it is one sentence)"
        )
    logger.warning(f"{whole}, as no blank line ends one; write a blank line after every sentence, and after the last")


def strip_positions(sentences: list[Sentence]) -> bool:
    """Takes the positions within words off the tokens, if all have them (see `read_ner`); returns whether they had.

    Raises:
        ValueError: nearly all tokens have a position, and a few do not.
    """
    total = sum(len(sentence.tokens) for sentence in sentences)
    lacking = [(s, index) for s in sentences for index, token in enumerate(s.tokens) if not _has_position(token, index)]
    if lacking and total >= 2 * _ENOUGH_TOKENS and len(lacking) * 10 < total:
        sentence, index = lacking[0]
        raise ValueError(
            f"{sentence.locate(index)}: the token {shown(sentence.tokens[index])} does not end in its position within "
            f"its word (0 at the beginning of a sentence), as {total - len(lacking)} of {total} tokens do; write it, "
            "or leave the positions out everywhere"
        )
    if lacking:
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


def _has_position(token: str, index: int) -> bool:
    return len(token) > 1 and token[-1] in "0123456789" and (index > 0 or token[-1] == "0")


__all__ = ["check_one_sentence", "parse_columns", "strip_positions"]
