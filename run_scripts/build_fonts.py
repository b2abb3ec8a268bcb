"""Builds the fonts in hanziformers/font_files from their originals, all under the SIL Open Font License, and one list.

    python run_scripts/build_fonts.py FOLDER        # FOLDER holds the originals, at any depth

The originals, and how to get them:

    fonts-noto-cjk 1:20240730+repack1-1, fonts-lxgw-wenkai 1.511+repack-1 (Debian 13):
        apt-get download fonts-noto-cjk fonts-lxgw-wenkai; dpkg -x FILE.deb FOLDER
    @fontsource/zhi-mang-xing 5.3.0, @fontsource/liu-jian-mao-cao 5.3.0, @fontsource/ma-shan-zheng 5.3.1 (npm):
        npm pack PACKAGE; mkdir FOLDER/PACKAGE; tar xzf FILE.tgz -C FOLDER/PACKAGE
    unicode-data 17.0.0-2 (Debian sid), for the list of the 8,105 standard characters:
        apt-get download unicode-data; dpkg -x FILE.deb FOLDER

Files that are shipped as they were published (the seal font, the images of ancient characters) are not touched. At the
end the script writes fonts.json: for every file its hash, its names, and the characters that it renders.

Song, Hei and Kai are cut down to the blocks below, lose hinting, layout tables and names, and have their outlines
rounded to a coarser grid (half a unit is under a tenth of a pixel at 96 px), which makes them small. A modified font
may not carry a reserved name, so they are renamed. The three brush fonts are only renamed and rounded.
The output depends on nothing but the originals and the versions of fontTools and Brotli.
"""

import argparse
import bz2
import hashlib
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from fontTools.misc.transform import Scale
from fontTools.pens.t2CharStringPen import T2CharStringPen
from fontTools.pens.transformPen import TransformPen
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont, newTable
from fontTools.ttLib.scaleUpem import scale_upem
from fontTools.ttLib.tables.ttProgram import Program

from hanziformers.processors.fonts import open_source
from hanziformers.processors.image_folder import ImageFolder
from hanziformers.processors.shipped_fonts import SHIPPED, SHIPPED_TOO, STANDARD

TARGET = Path(__file__).resolve().parents[1] / "hanziformers" / "font_files"

HAN = ((0x2E80, 0x2FE0), (0x3400, 0x4DC0), (0x4E00, 0xA000), (0xF900, 0xFB00))  # radicals, Ext A, URO, compatibility
OTHERS = (
    (0x0020, 0x0180),  # Latin
    (0x0180, 0x0250),  # pinyin with the third tone, and the like
    (0x02B0, 0x0530),  # spacing modifiers (tones of bopomofo), Greek, Cyrillic
    (0x1E00, 0x1F00),  # more Latin
    (0x2000, 0x2C00),  # punctuation, currency, arrows, mathematics, boxes, shapes, dingbats
    (0x3000, 0x3400),  # CJK punctuation, kana, bopomofo, enclosed, months, units
    (0xFE10, 0xFE70),  # vertical and small forms
    (0xFF00, 0xFFF0),  # full-width and half-width forms
    (0x1F100, 0x1F300),  # enclosed
)
HANGUL = ((0x1100, 0x1200), (0xAC00, 0xD7B0))
BEYOND_BMP = ((0x20000, 0x32400),)  # Extensions B to H and their compatibility forms, as far as the original has them


@dataclass(frozen=True)
class Recipe:
    """How one shipped font is made.

    Attributes:
        pattern: name of the original, searched at any depth.
        number: the font's index in its collection (.ttc), or -1.
        family: the new family name.
        units: units per em of the result.
        blocks: ranges of code points to keep; None: all.
    """

    pattern: str
    number: int
    family: str
    units: int
    blocks: tuple[tuple[int, int], ...] | None


