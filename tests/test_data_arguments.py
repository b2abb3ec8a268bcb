"""Options of data: which file a split has, and what its source is called."""

from pathlib import Path

from transformers import HfArgumentParser

from hanziformers.training.data_arguments import SPLITS, DataArguments


def test_files_and_sources_by_split():
    args = DataArguments(train_file="a/train.tsv", test_file="b/test.tsv.gz")
    assert args.files() == {"train": Path("a/train.tsv"), "test": Path("b/test.tsv.gz")}
    assert args.sources() == {"train": "train.tsv", "validation": "", "test": "test.tsv.gz"}
    assert DataArguments(dataset_name="owner/name").sources() == dict.fromkeys(SPLITS, "owner/name")
    assert DataArguments().files() == {}


def test_every_split_has_its_option():
    options = [part for name, option in SPLITS.items() for part in (f"--{option}", name)]
    (args,) = HfArgumentParser(DataArguments).parse_args_into_dataclasses([*options, "--max_seq_length", "64"])
    assert args.files() == {name: Path(name) for name in SPLITS}
    assert (args.max_seq_length, args.validation_fraction, args.max_train_samples) == (64, 0.1, None)
