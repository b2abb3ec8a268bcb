"""Fine-tunes a tagger and scores it by exact entities: named entities, word segmentation (CWS), parts of speech (POS).

    python run_scripts/run_ner.py --model_name_or_path checkpoint --train_file train.bmes --validation_file dev.bmes \
        --test_file test.bmes --output_dir outputs/ner --do_train --do_eval --do_predict

Any checkpoint works, GlyphCRM's, ChineseBERT's and BERT's alike; with --model_type, --vocab_file and --config_overrides
a model is made from scratch instead. --classifier crf puts a CRF, which decodes whole entities, on any model of this
package. Data: files in CoNLL columns (BIO, BMES, ...) or JSON lines, or --dataset_name for a data set of the Hub; with
--task_name cws or pos files of CoNLL-U too, whose words are entities that cover the text. Every option of
TrainingArguments is taken too; the checkpoint with the best F1 on the validation data is kept, and a run that was
interrupted resumes from its last one (--resume_from_checkpoint False: from scratch).

Writes beside the model: all_results.json, coverage.json (what was read, and which entities cannot be found, and why),
predictions.jsonl for the test data, README.md (the model card). Prints the figures.
"""

from pathlib import Path
from typing import Any

from hanziformers.training.fine_tuning import run_script
from hanziformers.training.ner_task import NerTask

CARD = Path(__file__).parent.parent / "model_cards" / "token_classification.md"


def main(argv: list[str] | None = None) -> dict[str, dict[str, Any]]:
    """Runs the script; returns precision, recall and F1 by split, for the test data by label too."""
    return run_script(NerTask, "run_ner.py", CARD, argv, show=print)


if __name__ == "__main__":
    main()