RECIPES = {
    "song.woff2": Recipe("NotoSerifCJK-Regular.ttc", 2, "Hanziformers Song", 500, HAN + OTHERS + HANGUL + BEYOND_BMP),
    "hei.woff2": Recipe("NotoSansCJK-Regular.ttc", 2, "Hanziformers Hei", 400, HAN + OTHERS),
    "kai.woff2": Recipe("LXGWWenKai-Regular.ttf", -1, "Hanziformers Kai", 400, HAN + OTHERS),
    "xingkai.woff2": Recipe("zhi-mang-xing-chinese-simplified-400-normal.woff2", -1, "Hanziformers XingKai", 400, None),
    "cao.woff2": Recipe("liu-jian-mao-cao-chinese-simplified-400-normal.woff2", -1, "Hanziformers Cao", 500, None),
    "brush.woff2": Recipe("ma-shan-zheng-chinese-simplified-400-normal.woff2", -1, "Hanziformers Brush", 400, None),
}


def main() -> None:
    """Reads the command line, builds every font and prints a row of the table in font_files/README.md for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="holds the originals, at any depth")
    parser.add_argument("--out", type=Path, default=TARGET, help="where the fonts go (%(default)s)")
    parser.add_argument("--only", nargs="*", choices=[*RECIPES, STANDARD], help="file names to build; default: all")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    wanted = arguments.only or [*RECIPES, STANDARD]
    with ProcessPoolExecutor(2) as pool:
        fonts = [name for name in wanted if name in RECIPES]
        for row in pool.map(partial(build, folder=arguments.folder, out=arguments.out), fonts):
            print(row, flush=True)
    if STANDARD in wanted:
        list_standard_characters(arguments.folder, arguments.out)
    describe(arguments.out)


def build(name: str, folder: Path, out: Path) -> str:
    """Makes one font; returns its row of the table: file, name, original, characters, bytes, sha256 of the original."""
    recipe = RECIPES[name]
    original = find(folder, recipe.pattern)
    font = TTFont(original, fontNumber=recipe.number, lazy=True)
    was = {number: font["name"].getDebugName(number) or "" for number in (0, 1, 5, 13, 14)}
    subset(font, recipe)
    rescale(font, recipe.units)
    if "glyf" in font:
        keep_unhinted(font)
    rename(font, recipe, was)
    font.flavor = "woff2"
    font.recalcTimestamp = False
    path = out / name
    font.save(path)
    origin = hashlib.sha256(original.read_bytes()).hexdigest()
    size = path.stat().st_size
    return f"| `{name}` | {recipe.family} | {was[1]} {was[5]} | {len(font.getBestCmap())} | {size} | `{origin}` |"


def list_standard_characters(folder: Path, out: Path) -> None:
    """Writes the 8,105 characters of the Table of General Standard Chinese Characters: the field kTGH of Unihan."""
    with bz2.open(find(folder, "Unihan_OtherMappings.txt.bz2"), "rt", encoding="utf-8") as lines:
        fields = [line.split("\t") for line in lines if "\tkTGH\t" in line]
    codes = sorted(int(code.removeprefix("U+"), 16) for code, *_ in fields)
    (out / STANDARD).write_text("".join(map(chr, codes)) + "\n", encoding="utf-8")


def find(folder: Path, pattern: str) -> Path:
    """The original of that name."""
    found = sorted(folder.rglob(pattern))
    if not found:
        raise SystemExit(f"no {pattern} under {folder}; see the top of {__file__} for where it comes from")
    return found[-1]


def describe(folder: Path) -> None:
    """Writes fonts.json: file (and folder inside a zip) -> {"sha256", "info": fields of `FontInfo`}."""
    found = {}
    for name in dict.fromkeys([*SHIPPED.values(), *SHIPPED_TOO.values()]):
        if (folder / name.partition("#")[0]).exists():
            source = open_source(folder / name)
            info = asdict(source.examine())
            if isinstance(source, ImageFolder):
                info |= {"family": f"Commons ancient characters, {source.part}", "licence": "public domain"}
            found[name] = {"sha256": source.sha256, "info": info}
    text = json.dumps(found, ensure_ascii=False, indent=1, sort_keys=True)
    (folder / "fonts.json").write_text(text + "\n", encoding="utf-8")


def subset(font: TTFont, recipe: Recipe) -> None:
    """Keeps the wanted characters and what renders them; no hinting, no layout."""
    options = Options(
        layout_features=[], hinting=False, desubroutinize=True, notdef_outline=False, glyph_names=False, name_IDs=[0]
    )
    options.drop_tables += ["GSUB", "GPOS", "GDEF", "BASE", "VORG", "vhea", "vmtx", "kern", "DSIG", "STAT", "meta"]
    present = set(font.getBestCmap())
    wanted = present if recipe.blocks is None else {c for a, b in recipe.blocks for c in range(a, b) if c in present}
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=wanted)
    subsetter.subset(font)


def rescale(font: TTFont, units: int) -> None:
    """Rounds the outlines to `units` per em.

    fontTools rounds the steps of a CFF outline, whose errors add up along it. So these outlines are built again here,
    from rounded points.
    """
    if "CFF " not in font:
        scale_upem(font, units)
        return
    factor = units / font["head"].unitsPerEm
    outlines = font["CFF "].cff.topDictIndex[0]
    glyphs = font.getGlyphSet()
    programs = {}
    for name in font.getGlyphOrder():
        pen = T2CharStringPen(round(glyphs[name].width * factor), glyphs)
        glyphs[name].draw(TransformPen(pen, Scale(factor)))
        old = outlines.CharStrings[name]
        programs[name] = pen.getCharString(old.private, old.globalSubrs).program
    scale_upem(font, units)
    for name, program in programs.items():
        charstring = outlines.CharStrings[name]
        charstring.program, charstring.bytecode = program, None
        width = font["hmtx"][name][0]
        private = charstring.private
        default = getattr(private, "defaultWidthX", 0)
        _set_width(program, width, default, getattr(private, "nominalWidthX", 0))


def _set_width(program: list, width: int, default: int, nominal: int) -> None:
    """The pen writes the width first, as it is; CFF wants the difference to the nominal one, or nothing."""
    if width == default:
        del program[0]
    else:
        program[0] = width - nominal


def keep_unhinted(font: TTFont) -> None:
    """Adds programs that change nothing, so that FreeType does not hint by itself: three times as fast, true to shape.

    `prep` is the usual one of fonts without hints: it asks that thin strokes are kept in binary images.
    """
    for name, code in (("fpgm", b"\xb0\x00\x21"), ("prep", b"\xb8\x01\xff\x85\xb0\x04\x8d")):
        font[name] = newTable(name)
        font[name].program = Program()
        font[name].program.fromBytecode(code)


def rename(font: TTFont, recipe: Recipe, was: dict[int, str]) -> None:
    """Gives the new name; copyright, licence and the original's name and version stay on record."""
    version = was[5].removeprefix("Version ").split(";")[0].strip()
    records = {
        0: was[0],
        1: recipe.family,
        2: "Regular",
        3: f"{recipe.family} {version}",
        4: recipe.family,
        5: f"Version {version}",
        6: recipe.family.replace(" ", "") + "-Regular",
        10: f"Modified from {was[1]} {version}: subset, outlines rounded to 1/{recipe.units} em, renamed.",
        13: was[13] or "This Font Software is licensed under the SIL Open Font License, Version 1.1.",
        14: was[14] or "https://scripts.sil.org/OFL",
    }
    table = font["name"]
    table.names = []
    for number, text in records.items():
        table.setName(text, number, 3, 1, 0x409)
    if "CFF " in font:
        cff = font["CFF "].cff
        cff.fontNames = [records[6]]
        top = cff.topDictIndex[0]
        top.FullName, top.FamilyName = recipe.family, recipe.family


if __name__ == "__main__":
    main()
