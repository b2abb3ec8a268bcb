"""Builds a small model, fine-tunes it on the labelled sample of this repository, and reloads it.

    python run_scripts/quickstart.py                           # ChineseBERT
    python run_scripts/quickstart.py --model_type glyph_crm    # GlyphCRM
    python run_scripts/quickstart.py --model_type mpm_cner     # MPM-CNER
    python run_scripts/quickstart.py --model_type glyce        # Glyce

Prints precision, recall and F1 on the sample's test sentences, then the entities of four new sentences with the
positions of their characters, and the same once more from a second process that knows only the saved folder. Takes a
few minutes on two cores. The model has learnt from 9,600 short sentences and nothing else, and no name in the test
sentences or in the four new ones occurs in them. Its figures show that all parts work together, not what the models can
do. Options that this script does not have go to run_ner.py, such as --max_train_samples 500.
"""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from transformers import HfArgumentParser, pipeline

import hanziformers  # noqa: F401  (makes the models known to transformers)

REPOSITORY = Path(__file__).resolve().parent.parent
SAMPLE = REPOSITORY / "tests" / "data" / "ner_sample"
SENTENCES = (
    "昨天下午，王磊从沈阳坐高铁去了苏州。",
    "李静在临溪广播电台工作，家住杭州。",
    "听说慕容雪从青岛回来了，下周又要去南京出差。",
    "昨天下午，王喆从沈阳坐高铁去了苏州。",  # 喆 is not in the vocabulary; GlyphCRM sees it all the same
)
SIZES = {
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "intermediate_size": 256,
    "max_position_embeddings": 128,
    "hidden_dropout_prob": 0.15,
    "attention_probs_dropout_prob": 0.0,
}
OWN_SIZES = {
    "chinese_bert": {"glyph_size": 12},
    "glyph_crm": {
        "glyph_size": 24,
        "first_block_channels": 4,
        "second_block_channels": 16,
        "glyph_initializer": "kaiming",
        "hidden_dropout_prob": 0.1,
        "initializer_range": 0.1,
    },
    "mpm_cner": {"lstm_hidden_size": 64, "classifier_dropout": 0.2},
    "glyce": {"glyph_dim": 128, "glyph_groups": 8, "num_task_layers": 1, "task_intermediate_size": 256},
}
# the shipped encoders of glyphs and sounds stay as they are: learning them too takes an hour on two cores
OWN_OPTIONS = {
    "mpm_cner": {"num_train_epochs": 4, "learning_rates": "swin=0,rest=1.5e-3"},
    "glyce": {"num_train_epochs": 3, "learning_rates": "glyph=1.5e-3,rest=1.5e-3", "vocabulary_bank": True},
}


@dataclass
class QuickstartArguments:
    """Where to work, and how long."""

    model_type: str = field(default="chinese_bert", metadata={"help": "which model", "choices": list(OWN_SIZES)})
    output_dir: str = field(default="outputs/quickstart", metadata={"help": "folder of the model"})
    num_train_epochs: float | None = field(
        default=None, metadata={"help": "passes over the 9,600 sentences: 8, for mpm_cner 4, for glyce 3"}
    )
    predict_only: bool = field(default=False, metadata={"help": "only reload the folder and predict (second process)"})


def write_vocabulary(path: Path) -> None:
    """The special tokens and every character of ASCII and GB2312 (the 6,763 common Han among them), one per line."""
    characters = [chr(code) for code in range(0x21, 0xFFFF)]
    known = [c for c in characters if c.isascii() or c.encode("gb2312", "ignore")]
    path.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *known]) + "\n", encoding="utf-8")


def train(model_type: str, folder: Path, epochs: float | None, more: list[str]) -> None:
    """Runs run_ner.py on the sample; `more` are further options of it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_vocabulary(folder / "vocab.txt")
    sizes = {**SIZES, **OWN_SIZES[model_type]}
    options = {
        "model_type": model_type,
        "vocab_file": folder / "vocab.txt",
        "config_overrides": ",".join(f"{name}={value}" for name, value in sizes.items()),
        "train_file": SAMPLE / "train.jsonl",
        "validation_file": SAMPLE / "dev.jsonl",
        "test_file": SAMPLE / "test.jsonl",
        "output_dir": folder,
        "num_train_epochs": 8,
        "per_device_train_batch_size": 32,
        "learning_rate": 1.5e-3,
        "lr_scheduler_type": "cosine",
        "weight_decay": 0.2,
        "save_total_limit": 1,
        "logging_strategy": "epoch",
        **OWN_OPTIONS.get(model_type, {}),
    }
    options |= {} if epochs is None else {"num_train_epochs": epochs}
    flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    command = [sys.executable, str(REPOSITORY / "run_scripts" / "run_ner.py"), *flags]
    subprocess.run([*command, "--do_train", "--do_eval", "--do_predict", *more], check=True)


def predict(folder: Path) -> list[dict]:
    """The entities of the sentences, each with the characters at its position."""
    ner = pipeline("token-classification", model=str(folder), aggregation_strategy="simple")
    rows = []
    for text, entities in zip(SENTENCES, ner(list(SENTENCES)), strict=True):
        for entity in entities:
            start, end = int(entity["start"]), int(entity["end"])
            row = {"label": entity["entity_group"], "start": start, "end": end, "characters": text[start:end]}
            rows.append({"sentence": text, **row, "score": round(float(entity["score"]), 4)})
    return rows


def main(argv: list[str] | None = None) -> None:
    """Runs the script."""
    parser = HfArgumentParser(QuickstartArguments, allow_abbrev=False)
    args, more = parser.parse_args_into_dataclasses(argv, return_remaining_strings=True)
    folder = Path(args.output_dir)
    if args.predict_only:
        if more:
            parser.error(f"{more[0]} has no effect beside --predict_only True, which trains nothing")
        print(json.dumps(predict(folder)))
        return
    train(args.model_type, folder, args.num_train_epochs, more)
    rows = predict(folder)
    for text in SENTENCES:
        print(f"\n{text}")
        for row in (row for row in rows if row["sentence"] == text):
            print(f"  {row['label']}  {row['start']:>2} to {row['end']:>2}  {row['characters']}  ({row['score']:.2f})")
    command = [sys.executable, __file__, "--output_dir", str(folder), "--predict_only", "True"]
    again = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    if again != rows:
        raise RuntimeError(f"the reloaded model found {again}, not {rows}")
    print(f"\nReloaded from {folder} in a second process: the same {len(rows)} entities.")


if __name__ == "__main__":
    main()
