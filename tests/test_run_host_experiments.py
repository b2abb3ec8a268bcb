"""run_host_experiments.py: which trainings are started with which options, and what the tables say of them."""

import json
import subprocess
from pathlib import Path

import pytest
from script_tools import main_of

main = main_of("run_host_experiments")
KINDS, PUBLISHED = main.__globals__["KINDS"], main.__globals__["PUBLISHED"]
TREEBANK = Path(__file__).parent / "data" / "treebank"


def score(options):
    """0.6 for seed 1, 0.7 for seed 2; with glyphs 0.2 more; on foreign data 0.25."""
    if "model_name_or_path" in options:
        return 0.25
    return 0.5 + 0.1 * int(options["seed"]) + 0.2 * ("glyce=true" in options["config_overrides"])


@pytest.fixture
def started(monkeypatch):
    """The commands of the trainings, which do not run: each leaves its figures behind, unless told to --seed 13."""
    commands = []

    def run(command, stdout, stderr):
        split = min(command.index(step) for step in ("--do_train", "--do_predict") if step in command)
        options = {name[2:]: value for name, value in zip(command[2:split:2], command[3:split:2], strict=True)}
        commands.append(options | {"script": Path(command[1]).name, "rest": command[split:]})
        folder = Path(options["output_dir"])
        names = ("uas", "las") if "parsing" in commands[-1]["script"] else ("precision", "recall", "f1", "accuracy")
        (folder / "all_results.json").write_text(json.dumps({f"test_{name}": score(options) for name in names}))
        (folder / "predictions.jsonl").write_text("{}\n")
        if failed := options.get("seed") == "13":
            (folder / "all_results.json").unlink()
        return subprocess.CompletedProcess(command, int(failed))

    monkeypatch.setattr(subprocess, "run", run)
    return commands


@pytest.fixture
def file(tmp_path):
    """A file that is there."""

    def make(name):
        path = tmp_path / name
        path.write_text("x", encoding="utf-8")
        return str(path)

    return make


@pytest.fixture
def data(file):
    """The three files of a data set as an option has them; no file for splits that are named."""

    def make(name, *missing):
        splits = ("train", "dev", "test")
        return f"{name}={','.join('' if split in missing else file(f'{name}.{split}') for split in splits)}"

    return make


@pytest.fixture
def run_experiments(tmp_path):
    def run(*options):
        main(["--output_dir", f"{tmp_path}/runs", "--results", f"{tmp_path}/results", *options])
        return (tmp_path / "results" / "hosts.md").read_text(encoding="utf-8")

    return run


@pytest.fixture
def all_data(data, file):
    """Options with data for every table."""
    options = ["--ner", data("Weibo"), "--pos", data("UD1"), "--pair", data("AFQMC", "test"), "--pair", data("OCNLI")]
    options += ["--single", data("ChnSentiCorp", "dev"), "--parsing", data("GSD"), "--srl", data("UP2")]
    return [*options, "--foreign", f"Other={file('other')}", "--vocab_file", "vocab.txt"]


def test_every_host_with_and_without_glyphs(started, run_experiments, all_data, tmp_path):
    text = run_experiments(*all_data, "--seeds", "1", "2")
    trainings = [command for command in started if "train_file" in command]
    assert len(trainings) == 2 * 2 * (2 + 2 + 1 + 1 + 1 + 1 + 1)  # seeds, with and without glyphs, hosts of data sets
    assert len({command["output_dir"] for command in started}) == len(started)
    pairs = {}
    for command in trainings:
        assert command["rest"] == ["--do_train", "--do_predict"]
        reads_characters = command["model_type"] in ("bilstm", "lattice_lstm")
        assert command.get("vocab_file") == ("vocab.txt" if reads_characters else None)
        assert (command.get("test_fraction") == "0.1") == ("test_file" not in command) == ("AFQMC" in str(command))
        assert ("validation_file" in command) == ("ChnSentiCorp" not in str(command))
        tagger = command["script"] == "run_ner.py"
        assert tagger == (command.get("classifier") == "crf") == (command.get("task_name") in ("ner", "pos"))
        own = {name: value for name, value in command.items() if name not in ("output_dir", "config_overrides", "rest")}
        pairs.setdefault(tuple(sorted(own.items())), []).append(command["config_overrides"])
    assert all(values == ["glyce=false", "glyce=true"] for values in pairs.values())  # the same budget
    assert {(command["script"], command["model_type"]) for command in trainings} == {
        ("run_ner.py", "bilstm"),
        ("run_ner.py", "lattice_lstm"),
        ("run_classification.py", "bimpm"),
        ("run_classification.py", "bilstm"),
        ("run_parsing.py", "biaffine"),
        ("run_srl.py", "srl"),
    }
    heads = [line for line in text.splitlines() if line.startswith("## ")]
    assert [head[-8:] for head in heads] == [f"Table {number})" for number in (2, 4, 5, 6, 7, 7)]
    assert (tmp_path / "results" / "systems.png").stat().st_size > 1000
    figures = json.loads((tmp_path / "results" / "hosts.json").read_text())
    assert len(figures) == len(started)
    assert {"task": "srl", "data": "UP2", "system": "k-order pruning", "seed": 1} | dict.fromkeys(
        ("precision", "recall", "f1"), 0.6
    ) in figures


