"""Trains a dependency parser, scores it by UAS and LAS, and parses files of CoNLL-U.

    python run_scripts/run_parsing.py --model_type biaffine --train_file train.conllu --validation_file dev.conllu \
        --test_file test.conllu --output_dir outputs/parser --num_train_epochs 30 --do_train --do_eval --do_predict

The vocabulary is counted from the training data (or given: --vocab_file); --config_overrides glyce=False is the
baseline without glyphs. Words are those of the data; trees may have arcs that cross, and each has one root. Without
training, files are parsed by a checkpoint; sentences without trees (`_` as HEAD and DEPREL) are parsed too:

    python run_scripts/run_parsing.py --model_name_or_path outputs/parser --test_file new.conllu --output_dir parsed \
        --do_predict

Parts of speech are not read unless --read_tags True says so; the parser then needs them in every file. UAS and LAS are
over gold words without punctuation, relations with their subtypes. Every option of TrainingArguments is taken too; the
checkpoint with the best LAS on the validation data is kept, and a run that was interrupted resumes from its last one
(--resume_from_checkpoint False: from scratch).

Writes beside the model: all_results.json, coverage.json (what was read, and what the model does not know),
predictions.jsonl and predictions.conllu for the test data (the file as it was, with other HEAD and DEPREL),
README.md (the model card), and first_tree.svg, the first tree of the test data. Prints the figures, and this tree as
CoNLL-U.
"""

from pathlib import Path
from typing import Any

from hanziformers.training.dependency_task import DependencyTask
from hanziformers.training.fine_tuning import run_script

CARD = Path(__file__).parent.parent / "model_cards" / "dependency_parsing.md"


def main(argv: list[str] | None = None) -> dict[str, dict[str, Any]]:
    """Runs the script; returns UAS and LAS by split, for the test data by relation too."""
    return run_script(DependencyTask, "run_parsing.py", CARD, argv, show=print)


if __name__ == "__main__":
    main()
