"""Options of the data that a model is fine-tuned and evaluated on."""

from dataclasses import dataclass, field
from pathlib import Path

# the splits in the order in which everything about them is written, each with the option of its file
SPLITS = {"train": "train_file", "validation": "validation_file", "test": "test_file"}


@dataclass
class DataArguments:
    """Which data, and how much of them."""

    train_file: str | None = field(default=None, metadata={"help": "file of training data, also gzipped"})
    validation_file: str | None = field(default=None, metadata={"help": "as train_file"})
    test_file: str | None = field(default=None, metadata={"help": "as train_file"})
    dataset_name: str | None = field(
        default=None, metadata={"help": "in place of files: a data set of the Hub, or a folder"}
    )
    dataset_config_name: str | None = field(default=None, metadata={"help": "configuration of that data set"})
    validation_fraction: float = field(
        default=0.1,
        metadata={"help": "fraction of the training data that is held out where there are no validation data"},
    )
    test_fraction: float | None = field(
        default=None,
        metadata={
            "help": "fraction of the training data that is held out as test data, the same rows for every --seed: for "
            "data whose own test has no labels"
        },
    )
    max_train_samples: int | None = field(
        default=None, metadata={"help": "train on so many rows only, of each label in proportion (few-shot)"}
    )
    max_seq_length: int | None = field(
        default=None, metadata={"help": "in tokens, special ones included; default: what the model can take"}
    )

    def files(self) -> dict[str, Path]:
        """The files that were given, by split."""
        paths = {name: getattr(self, option) for name, option in SPLITS.items()}
        return {name: Path(path) for name, path in paths.items() if path}

    def sources(self) -> dict[str, str]:
        """Where the data of every split come from, in words: the file's name, or that of the data set."""
        files = self.files()
        return {name: self.dataset_name or (files[name].name if name in files else "") for name in SPLITS}


__all__ = ["SPLITS", "DataArguments"]
