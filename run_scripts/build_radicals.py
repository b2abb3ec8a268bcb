"""Builds the table of radicals in processors/radicals.py from the Unicode Han Database.

    apt-get download unicode-data; dpkg -x unicode-data_*.deb FOLDER        # 17.0.0-2 (Debian sid)
    python run_scripts/build_radicals.py FOLDER/usr/share/unicode/Unihan_IRGSources.txt.bz2

The output depends on nothing but that file (and zlib).
"""

import argparse
import base64
import bz2
import re
import zlib
from pathlib import Path

from hanziformers.processors.radicals import NUMBER

TARGET = Path(__file__).resolve().parents[1] / "processors" / "radicals.py"
WIDTH = 110  # characters of the table in a line


def main(argv: list[str] | None = None) -> None:
    """Reads the command line and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="Unihan_IRGSources.txt.bz2")
    parser.add_argument("--out", type=Path, default=TARGET, help="the file whose table is replaced (%(default)s)")
    args = parser.parse_args(argv)
    found = read_radicals(args.file)
    packed = base64.b85encode(zlib.compress(bytes(found.values()), 9)).decode("ascii")
    text = args.out.read_text(encoding="utf-8")
    text = replace(text, "BLOCKS", [f"    (0x{first:04X}, 0x{end:04X}),\n" for first, end in runs(found)])
    lines = [packed[start : start + WIDTH] for start in range(0, len(packed), WIDTH)]
    text = replace(text, "PACKED", [f'    "{line}"\n' for line in lines])
    args.out.write_text(text, encoding="utf-8")
    print(f"{args.out}: {len(found)} characters, {len(packed)} bytes")


def read_radicals(path: Path) -> dict[int, int]:
    """The first radical, 1 to 214, of every code point in the file, in their order.

    Raises:
        ValueError: a radical is out of this range.
    """
    found = {}
    with bz2.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            if "\tkRSUnicode\t" not in line:
                continue
            code, _, value = line.rstrip("\n").split("\t")
            radical = int(re.match(r"\d+", value)[0])  # "149'.2 75.6": a radical and the strokes besides it, others
            if not 1 <= radical <= NUMBER:
                raise ValueError(f"{path}: {code} has the radical {value!r}; allowed are 1 to {NUMBER}")
            found[int(code.removeprefix("U+"), 16)] = radical
    return dict(sorted(found.items()))


def runs(codes: dict[int, int]) -> list[list[int]]:
    """Runs of code points in ascending order: the first, and the one behind the last."""
    found: list[list[int]] = []
    for code in codes:
        if found and found[-1][1] == code:
            found[-1][1] = code + 1
        else:
            found.append([code, code + 1])
    return found


def replace(text: str, name: str, lines: list[str]) -> str:
    """A source text with other lines in the parentheses of `NAME = (...)`."""
    pattern = re.compile(rf"^{name} = \(\n.*?^\)$", re.DOTALL | re.MULTILINE)
    if not pattern.search(text):
        raise SystemExit(f"there is no {name} = (...) to replace; give processors/radicals.py")
    return pattern.sub(lambda _: f"{name} = (\n{''.join(lines)})", text)


if __name__ == "__main__":
    main()