def test_published_figures_stand_beside(started, run_experiments, all_data):
    text = run_experiments(*all_data, "--seeds", "1", "2")
    for line in (
        "| Weibo | BiLSTM-CRF | 0.6500 (0.6000 to 0.7000) | 0.6500 (0.6000 to 0.7000) | 0.6500 (0.6000 to 0.7000) |",
        "| Weibo | BiLSTM-CRF, as published | 0.5116 | 0.5107 | 0.5095 |",
        "| Weibo | Lattice-LSTM + Glyce, as published | 0.5369 | 0.5530 | 0.5432 |",
        "| UD1 | Lattice-LSTM, as published | 0.9047 | 0.8970 | 0.9009 |",
        "| XNLI (other data) | BiMPM + Glyce, as published | - | - | - | 0.6770 |",
        "| ChnSentiCorp | LSTM | 0.6500 (0.6000 to 0.7000) |",
        "| ChnSentiCorp | LSTM + Glyce, as published | 0.9310 |",
        "| GSD | Biaffine + Glyce | 0.8500 (0.8000 to 0.9000) | 0.8500 (0.8000 to 0.9000) |",
        "| Other, trained on GSD | Biaffine + Glyce | 0.2500 (0.2500 to 0.2500) | 0.2500 (0.2500 to 0.2500) |",
        "| CTB 5.1 (other data) | Biaffine, as published | 0.8930 | 0.8820 |",
        "| CoNLL-2009 (other data) | k-order pruning + Glyce, as published | 0.8540 | 0.8210 | 0.8370 |",
    ):
        assert line in text, line
    assert text.count("The paper's figures are of other data") == 3  # pairs, parsing, semantic roles
    assert "MSRA" not in text  # Weibo is the paper's


def test_published_systems_and_columns_are_those_of_the_tables():
    assert list(PUBLISHED) == list(KINDS)
    for task, sets in PUBLISHED.items():
        for systems in sets.values():
            assert set(systems) <= set(KINDS[task].systems)
            assert {len(values) for values in systems.values()} == {len(KINDS[task].columns)}


def test_options_of_some_trainings(started, run_experiments, all_data):
    own = [
        "--options",
        "ner=--num_train_epochs 20 --config_overrides hidden_size=100",
        "--options",
        "GSD=--warmup_steps 5",
    ]
    own += ["--options", "lattice_lstm=--num_train_epochs 7 --config_overrides word_size=8"]
    run_experiments(*all_data, *own, "--seeds", "1", "--config_overrides", "glyph_dim=32", "--num_train_epochs", "3")
    found = {}
    for command in started:
        if "train_file" in command:
            key = (Path(command["train_file"]).stem, command["model_type"], command["config_overrides"])
            found[key] = command["rest"][2:]
    common = ["--num_train_epochs", "3"]
    for glyce in ("false", "true"):
        longer, seven = ([*common, "--num_train_epochs", epochs] for epochs in ("20", "7"))
        assert found["Weibo", "bilstm", f"glyph_dim=32,hidden_size=100,glyce={glyce}"] == longer
        overrides = f"glyph_dim=32,hidden_size=100,word_size=8,glyce={glyce}"
        assert found["Weibo", "lattice_lstm", overrides] == [*longer, "--num_train_epochs", "7"]
        assert found["UD1", "lattice_lstm", f"glyph_dim=32,word_size=8,glyce={glyce}"] == seven
        assert found["GSD", "biaffine", f"glyph_dim=32,glyce={glyce}"] == [*common, "--warmup_steps", "5"]
        assert found["UP2", "srl", f"glyph_dim=32,glyce={glyce}"] == common


def test_several_calls_fill_one_folder(started, run_experiments, all_data, tmp_path):
    text = run_experiments(*all_data, "--seeds", "1", "--tables", "srl", "parsing")
    assert "Table 7" in text
    assert "Table 2" not in text
    foreign = [command for command in started if "train_file" not in command]
    assert [command["rest"] for command in foreign] == [["--do_predict"]] * 2
    for command in foreign:
        parser = Path(command["model_name_or_path"])
        assert parser.parent == tmp_path / "runs"
        assert command["output_dir"] == str(parser / "foreign-Other")
    before = len(started)
    text = run_experiments(*all_data, "--seeds", "1")
    assert "Table 2" in text
    assert not {"run_parsing.py", "run_srl.py"} & {command["script"] for command in started[before:]}
    before = len(started)
    (Path(foreign[1]["output_dir"]) / "predictions.jsonl").unlink()
    run_experiments(*all_data, "--seeds", "1")
    assert started[before:] == [foreign[1]]


