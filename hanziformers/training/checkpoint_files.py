"""Whether a checkpoint of the Trainer is whole.

What is missing or cut is found by the ends of files and by the sizes that they state; where a file has checksums (those
of torch have), they are compared too, as torch loads other bytes without a word.
"""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from transformers import TrainingArguments
from transformers.trainer_callback import ExportableState, TrainerCallback, TrainerState

WEIGHTS = ("model.safetensors", "pytorch_model.bin", "adapter_model.safetensors", "adapter_model.bin")
TRAINING_STATE = ("optimizer.pt", "scheduler.pt")
# folders and files that only DeepSpeed and FSDP write
SHARDED = ("global_step*", "pytorch_model_fsdp*", "optimizer_[0-9]*", "optimizer.bin")


class ProcessCount(TrainerCallback, ExportableState):
    """Keeps in trainer_state.json how many processes save a checkpoint: each of them saves its own random state."""

    def __init__(self, processes: int = 1) -> None:
        self.processes = processes

    def on_train_begin(self, args: TrainingArguments, *others: Any, **kwargs: Any) -> None:
        """Counts them for this run: the Trainer may have restored the number of an earlier one."""
        self.processes = args.world_size

    def state(self) -> dict[str, Any]:
        """What the Trainer writes."""
        return {"args": {"processes": self.processes}, "attributes": {}}


def is_sharded(folder: Path) -> bool:
    """Whether DeepSpeed or FSDP saved a checkpoint: only they can tell whether it is whole."""
    return any(any(folder.glob(pattern)) for pattern in SHARDED)


def faults(folder: Path, args: TrainingArguments) -> list[str]:
    """What is missing or cut in a checkpoint, as far as the arguments of the run need it.

    Args:
        folder: of the checkpoint; of one by DeepSpeed or FSDP the state of the Trainer alone is looked at.
        args: of the run that would resume from it.

    Returns:
        "NAME is missing", "NAME is cut", "NAME is damaged", ...; [] for a checkpoint that is whole.
    """
    state = trainer_state(folder)
    if state is None:
        return ["trainer_state.json is missing or cut"]
    if is_sharded(folder):
        return []
    found = list(weight_faults(folder))
    names = [*TRAINING_STATE, *(["scaler.pt"] if args.fp16 else []), *_random_states(folder, state, args)]
    if args.save_only_model and not any((folder / name).exists() for name in names):
        return found
    return found + [f"{name} {fault}" for name in names if (fault := _fault(folder / name))]


def trainer_state(folder: Path) -> TrainerState | None:
    """The state that the Trainer saves last; None where it is missing, cut or of no training step."""
    try:
        state = TrainerState.load_from_json(str(folder / "trainer_state.json"))
    except (OSError, ValueError, TypeError):
        return None
    return state if isinstance(state.global_step, int) and state.global_step > 0 else None


def processes(folder: Path) -> int:
    """How many processes saved a checkpoint; read off its files where trainer_state.json does not say so."""
    state = trainer_state(folder)
    kept = (state.stateful_callbacks if state else {}).get(ProcessCount.__name__)
    kept = kept[0] if isinstance(kept, list) else kept
    if kept:
        return kept["args"]["processes"]
    ranks = [path.stem.removeprefix("rng_state_") for path in folder.glob("rng_state_*.pth")]
    return max([int(rank) + 1 for rank in ranks if rank.isdecimal()], default=1)


def _random_states(folder: Path, state: TrainerState, args: TrainingArguments) -> list[str]:
    """The files of random states that the processes of the checkpoint's run wrote into this folder."""
    number = processes(folder)
    if number == 1:
        return ["rng_state.pth"]
    # on nodes without a common file system each has those of its own processes
    own = args.save_on_each_node and number == args.world_size
    return [f"rng_state_{rank}.pth" for rank in ([args.process_index] if own else range(number))]


def weight_faults(folder: Path) -> Iterator[str]:
    """What is missing or cut of the weights, in one file or in several with an index."""
    name = "adapter_config.json" if (folder / "adapter_config.json").exists() else "config.json"
    if not read_object(folder / name):
        yield f"{name} is missing or cut"
    for name in WEIGHTS:
        index = folder / f"{name}.index.json"
        if (folder / name).exists():
            names = [name]
        elif index.exists():
            names = sorted(set(read_object(index).get("weight_map", {}).values()))
            if not names:
                yield f"{index.name} is cut"
        else:
            continue
        yield from (f"{part} {fault}" for part in names if (fault := _fault(folder / part)))
        return
    yield f"{WEIGHTS[0]} is missing"


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object; {} where there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _fault(path: Path) -> str:
    """What is wrong with a file of weights or of a state: "is missing", "is cut", "is damaged", or nothing."""
    if not path.is_file():
        return "is missing"
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt"):  # compares the sizes that the file states with its own
                return ""
        with zipfile.ZipFile(path) as file:  # torch writes zips; their table of contents stands at the end
            if not any(name.endswith("data.pkl") for name in file.namelist()):
                return "is cut"
            return "is damaged" if file.testzip() else ""
    except (OSError, SafetensorError, zipfile.BadZipFile):
        return "is cut"
    except Exception:  # whatever zipfile raises for damaged bytes: UnicodeDecodeError, NotImplementedError, zlib.error
        return "is damaged"


__all__ = ["ProcessCount", "faults", "is_sharded", "processes", "read_object", "trainer_state", "weight_faults"]
