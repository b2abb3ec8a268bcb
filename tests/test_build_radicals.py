"""The generator of the table of radicals."""

import bz2
import shutil
from pathlib import Path

import pytest
from script_tools import main_of

from hanziformers.processors import radicals as table


def write_unihan(path, rows):
    lines = "".join(f"U+{code:04X}\tkIICore\tAGTJHKMP\nU+{code:04X}\tkRSUnicode\t{value}\n" for code, value in rows)
    path.write_bytes(bz2.compress(f"# Unihan\n#\tkRSUnicode\n{lines}".encode(), 1))
    return path


def test_it_builds_the_table_that_is_there(tmp_path):
    codes = [code for block in table.BLOCKS for code in range(*block)]
    values = table.radicals(map(chr, codes))
    # in another order, with simplified forms and second radicals
    rows = [(code, f"{value}'.3 1.2" if code % 7 else f"{value}.3") for code, value in zip(codes, values, strict=True)]
    file, out = write_unihan(tmp_path / "x.bz2", rows[::-1]), tmp_path / "radicals.py"
    shutil.copy(table.__file__, out)
    out.write_text(out.read_text(encoding="utf-8").replace('    "', '    "x', 1), encoding="utf-8")
    main_of("build_radicals")([str(file), "--out", str(out)])
    assert out.read_text(encoding="utf-8") == Path(table.__file__).read_text(encoding="utf-8")


def test_refusals(tmp_path):
    main = main_of("build_radicals")
    with pytest.raises(ValueError, match="U.4E01 has the radical '215.1'; allowed are 1 to 214"):
        main([str(write_unihan(tmp_path / "x.bz2", [(0x4E00, "1.0"), (0x4E01, "215.1")]))])
    (tmp_path / "other.py").write_text("BLOCKS = 1\n")
    file = write_unihan(tmp_path / "y.bz2", [(0x4E00, "1.0")])
    with pytest.raises(SystemExit, match="no BLOCKS"):
        main([str(file), "--out", str(tmp_path / "other.py")])
