"""What is missing or cut in a checkpoint of the Trainer."""

import json
import shutil

import pytest
import torch
from resume_tools import arguments, make_model, make_trainer

from hanziformers.training.checkpoint_files import ProcessCount, faults, is_sharded, processes, weight_faults
from hanziformers.training.resuming import train

NEEDED = ["model.safetensors", "config.json", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    train(make_trainer(folder))
    return folder


@pytest.fixture
def checkpoint(run, tmp_path):
    return shutil.copytree(run / "checkpoint-6", tmp_path / "checkpoint-6")


def cut(path, size):
    path.write_bytes(path.read_bytes()[:size])


def test_a_checkpoint_that_is_whole(checkpoint, tmp_path):
    assert {path.name for path in checkpoint.iterdir()} == {*NEEDED, "training_args.bin"}
    assert faults(checkpoint, arguments(tmp_path)) == []
    assert processes(checkpoint) == 1
    (checkpoint / "training_args.bin").unlink()  # nothing reads it
    assert faults(checkpoint, arguments(tmp_path)) == []


@pytest.mark.parametrize("name", NEEDED)
def test_a_file_that_is_missing_or_cut_is_named(checkpoint, tmp_path, name):
    path, size = checkpoint / name, (checkpoint / name).stat().st_size
    args = arguments(tmp_path)
    for rest in (size - 2, size // 2, 9, 0):  # the last character of a JSON file is a line feed
        cut(path, rest)
        assert [fault.startswith(f"{name} is ") and "cut" in fault for fault in faults(checkpoint, args)] == [True], (
            rest
        )
    path.unlink()
    assert [fault.startswith(f"{name} is missing") for fault in faults(checkpoint, args)] == [True]
    path.mkdir()
    assert len(faults(checkpoint, args)) == 1


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_a_file_of_zeros_is_cut(checkpoint, tmp_path, name):
    """As a file system leaves one that was not flushed."""
    (checkpoint / name).write_bytes(bytes((checkpoint / name).stat().st_size))
    assert faults(checkpoint, arguments(tmp_path)) == [f"{name} is cut"]


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
@pytest.mark.parametrize("place", ["data", "names"])
def test_other_bytes_in_the_middle_are_damage(checkpoint, tmp_path, name, place):
    data = bytearray((checkpoint / name).read_bytes())
    start = data.find(b"data.pkl") + 60 if place == "data" else data.rfind(b"data.pkl") - 3
    data[start : start + 4] = b"\xff" * 4
    (checkpoint / name).write_bytes(data)
    found = faults(checkpoint, arguments(tmp_path))
    assert found in ([f"{name} is damaged"], [f"{name} is cut"])


@pytest.mark.parametrize("text", ["{}", "[]", "3", '{"global_step": 0}', '{"global_step": "6"}', '{"other": 1}'])
def test_a_state_of_no_step_is_no_state(checkpoint, tmp_path, text):
    (checkpoint / "trainer_state.json").write_text(text)
    assert faults(checkpoint, arguments(tmp_path)) == ["trainer_state.json is missing or cut"]


def test_weights_in_several_files(checkpoint, tmp_path):
    (checkpoint / "model.safetensors").unlink()
    model, args = make_model(), arguments(tmp_path)
    model.save_pretrained(checkpoint, max_shard_size="2KB")
    index = checkpoint / "model.safetensors.index.json"
    shards = sorted(path.name for path in checkpoint.glob("model-*.safetensors"))
    assert len(shards) > 2
    assert faults(checkpoint, args) == []
    cut(checkpoint / shards[0], 100)
    (checkpoint / shards[-1]).unlink()
    assert faults(checkpoint, args) == [f"{shards[0]} is cut", f"{shards[-1]} is missing"]
    cut(index, 50)
    assert faults(checkpoint, args) == [f"{index.name} is cut"]
    index.unlink()
    assert faults(checkpoint, args) == ["model.safetensors is missing"]


def test_other_forms_of_weights(checkpoint, tmp_path):
    (checkpoint / "model.safetensors").rename(checkpoint / "adapter_model.safetensors")
    (checkpoint / "config.json").rename(checkpoint / "adapter_config.json")
    assert faults(checkpoint, arguments(tmp_path)) == []
    cut(checkpoint / "adapter_model.safetensors", 20)
    assert list(weight_faults(checkpoint)) == ["adapter_model.safetensors is cut"]
    (checkpoint / "adapter_model.safetensors").unlink()
    torch.save({"a": torch.zeros(3)}, checkpoint / "pytorch_model.bin")
    assert list(weight_faults(checkpoint)) == []
    cut(checkpoint / "pytorch_model.bin", 99)
    assert list(weight_faults(checkpoint)) == ["pytorch_model.bin is cut"]


def test_which_files_are_needed_depends_on_the_arguments(checkpoint, tmp_path):
    half = arguments(tmp_path)
    half.fp16 = True
    assert faults(checkpoint, half) == ["scaler.pt is missing"]
    torch.save({"scale": 1.0}, checkpoint / "scaler.pt")
    assert faults(checkpoint, half) == []
    alone = arguments(tmp_path, save_only_model=True)
    (checkpoint / "scheduler.pt").unlink()  # the Trainer would leave the optimizer out too, and say nothing
    assert faults(checkpoint, alone) == faults(checkpoint, half) == ["scheduler.pt is missing"]
    for name in ("optimizer.pt", "rng_state.pth"):
        (checkpoint / name).unlink()
    assert faults(checkpoint, alone) == []
    assert len(faults(checkpoint, arguments(tmp_path))) == 3


@pytest.mark.parametrize("recorded", [True, False])
def test_every_process_has_its_random_state(checkpoint, tmp_path, recorded):
    state = json.loads((checkpoint / "trainer_state.json").read_text())
    counted = ProcessCount(3).state()
    state["stateful_callbacks"] = {**state["stateful_callbacks"], "ProcessCount": counted}
    if not recorded:
        del state["stateful_callbacks"]["ProcessCount"]
    (checkpoint / "trainer_state.json").write_text(json.dumps(state))
    (checkpoint / "rng_state.pth").unlink()
    for rank in range(3):
        torch.save({"cpu": torch.zeros(3)}, checkpoint / f"rng_state_{rank}.pth")
    assert faults(checkpoint, arguments(tmp_path)) == []
    assert processes(checkpoint) == 3
    (checkpoint / "rng_state_1.pth").unlink()
    assert faults(checkpoint, arguments(tmp_path)) == ["rng_state_1.pth is missing"]
    (checkpoint / "rng_state_1.pth").write_bytes(b"PK")
    assert faults(checkpoint, arguments(tmp_path)) == ["rng_state_1.pth is cut"]
    torch.save({"cpu": torch.zeros(3)}, checkpoint / "rng_state_1.pth")
    (checkpoint / "rng_state_2.pth").unlink()
    assert faults(checkpoint, arguments(tmp_path)) == ["rng_state_2.pth is missing"] * recorded


def test_the_count_is_of_the_present_run():
    counter = ProcessCount(7)  # as restored from another run's state
    counter.on_train_begin(type("Arguments", (), {"world_size": 2}), None, None)
    assert ProcessCount(**counter.state()["args"]).processes == 2


@pytest.mark.parametrize("name", ["global_step6", "pytorch_model_fsdp_0", "optimizer_0", "optimizer.bin"])
def test_what_only_deepspeed_and_fsdp_can_read_is_left_to_them(checkpoint, tmp_path, name):
    assert not is_sharded(checkpoint)
    (checkpoint / name).mkdir()
    (checkpoint / "model.safetensors").unlink()
    (checkpoint / "optimizer.pt").unlink()
    assert is_sharded(checkpoint)
    assert faults(checkpoint, arguments(tmp_path)) == []
    (checkpoint / "trainer_state.json").unlink()
    assert len(faults(checkpoint, arguments(tmp_path))) == 1
