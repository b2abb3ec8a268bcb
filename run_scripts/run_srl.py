"""Fine-tunes a labeller of semantic roles for predicates that are given, and scores it by exact arguments.

    python run_scripts/run_srl.py --model_type srl --train_file train.conllup --validation_file dev.conllup \
        --test_file test.conllup --learning_rate 1e-3 --num_train_epochs 20 --output_dir outputs/srl \
        --do_train --do_eval --do_predict

--config_overrides glyce=False trains the same model without glyph vectors: the baseline. Data: files of Universal
Propositions (UP 2.0, CoNLL-U-plus, with the columns of the words) or of CoNLL-2009 (--syntax predicted: with PPOS,
PHEAD and PDEPREL). Every sentence needs its dependency tree: words that are more than k steps away from the predicate's
path to the root are not read (--pruning_order; by default k is chosen on the validation data, and how many arguments
every k keeps is logged and written to coverage.json). Arguments that are pruned count as missed. Senses of predicates
are given and not scored. Every option of TrainingArguments is taken too; the checkpoint with the best F1 on the
validation data is kept, and a run that was interrupted resumes from its last one (--resume_from_checkpoint False: from
scratch).

Writes beside the model: all_results.json, coverage.json (what was read, and which arguments cannot be found, and why),
predictions.jsonl for the test data, README.md (the model card). Prints the figures.
"""

from pathlib import Path
from typing import Any

from hanziformers.training.fine_tuning import run_script
from hanziformers.training.srl_task import SrlTask

CARD = Path(__file__).parent.parent / "model_cards" / "semantic_role_labeling.md"


def main(argv: list[str] | None = None) -> dict[str, dict[str, Any]]:
    """Runs the script; returns precision, recall and F1 by split, for the test data by role too."""
    return run_script(SrlTask, "run_srl.py", CARD, argv, show=print)


if __name__ == "__main__":
    main()
