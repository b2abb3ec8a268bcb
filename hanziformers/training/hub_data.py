"""Data sets as `datasets` reads them, of the Hub or a folder; what it cannot read is an error that says what to do."""

from collections.abc import Iterable, Iterator
from glob import escape
from pathlib import Path
from typing import Any

from datasets import load_dataset
from datasets.exceptions import DatasetNotFoundError, DatasetsError

_HINT = (
    "give the files of the data set by name ({option}): they are read without `datasets`, and errors name file and line"
)
# what `datasets` and pyarrow raise for files that they cannot read; those of pyarrow are ValueErrors of its own
_FAULTS = (DatasetsError, OSError, EOFError, LookupError, TypeError, ValueError, StopIteration, RuntimeError)


def load_data_set(name: str, config: str | None, option: str, **options: Any) -> Any:
    """`datasets.load_dataset`.

    Args:
        name: the data set of the Hub, or a folder.
        config: its configuration, None for the default.
        option: the option that takes files instead, for messages: "--train_file".
        **options: of `load_dataset`.

    Raises:
        DatasetNotFoundError: there is none of that name on the Hub.
        FileNotFoundError: there is none of that name.
        ValueError: it cannot be read; the message says why, and what to do.
    """
    try:
        return load_dataset(name, config, **options)
    except (DatasetNotFoundError, FileNotFoundError) as error:
        if Path(name).is_dir() and escape(name) != name:
            raise ValueError(
                f"no data were found in {name}: `datasets` takes the brackets or stars of the name for a pattern; "
                f"rename the folder, or {_HINT.format(option=option)}"
            ) from error
        raise
    except _FAULTS as error:
        raise ValueError(
            f"the data set {name} cannot be read ({_cause(error)}); {_HINT.format(option=option)}"
        ) from error


def read_rows(rows: Iterable[dict[str, Any]], option: str) -> Iterator[dict[str, Any]]:
    """The rows of a streamed data set.

    Args:
        rows: the stream.
        option: see `load_data_set`.

    Raises:
        ValueError: it cannot be read on: after how many rows, why, and what to do.
    """
    number = 0
    try:
        for row in rows:
            number += 1
            yield row
    except _FAULTS as error:
        if type(error) is ValueError:  # of this package's readers, with file, line and fix
            raise
        raise ValueError(
            f"the data set cannot be read on after {number} rows ({_cause(error)}); {_HINT.format(option=option)}"
        ) from error


def _cause(error: BaseException) -> str:
    """What went wrong, in one line; the error below where there is one: the one above only says that it failed."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {str(error)[:300]}".replace("\n", " ")


__all__ = ["load_data_set", "read_rows"]
