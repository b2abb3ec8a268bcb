"""benchmark_convolutions.py measures every form; a form that computes something else is refused."""

import pytest
import torch
from script_tools import as_flags, main_of

main = main_of("benchmark_convolutions")
SMALLEST = {"channels": 1, "glyph_size": 24, "images": 3, "chunks": 2, "rounds": 1}


def test_it_prints_a_table(tmp_path, capsys):
    main(as_flags({"output_dir": tmp_path / "new", **SMALLEST}))
    printed = capsys.readouterr().out
    assert (tmp_path / "new" / "convolutions.txt").read_text(encoding="utf-8") == printed.removesuffix("\n")
    assert f"torch {torch.__version__}, 1 rounds" in printed
    assert "three 5x5 convolutions, 1 channels, 24 px, cpu, 3 glyph images a step" in printed
    for name in ("direct", "channels last", "frequencies", "spectra once", "bfloat16 autocast"):
        assert name in printed
    for case in ("forward, 2 glyph images", "forward + backward, 2 glyph images"):
        (row,) = [line for line in printed.splitlines() if line.strip().startswith(case)]
        assert len(row.split("|")) == 6  # the case, and a time for each form


def test_a_form_that_is_off_is_refused(tmp_path, monkeypatch):
    correlate = main.__globals__["correlate"]
    monkeypatch.setitem(main.__globals__, "correlate", lambda images, weight: 1.1 * correlate(images, weight))
    with pytest.raises(RuntimeError, match="the form 'frequencies' is .* off"):
        main(as_flags({"output_dir": tmp_path, **SMALLEST}))


def test_spectra_are_computed_once_a_step(monkeypatch):
    """For every kernel, and not again for each chunk, as the other form does."""
    functions = main.__globals__
    sizes, kernel_spectra = [], functions["kernel_spectra"]
    monkeypatch.setitem(functions, "kernel_spectra", lambda *args: sizes.append(args[1]) or kernel_spectra(*args))
    block = functions["GlyphBlock"](3, 2, 24)
    forms = functions["make_forms"](block, "cpu", 2)
    images, gradients = torch.rand(5, 2, 24, 24), {}
    for name in ("direct", "frequencies", "spectra once"):
        forms[name](images, True)
        gradients[name] = [conv.weight.grad.clone() for conv in block.residual]
        if name != "spectra once":
            assert not sizes
    assert sizes == [24, 20, 16]
    torch.testing.assert_close(gradients["spectra once"], gradients["direct"], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(gradients["frequencies"], gradients["direct"], rtol=1e-3, atol=1e-3)
