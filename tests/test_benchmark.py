"""The benchmark runs, and its files say what was measured. How fast anything was is nothing to test."""

import importlib.util
import json
import os
import statistics
import subprocess
from pathlib import Path

import pytest
import torch
from process_tools import run_program

SCRIPTS = Path(__file__).parent.parent / "run_scripts"
SCRIPT = SCRIPTS / "benchmark.py"


OPTIONS = ["--size", "tiny", "--rounds", "2", "--batch", "2", "--length", "12", "--device", "cpu"]
OPTIONS += ["--read_before", "3"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """All that measures in one process, with masked-LM heads, on made-up text and tokens, as a person runs it."""
    folder = tmp_path_factory.mktemp("benchmark")
    options = [*OPTIONS, "--part", "chinese_bert", "glyph_crm", "text", "--head", "masked_lm"]
    options += ["--text_lengths", "20", "50", "--text_batches", "1", "3"]
    environment = os.environ | {"HANZIFORMERS_CACHE": str(folder / "cache")}
    done = run_program(SCRIPT, "--output_dir", folder, *options, environment=environment)
    assert done.returncode == 0, done.stderr
    assert (folder / "benchmark.md").read_text(encoding="utf-8").strip() == done.stdout.strip()
    return json.loads((folder / "benchmark.json").read_text(encoding="utf-8")), done.stdout


def run_code(command, env, input, **_):
    """`subprocess.run` for a command `python -c code`."""
    done = run_program(command[2], environment=env, input=input)
    done.check_returncode()
    return done


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def script():
    return load(SCRIPT)


@pytest.fixture
def main(script):
    return script.main


def seconds(cell):
    """What a cell of times in the Markdown says: "1.2 s (1.1-1.3)" or "3.4 ms (3.3-3.9)"."""
    number, unit, _ = cell.split()
    return float(number) * {"s": 1, "ms": 0.001}[unit]


def test_numbers_are_medians_and_their_quotients(made):
    result, _ = made
    rows = [row for rows in result["tables"].values() for row in rows]
    assert len(rows) == 6 + 6 + 4
    for row in rows:
        assert row["medians"].keys() == row["rounds"].keys()
        for name, seconds in row["rounds"].items():
            assert len(seconds) == 2  # the warm-up is not among them
            assert min(seconds) > 0
            assert row["medians"][name] == statistics.median(seconds)
        for ratio, value in row["ratios"].items():
            above, below = ratio.split(" / ")
            assert value == pytest.approx(row["medians"][above] / row["medians"][below])


def test_tables_name_what_was_compared(made):
    result, _ = made
    chinese_bert, glyph_crm, texts = result["tables"].values()
    for models in (chinese_bert, glyph_crm):
        assert {"forward, table of characters warm", "AdamW step"} <= {row["case"] for row in models}
    bert = "hanziformers / BertForMaskedLM"
    assert all(row["ratios"].keys() == {bert} for row in chinese_bert)
    naive = {"every position / hanziformers", "every position / BertForMaskedLM"}
    fresh = [row for row in glyph_crm if "fresh text" in row["case"]]
    assert [row["ratios"].keys() for row in fresh] == [{bert}]
    assert all(row["ratios"].keys() == {bert} | naive for row in glyph_crm if row not in fresh)
    assert all(len(row["ratios"]) == 2 and len(row["medians"]) == 3 for row in texts)
    assert [row["case"] for row in texts] == [
        f"{length} characters, {calls}" for length in (20, 50) for calls in ("one text a call", "3 texts a call")
    ]


def test_titles_say_what_glyph_crm_read(made):
    result, _ = made
    _, glyph_crm, _ = result["tables"]
    assert "of them distinct" in glyph_crm
    assert "(GlyphCrmForMaskedLM) and" in glyph_crm
    assert "glyph images of 24 px, 4 and 8 channels, a bank of 23,236" in glyph_crm


def test_whole_step_is_the_sum_of_its_parts(made):
    result, _ = made
    for table in list(result["tables"].values())[:2]:
        rows = {row["case"]: row["rounds"] for row in table}
        for name, times in rows["training step: the two together"].items():
            parts = zip(rows["forward + backward"][name], rows["AdamW step"][name], strict=True)
            assert times == pytest.approx([sum(both) for both in parts])


def test_markdown_holds_every_row_and_the_machine(made):
    result, printed = made
    assert result["machine"] in printed
    assert "torch" in result["machine"]
    assert "transformers" in result["machine"]
    assert "pypinyin" in result["machine"]
    assert "pillow" in result["machine"]
    assert result["command"] in printed
    assert result["command"].startswith("python run_scripts/benchmark.py ")
    for title, rows in result["tables"].items():
        table = printed.split(f"## {title}\n")[1].split("## ")[0]
        for row in rows:
            line = next(line for line in table.splitlines() if line.startswith(f"| {row['case']} |"))
            cells = [cell for cell in line.split("|")[2:-1] if cell.strip()]
            times, ratios = cells[: len(row["medians"])], cells[len(row["medians"]) :]
            assert [seconds(cell) for cell in times] == pytest.approx(list(row["medians"].values()), rel=0.01)
            assert [float(cell.split()[0]) for cell in ratios] == pytest.approx(list(row["ratios"].values()), rel=0.01)


def test_own_text_vocabulary_and_one_part(main, tmp_path):
    sentence = "银行行长在一块石头上种重要的种子。"
    (tmp_path / "text.txt").write_text("\n".join([sentence] * 20), encoding="utf-8")
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(set(sentence))]
    (tmp_path / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    own = ["--text", str(tmp_path / "text.txt"), "--vocab", str(tmp_path / "vocab.txt"), "--part", "chinese_bert"]
    main([*OPTIONS, *own, "--dtype", "bfloat16", "--output_dir", str(tmp_path / "made")])
    result = json.loads((tmp_path / "made" / "benchmark.json").read_text(encoding="utf-8"))
    ((title, rows),) = result["tables"].items()
    assert "tiny, 2 x 12 tokens" in title
    assert "bfloat16" in title
    assert all(row["ratios"].keys() == {"hanziformers / BertModel"} for row in rows)
    assert result["text"].startswith(f"{20 * len(sentence)} characters")


def test_glyph_crm_reads_the_glyph_images_of_the_text(script, tmp_path, monkeypatch):
    """Also of characters outside of the vocabulary; and both ways through HanGlyph give one model's output."""
    monkeypatch.setenv("HANZIFORMERS_CACHE", str(tmp_path / "cache"))
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"银行长在一块石头上"]
    (tmp_path / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    (tmp_path / "text.txt").write_text("银行行长在 一块石头上种种子。" * 20, encoding="utf-8")
    seen = {}
    measure_model = script.measure_model

    def keep(arguments, ours, batches):
        seen.update(model=ours, batch=batches[0])
        return measure_model(arguments, ours, batches)

    monkeypatch.setattr(script, "measure_model", keep)
    own = ["--text", str(tmp_path / "text.txt"), "--vocab", str(tmp_path / "vocab.txt"), "--part", "glyph_crm"]
    script.main([*OPTIONS, *own, "--output_dir", str(tmp_path / "made")])
    model, batch = seen["model"].eval(), seen["batch"]
    assert not batch["extra_glyphs"].shape[1]
    assert int(batch["glyph_ids"].max()) >= len(tokens)
    assert model.get_input_embeddings().glyphs[batch["glyph_ids"].unique()].flatten(1).any(1).all()
    with torch.no_grad():
        bank, naive = model(**batch), script.every_position(model, batch)
    torch.testing.assert_close(bank.last_hidden_state, naive.last_hidden_state, atol=1e-5, rtol=1e-5)


def options_of(script, **given):
    options = {"output_dir": "", "size": "tiny", "rounds": 2, "batch": 2, "length": 12, "device": "cpu"}
    return script.BenchmarkArguments(**options | given)


def test_every_round_with_fresh_text_reads_a_batch_of_its_own(script):
    """And says how many of its characters no batch before had."""
    texts = [{"input_ids": torch.tensor([row])} for row in ([1, 2], [1, 3], [2, 9], [3, 4], [4, 1], [5, 6], [1, 2])]
    read = {"hanziformers": [], "BertModel": []}

    class Model(torch.nn.Module):
        def __init__(self, name):
            super().__init__()
            self.name = name

        def forward(self, input_ids):
            read[self.name].append(input_ids[0].tolist())

    models = {name: Model(name) for name in read}
    ways = {name: (model, lambda batch, model=model: model(**batch)) for name, model in models.items()}
    arguments = options_of(script, rounds=3, read_before=2)
    *_, last = script.fresh_text(arguments, ways, texts)
    assert read["BertModel"] == [[3, 4], [4, 1], [5, 6], [1, 2]]  # the first is the warm-up
    assert read["hanziformers"] == [[1, 2], [1, 3], [2, 9], *read["BertModel"]]
    ((case, rounds),) = last.items()
    assert case == "forward, fresh text after 4 other batches: 33.3% of its distinct characters new"
    assert {name: len(seconds) for name, seconds in rounds.items()} == {"hanziformers": 3, "BertModel": 3}


def test_batches_are_of_different_text(script):
    tokenizer = script.ChineseBertTokenizer(script.made_up_vocabulary())
    arguments = options_of(script, read_before=4, head="masked_lm")
    made = script.batches(arguments, tokenizer, "".join(map(chr, range(0x4E00, 0x4E00 + 8 * 48))))
    assert len(made) == 1 + 4 + 1 + 2
    special = {tokenizer.cls_token_id, tokenizer.sep_token_id}
    distinct = [set(batch["input_ids"].flatten().tolist()) - special for batch in made]
    assert sum(map(len, distinct)) == len(set.union(*distinct)) == 8 * 20
    assert all(
        set(batch["labels"].unique().tolist()) - {-100} <= own | special
        for batch, own in zip(made, distinct, strict=True)
    )


@pytest.mark.parametrize(("given", "number"), [({}, 12), ({"rounds": 1}, 11), ({"batch": 4, "read_before": 0}, 4)])
def test_text_that_would_come_again_is_not_fresh(script, given, number):
    arguments = options_of(script, **given)
    assert arguments.needed == number * arguments.batch * 24
    tokenizer = script.ChineseBertTokenizer(script.made_up_vocabulary())
    assert len(script.batches(arguments, tokenizer, "字" * arguments.needed)) == number
    assert len(script.batches(arguments, tokenizer, "字" * (arguments.needed - 1))) == 1


def test_a_text_that_is_too_short_for_fresh_batches_is_named(main, tmp_path):
    (tmp_path / "text.txt").write_text("银行很忙" * 20, encoding="utf-8")
    options = ["--text", str(tmp_path / "text.txt"), "--part", "chinese_bert", "--output_dir", str(tmp_path)]
    main([*OPTIONS, *options])
    result = json.loads((tmp_path / "benchmark.json").read_text(encoding="utf-8"))
    assert result["text"].endswith("too short for fresh text in every round, which needs 336")
    ((_, rows),) = result["tables"].items()
    assert not any("fresh" in row["case"] for row in rows)
    assert len(rows) == 5


def test_training_takes_the_optimizer_of_the_trainer(script, made, monkeypatch):
    result, _ = made
    steps = []
    for cls in (torch.optim.AdamW,):
        step = cls.step
        monkeypatch.setattr(cls, "step", lambda self, step=step: steps.append(self.defaults["fused"]) or step(self))
    config = script.hanziformers.ChineseBertConfig(vocab_size=40, **script.SIZES["tiny"])
    arguments = options_of(script, rounds=1)
    model = script.new_model(arguments, config)
    ways = {"hanziformers": (model, lambda batch: model(**batch))}
    batch = {"input_ids": torch.ones(1, 3, dtype=torch.long), "pinyin_ids": torch.zeros(1, 3, 8, dtype=torch.long)}
    list(script.training_steps(arguments, ways, [batch]))
    optimizer = script.usual_optimizer()
    assert steps == [optimizer == "adamw_torch_fused"] * 2
    assert all(optimizer in title for title in list(result["tables"])[:2])


def test_mixed_precision_computes_in_bfloat16(script):
    arguments = options_of(script, bf16=True)
    assert script.in_precision(arguments, lambda rows: rows @ rows.T)(torch.ones(2, 2)).dtype == torch.bfloat16
    model = torch.nn.Linear(1, 1)
    model.config = None
    title = script.describe(arguments, model, model, torch.ones(1, 2))
    assert "float32 with bfloat16 autocast, 2 rounds after 1 of warm-up" in title


def test_a_run_that_is_cut_leaves_what_it_measured(script, tmp_path, monkeypatch):
    """Also of the part that it was in."""

    def cut(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(script, "training_steps", cut)
    with pytest.raises(KeyboardInterrupt):
        script.main([*OPTIONS, "--part", "chinese_bert", "--output_dir", str(tmp_path)])
    result = json.loads((tmp_path / "benchmark.json").read_text(encoding="utf-8"))
    ((_, rows),) = result["tables"].items()
    assert [len(row["rounds"]["BertModel"]) for row in rows] == [2, 2, 2]
    assert not result["finished"]
    text = (tmp_path / "benchmark.md").read_text(encoding="utf-8")
    assert "**Not finished**" in text
    assert "| forward, fresh text after" in text


def test_the_finished_run_says_nothing_of_that(made):
    result, printed = made
    assert result["finished"]
    assert "Not finished" not in printed


@pytest.mark.parametrize(("name", "value", "least"), [("rounds", 0, 1), ("warm_up", -1, 0), ("read_before", -2, 0)])
def test_counts_that_measure_nothing_are_refused(script, name, value, least):
    with pytest.raises(ValueError, match=f"--{name} {value} is not allowed: give {least} or more"):
        options_of(script, **{name: value})


def test_rendering_is_measured_against_its_cache(main, tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "run", run_code)
    main(["--part", "rendering", "--rounds", "1", "--render_tokens", "600", "--output_dir", str(tmp_path)])
    result = json.loads((tmp_path / "benchmark.json").read_text(encoding="utf-8"))
    ((title, (row,)),) = result["tables"].items()
    assert "rendering on one core; 1 rounds" in title
    assert row["case"] == "600 tokens, song, hei, kai, 24 px, grey"
    assert row["ratios"]["rendered / from the cache"] > 1


def test_few_tokens_are_refused(main, tmp_path):
    with pytest.raises(ValueError, match="511 tokens .*render_tokens=511: the cache keeps no fewer than 512"):
        main(["--part", "rendering", "--render_tokens", "511", "--output_dir", str(tmp_path)])


def test_unknown_part_is_refused(main, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["--part", "model", "--output_dir", str(tmp_path)])
    assert "invalid choice: 'model'" in capsys.readouterr().err


def test_short_text_is_refused(main, tmp_path):
    (tmp_path / "text.txt").write_text("短文", encoding="utf-8")
    options = ["--text", str(tmp_path / "text.txt"), "--part", "text", "--text_lengths", "20"]
    with pytest.raises(ValueError, match="the text has 2 characters, and pieces of 20 are needed"):
        main([*options, "--output_dir", str(tmp_path)])


def test_forms_of_the_large_convolutions_are_compared(tmp_path, capsys):
    script = load(SCRIPTS / "benchmark_convolutions.py")
    options = ["--channels", "4", "--glyph_size", "24", "--chunks", "2", "5", "--rounds", "2", "--images", "7"]
    script.main([*options, "--output_dir", str(tmp_path)])
    text = (tmp_path / "convolutions.txt").read_text(encoding="utf-8")
    assert text.strip() == capsys.readouterr().out.strip()
    assert "three 5x5 convolutions, 4 channels, 24 px, cpu" in text
    for form in ("direct", "channels last", "frequencies", "spectra once", "bfloat16 autocast"):
        assert form in text
    for case in ("forward", "forward + backward"):
        for chunk in (2, 5):
            (line,) = [line for line in text.splitlines() if f"{case}, {chunk} glyph images" in line]
            times = line.split("|")[1:]
            assert len(times) == 5
            assert all(float(time) > 0 for time in times)


def test_a_form_that_computes_something_else_is_refused(tmp_path, monkeypatch):
    script = load(SCRIPTS / "benchmark_convolutions.py")
    monkeypatch.setattr(script, "correlate", lambda images, weight: 1.1 * script.F.conv2d(images, weight))
    options = ["--channels", "4", "--glyph_size", "24", "--chunks", "2", "--rounds", "1"]
    with pytest.raises(RuntimeError, match="the form 'frequencies' is .* off"):
        script.main([*options, "--output_dir", str(tmp_path)])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(tmp_path):
    main = load(SCRIPT).main
    for device in ("cuda", "cuda:1"):
        with pytest.raises(ValueError, match=f"--device {device}: torch sees no GPU"):
            main(["--output_dir", str(tmp_path), "--device", device, "--size", "tiny"])
