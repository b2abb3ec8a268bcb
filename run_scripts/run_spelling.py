"""Trains a model to correct the spelling of Chinese texts, character by character, and scores it.

    python run_scripts/run_spelling.py --model_name_or_path checkpoint --train_file train.tsv \
        --validation_file dev.tsv --test_file test.tsv --output_dir outputs/spelling --do_train --do_eval --do_predict

Any checkpoint with a head for masked characters works, GlyphCRM's, ChineseBERT's and BERT's alike; with --model_type,
--vocab_file and --config_overrides a model is made from scratch instead. Data: the text as it was written and the right
one, of the same length, in TSV, CSV or JSON lines, or --dataset_name for a data set of the Hub. Or right text alone,
one text a line (or JSON lines with "text"): errors are made in it, --error_rate of the Chinese characters, by the kinds
of --error_mix (look-alikes, homophones, near-homophones, and what both looks and sounds alike), the same for every
--seed; --error_copies 5 trains on five copies with other errors each. --candidates confusions only writes what looks or
sounds like the character that it replaces; --threshold 0.9 only what is that probable.

Controls: --permute_glyphs 0 and --permute_pinyin 0 (ChineseBERT) train the same model on glyph images and pinyin that
belong to other characters. Every option of TrainingArguments is taken too; the checkpoint with the best F1 of
corrections on the validation data is kept, and a run that was interrupted resumes from its last one
(--resume_from_checkpoint False: from scratch).

Writes beside the model: all_results.json (by character and by sentence, detection and correction; false alarms per
1,000 right characters; right texts that were broken), coverage.json (what was read, and which errors cannot be
corrected, and why), predictions.jsonl for the test data, README.md (the model card). Prints the figures. The model
corrects texts of any length by `hanziformers.correct_spelling`.
"""

from pathlib import Path
from typing import Any

from hanziformers.training.fine_tuning import run_script
from hanziformers.training.spelling_task import SpellingTask

CARD = Path(__file__).parent.parent / "model_cards" / "spelling_correction.md"


def main(argv: list[str] | None = None) -> dict[str, dict[str, Any]]:
    """Runs the script; returns the figures by split, for the test data by kind of error too."""
    return run_script(SpellingTask, "run_spelling.py", CARD, argv, show=print)


if __name__ == "__main__":
    main()
