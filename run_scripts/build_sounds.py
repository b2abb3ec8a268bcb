"""Builds the sound bank in hanziformers/sound_files: a spectrogram of every toned syllable, spoken by espeak-ng.

    pip install 'hanziformers[sound]'
    python run_scripts/build_sounds.py

The syllables are all that the installed pypinyin knows for the characters U+4E00-9FFF and Extension A, and in its
phrases, in alphabetical order. They are spoken in this order in a fresh process, because what espeak-ng says depends on
what it said before. The output depends on nothing but the versions of pypinyin, espeakng-loader and librosa (and, where
the bytes of the file are compared, zlib): a second run gives the same bytes.
"""

import argparse
from pathlib import Path

from hanziformers.processors.pronunciation import make_bank
from hanziformers.processors.sound_bank import SOUND_FILE
from hanziformers.tokenization.syllables import all_syllables

TARGET = Path(__file__).resolve().parents[1] / "hanziformers" / "sound_files"


def main() -> None:
    """Reads the command line, and builds the bank."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=TARGET, help="folder of the bank (%(default)s)")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    bank = make_bank(all_syllables())
    path = arguments.out / SOUND_FILE
    bank.save(path)
    distinct = len({image.tobytes() for image in bank.log_mels})
    print(
        f"{path}: {len(bank.syllables):,} syllables, {distinct:,} distinct spectrograms, {path.stat().st_size:,} bytes"
    )


if __name__ == "__main__":
    main()
