"""benchmark_lattice.py measures both, and says how many times the time of nn.LSTM a LatticeLSTM takes."""

import re

import torch
from script_tools import as_flags, main_of

main = main_of("benchmark_lattice")
SIZES = {"length": 6, "input_size": 3, "hidden_size": 4, "word_size": 3, "num_words": 5, "rounds": 2}


def test_it_prints_a_table(tmp_path, capsys):
    main([*as_flags({"output_dir": tmp_path / "new", **SIZES}), "--batch_size", "1", "3"])
    printed = capsys.readouterr().out
    assert (tmp_path / "new" / "lattice_lstm.txt").read_text(encoding="utf-8") == printed
    assert f"torch {torch.__version__}, 1 threads, 2 rounds" in printed
    assert "6 characters, 0.33 words a character, cpu" in printed
    for batch in (1, 3):
        (row,) = [line for line in printed.splitlines() if line.strip().startswith(f"batch {batch} ")]
        ours, plain = (float(number) for number in row.split("|")[1:])
        (ratio,) = re.findall(rf"batch {batch}: ([\d.]+) times the time of nn.LSTM", printed)
        assert abs(float(ratio) - ours / plain) < 0.1 + 0.1 * ours / plain


def test_words_fit_into_their_texts():
    arguments = main.__globals__["LatticeArguments"](output_dir="", words_per_character=3, **SIZES)
    ids, spans = main.__globals__["random_words"](arguments, 50)
    assert ids.shape == (50, 18)
    assert 0 <= ids.min() <= ids.max() < 5
    lengths = spans[..., 1] - spans[..., 0] + 1
    assert set(lengths.flatten().tolist()) == {2, 3, 4}
    assert 0 <= spans.min() <= spans.max() < 6
