"""Fine-tunes a model to classify texts or pairs of texts, into one class or with several labels, and scores it.

    python run_scripts/run_classification.py --model_name_or_path checkpoint --train_file train.tsv \
        --validation_file dev.tsv --test_file test.tsv --output_dir outputs/reviews --do_train --do_eval --do_predict

Any checkpoint works, GlyphCRM's, ChineseBERT's and BERT's alike; with --model_type, --vocab_file and --config_overrides
a model is made from scratch instead. Data: TSV, CSV or JSON lines, or --dataset_name for a data set of the Hub; columns
of unknown names are named by --text_column, --pair_column and --label_column; a row without a label, or with "-", is
left out, but predicted if it is test data. --test_fraction 0.1 holds out test data for data whose own has no labels.
With --multi_label True every label applies by itself. Every option of TrainingArguments is taken too; the checkpoint
with the best accuracy (multi-label: macro F1) on the validation data is kept, and a run that was interrupted resumes
from its last checkpoint (--resume_from_checkpoint False: from scratch).

Writes beside the model: all_results.json, coverage.json (what was read, and what was cut), predictions.jsonl for the
test data, README.md (the model card). Prints the figures.
"""

from pathlib import Path
from typing import Any

from hanziformers.training.classification_task import ClassificationTask
from hanziformers.training.fine_tuning import run_script

CARD = Path(__file__).parent.parent / "model_cards" / "text_classification.md"


def main(argv: list[str] | None = None) -> dict[str, dict[str, Any]]:
    """Runs the script; returns accuracy, macro F1 and micro F1 by split, for the test data by label too."""
    return run_script(ClassificationTask, "run_classification.py", CARD, argv, show=print)


if __name__ == "__main__":
    main()
