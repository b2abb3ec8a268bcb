"""Fine-tunes a model to answer questions about texts (reading comprehension), and scores it by exact match and F1.

    python run_scripts/run_reading.py --model_name_or_path checkpoint --train_file cmrc2018_train.json \
        --validation_file cmrc2018_dev.json --test_file cmrc2018_trial.json --output_dir outputs/cmrc2018 \
        --do_train --do_eval --do_predict

Any checkpoint works, GlyphCRM's, ChineseBERT's, Glyce's and BERT's alike; with --model_type, --vocab_file and
--config_overrides a model is made from scratch instead. Data: files in the form of SQuAD 1.1 or 2.0, which CMRC 2018,
DRCD and CJRC have, gzipped ones too, or --dataset_name for a data set of the Hub. The model answers with a part of the
text and, where the training data do, with yes, no or no answer (--null_threshold: how readily). A long text is read in
windows that share --doc_stride tokens. Where data are held out (--validation_fraction, --test_fraction), all questions
about one text stay together. Figures are those of CMRC 2018's script, with --scoring cjrc those of CJRC's, as ratios.
Every option of TrainingArguments is taken too; the checkpoint with the best F1 on the validation data is kept, and a
run that was interrupted resumes from its last one (--resume_from_checkpoint False: from scratch).

Writes beside the model: all_results.json, coverage.json (what was read, and which answers cannot be found, and why),
predictions.jsonl for the test data, with the n best answers and their characters, README.md (the model card). Prints
the figures. `hanziformers.answer` asks the model.
"""

from pathlib import Path
from typing import Any

from hanziformers.training.fine_tuning import run_script
from hanziformers.training.reading_task import ReadingTask

CARD = Path(__file__).parent.parent / "model_cards" / "question_answering.md"


def main(argv: list[str] | None = None) -> dict[str, dict[str, Any]]:
    """Runs the script; returns EM and F1 by split, for the test data by kind of answer too."""
    return run_script(ReadingTask, "run_reading.py", CARD, argv, show=print)


if __name__ == "__main__":
    main()