def test_foreign_tests_are_those_of_the_parser_and_the_file(started, run_experiments, data, file, tmp_path):
    parsing = ["--parsing", data("GSD"), "--seeds", "1"]
    run_experiments(*parsing, "--foreign", f"Other={file('other')}")
    foreign = [command for command in started if "train_file" not in command]
    for command in foreign:  # the model cards, as run_parsing.py writes them
        options = " ".join(f"--{name} {command[name]}" for name in ("model_name_or_path", "test_file", "output_dir"))
        card = f"python run_scripts/run_parsing.py {options} --do_predict\n"
        (Path(command["output_dir"]) / "README.md").write_text(card, encoding="utf-8")
    before = len(started)
    assert "Finished before" not in run_experiments(*parsing, "--foreign", f"Other={file('other')}")
    text = run_experiments(*parsing, "--foreign", f"Other={file('newer')}")
    folders = ", ".join(str(Path(command["output_dir"]).relative_to(tmp_path / "runs")) for command in foreign)
    assert f"Finished before, with another --test_file (see their README.md): {folders}." in text
    assert len(started) == before
    parser = Path(foreign[0]["model_name_or_path"])
    (parser / "predictions.jsonl").unlink()  # a new parser has other figures on foreign data
    run_experiments(*parsing, "--foreign", f"Other={file('other')}")
    assert [Path(command["output_dir"]) for command in started[before:]] == [parser, parser / "foreign-Other"]


def test_others_go_on_where_runs_fail(started, run_experiments, data, tmp_path):
    options = ["--srl", data("UP2"), "--seeds", "13", "1"]
    with pytest.raises(RuntimeError, match=r"2 of 4 runs failed") as error:
        run_experiments(*options)
    assert len(started) == 4
    for name in ("srl-UP2-k-order-pruning-100-seed13", "srl-UP2-k-order-pruning-Glyce-100-seed13"):
        assert f"{name}/log.txt" in str(error.value)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "there are no data: give one of --ner, --pos, --pair, --single, --parsing, --srl"),
        (["--srl", "{x}", "--tables", "ner"], "--tables ner are without data: give --ner"),
        (["--single", "{x}"], "LSTM reads characters: give --vocab_file"),
        (["--srl", "{x}", "--foreign", "Y=y"], "--foreign 'Y=y': there is no file y"),
        (["--srl", "{x}", "--foreign", "Y={file}"], "--foreign is scored by parsers, and there is no --parsing"),
        (["--srl", "{x}", "--foreign", "{file}"], "is not allowed; give NAME=FILE, each NAME once"),
        (["--srl", "{x}", "--options", "X="], "--options 'X=' is not allowed; give KEY=.*one of ner, .* X, bilstm"),
        (["--srl", "{x}", "--options", "Y=--seed 1"], "--options 'Y=--seed 1' is not allowed; give KEY="),
        (["--srl", "{x}", "--options", "X=--rate 1"], "trainings of a SrlTask have no option --rate 1"),
        (["--srl", "{x}", "--seed", "5"], "--seed: what the runs have of their own is decided here; leave it out"),
        (["--srl", "{x}", "--options", "X=--model-type bimpm"], "--model-type: what the runs have of their own"),
        (["--srl", "{x}", "--options", "srl=--config-overrides glyce=true"], "--config-overrides: what the runs"),
        (["--srl", "{x}", "--seeds", "1", "1"], "srl-X-k-order-pruning-100-seed1 would be the folder of several runs"),
        (["--srl", "{x}", "--read_tags", "1", "--rate"], "trainings of a SrlTask have no option --rate"),
        (["--srl", "{x}", "--config_overrides", "arc_size=8"], "arc_size=8,glyce=false: a srl has no field arc_size"),
        (["--srl", "{x}", "--options", "X=--config_overrides 'glyce =true'"], "sets glyce, which the tables compare"),
    ],
)
def test_what_is_refused_before_the_first_training(started, run_experiments, data, file, options, message):
    values = {"{x}": data("X"), "{file}": file("y"), "Y={file}": f"Y={file('y')}"}
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        run_experiments(*(values.get(option, option) for option in options))
    assert not started


def test_a_parser_and_its_baseline(monkeypatch, run_experiments, tmp_path):
    """The scripts themselves, in this process."""

    def run(command, stdout, stderr):
        main_of(Path(command[1]).stem)(command[2:])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    files = ",".join(str(TREEBANK / f"{split}.conllu") for split in ("train", "dev", "test"))
    small = "hidden_size=8,num_hidden_layers=1,arc_size=8,relation_size=8,embedding_dim=8,glyph_dim=8,glyph_groups=1"
    options = ["--parsing", f"Tiny={files}", "--foreign", f"Other={TREEBANK}/dev.conllu", "--seeds", "1"]
    options += ["--options", f"parsing=--max_steps 2 --use_cpu True --config_overrides {small}"]
    text = run_experiments(*options, "--vocabulary_bank", "True", "--disable_tqdm", "True")
    for name in ("Tiny", "Other, trained on Tiny"):
        for system in ("Biaffine", "Biaffine + Glyce"):
            assert f"| {name} | {system} | 0." in text
    glyphs = [
        json.loads((folder / "config.json").read_text())["glyce"]
        for folder in sorted((tmp_path / "runs").iterdir(), key=lambda one: one.name.count("Glyce"))
    ]
    assert glyphs == [False, True]
