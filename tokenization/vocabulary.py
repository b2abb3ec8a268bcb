"""Reading a WordPiece vocabulary, and checking it before a tokenizer is built on it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from transformers.utils import logging

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def read_vocabulary(source: str | Path | Mapping[str, int], required: Sequence[str]) -> dict[str, int]:
    """Reads a WordPiece vocabulary: a file with one token a line (its id is the line's number, from 0), or a mapping.

    A token that stands twice keeps its last line, as in BERT; how many do is logged as a warning.

    Args:
        source: path of vocab.txt, or token -> id.
        required: tokens that must be there, e.g. [UNK].

    Returns:
        token -> id.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: not UTF-8, empty, a required token is missing, or an id is negative or given twice.
    """
    if isinstance(source, Mapping):
        name, vocabulary = "the vocabulary given", dict(source)
        if len(set(vocabulary.values())) < len(vocabulary) or min(vocabulary.values(), default=0) < 0:
            raise ValueError(f"{name} gives an id to two tokens or has a negative one; ids must be distinct and >= 0")
    else:
        name, vocabulary = str(source), _numbered(source)
    missing = [token for token in required if token not in vocabulary]
    if not vocabulary or missing:
        raise ValueError(
            f"{name} has {len(vocabulary)} tokens and lacks {missing}; a vocabulary has one token a line, and every "
            "special token among them (other names are given as unk_token=..., cls_token=... and so on)"
        )
    return vocabulary


def check_rows(vocabulary: Mapping[str, int]) -> None:
    """Refuses a vocabulary whose ids cannot be the rows of a glyph bank, or of a table of embeddings.

    Raises:
        ValueError: the ids are not 0..V-1.
    """
    if max(vocabulary.values()) >= len(vocabulary):
        raise ValueError(
            f"the vocabulary has {len(vocabulary)} tokens, but ids up to {max(vocabulary.values())}; the ids are rows "
            "of the model's tables and must be 0, 1, 2, ... without a gap (a file must not repeat a token)"
        )


def read_lines(path: str | Path, what: str, entry: str) -> list[str]:
    """Reads a file with one entry a line, as it stands there.

    Args:
        path: of the file.
        what: it is, for errors: "vocabulary".
        entry: what a line holds, for errors: "token".

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not UTF-8.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no {what} file {path}; it must be a text file with one {entry} a line")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 (byte {error.start}): save it as UTF-8, one {entry} a line") from error
    lines = [line.rstrip("\r") for line in text.split("\n")]
    return lines[:-1] if lines[-1] == "" else lines


def _numbered(path: str | Path) -> dict[str, int]:
    tokens = read_lines(path, "vocabulary", "token")
    vocabulary = {token: index for index, token in enumerate(tokens)}
    if len(vocabulary) < len(tokens):
        logger.warning(
            f"{path}: {len(tokens) - len(vocabulary)} of {len(tokens)} lines repeat a token; the last of each counts"
        )
    return vocabulary


__all__ = ["SPECIAL_TOKENS", "check_rows", "read_lines", "read_vocabulary"]
