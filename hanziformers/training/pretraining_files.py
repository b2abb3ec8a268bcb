"""The text of a pre-training: which files, what is held out for validation, and the documents as a stream."""

from dataclasses import dataclass, field
from glob import glob
from pathlib import Path

from datasets import IterableDataset, load_dataset
from transformers.utils import logging

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*


@dataclass
class TextArguments:
    """Which text: files, or a data set of the Hub."""

    train_files: list[str] = field(default_factory=list, metadata={"help": "paths or patterns: .txt, .jsonl, also .gz"})
    validation_files: list[str] = field(
        default_factory=list, metadata={"help": "as train_files; these files are not trained on"}
    )
    dataset_name: str | None = field(default=None, metadata={"help": "in place of files: data set of the Hub"})
    dataset_config_name: str | None = field(default=None, metadata={"help": "configuration of that data set"})
    text_column: str = field(default="text", metadata={"help": "column of JSON lines or data set that holds the text"})


def find_files(patterns: list[str]) -> dict[str, str]:
    """Finds files, each once: resolved path -> path as it was given; a pattern without files stands for itself."""
    found: dict[str, str] = {}
    for path in (path for pattern in patterns for path in sorted(glob(pattern)) or [pattern]):
        found.setdefault(str(Path(path).resolve()), path)
    return found


def text_files(args: TextArguments, split: str) -> list[str]:
    """Finds the files of `train` or `validation` and logs them; what is held out for validation is not trained on.

    Raises:
        FileNotFoundError: a path or pattern without a file.
        ValueError: JSON lines and plain text mixed; no training file that is not held out.
    """
    found = find_files(getattr(args, f"{split}_files"))
    # resolved paths are compared, so that links and other ways of writing a path are seen
    held_out = found.keys() & find_files(args.validation_files).keys() if split == "train" else set()
    files = [path for resolved, path in found.items() if resolved not in held_out]
    missing = [path for path in files if not Path(path).is_file()]
    if missing:
        raise FileNotFoundError(f"there is no file {missing[0]}; give paths or patterns that match files")
    if held_out and not files:
        raise ValueError(f"the train files are all validation files too: {[*found.values()]}; give others to train on")
    kinds = {"json" if ".json" in Path(path).name else "text" for path in files}
    if len(kinds) > 1:
        raise ValueError(f"the {split} files are JSON lines and plain text mixed: {files}; give one kind")
    if files:
        rest = f"; held out for validation: {[found[path] for path in sorted(held_out)]}" if held_out else ""
        logger.warning(f"{split} files: {files}{rest}")
    return files


def load_documents(args: TextArguments, split: str) -> IterableDataset | None:
    """Streams the documents of `train` or `validation`, with the one column `text`; None where there are none.

    Raises:
        FileNotFoundError: see `text_files`.
        ValueError: see `text_files`; files beside a data set; no text at all, or none in the column `text_column`.
    """
    beside = [f"--{name} {getattr(args, name)}" for name in ("train_files", "validation_files") if getattr(args, name)]
    if args.dataset_name and beside:
        raise ValueError(
            f"--dataset_name {args.dataset_name} beside {' and '.join(beside)}: the text comes from one of them; leave "
            "the other out"
        )
    files: list[str] = []
    if args.dataset_name:
        documents = load_dataset(args.dataset_name, args.dataset_config_name, streaming=True).get(split)
    else:
        files = text_files(args, split)
        kind = "json" if files and ".json" in Path(files[0]).name else "text"
        try:
            documents = load_dataset(kind, data_files=files, split="train", streaming=True) if files else None
        except StopIteration:  # raised by `datasets` for JSON files without a line
            documents = []
    if documents is None:
        return None
    first = next(iter(documents), None)
    if first is None:
        raise ValueError(
            f"the {split} text is empty: {args.dataset_name or files}; give files with a document per line"
        )
    if args.text_column not in first:
        raise ValueError(f"the {split} text has the columns {sorted(first)}; name one of them by --text_column")
    documents = documents.select_columns([args.text_column])  # before renaming: another column may be called `text`
    return documents if args.text_column == "text" else documents.rename_column(args.text_column, "text")


__all__ = ["TextArguments", "find_files", "load_documents", "text_files"]
