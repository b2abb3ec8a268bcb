"""A sound bank: one log-mel spectrogram for each toned syllable, and where each comes from.

The shipped bank (hanziformers/sound_files) is spoken by espeak-ng; run_scripts/build_sounds.py builds it. A bank that
is saved with a checkpoint is a file of the same kind. It may come from anybody, so that it is read within limits.
"""

import hashlib
import json
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from .glyph_cache import read_array
from .shipped_fonts import shipped_folder
from .sound_manifest import check_sources
from .spectrogram import SETTINGS, SIZE
from .syllable_names import TONED

SOUND_FILE = "syllables.npz"  # in the folder of a checkpoint, and in that of the shipped bank

_MOST_ABOUT = 2**22  # bytes of what is said about the rows; 1,522 syllables take 10 kB
_MOST_SYLLABLES = 2**14


@dataclass(frozen=True)
class SoundBank:
    """Spectrograms by syllable.

    Attributes:
        syllables: S toned syllables, such as "zhong1", each once.
        log_mels: uint8 [S, 48, 48], see spectrogram.py.
        sources: who made which of them: {"source": "recording" or "synthesis", "voice", "file", "made_with", "sha256"
            (of the sound), "syllables" (with spaces between)}; each syllable stands in one of them.
    """

    syllables: list[str]
    log_mels: np.ndarray
    sources: list[dict[str, str]]

    def __post_init__(self) -> None:
        check_syllables(self.syllables)
        shape = (len(self.syllables), SIZE, SIZE)
        if self.log_mels.shape != shape or self.log_mels.dtype != np.uint8:
            raise ValueError(f"log_mels are {self.log_mels.dtype} {self.log_mels.shape}; needed are uint8 {shape}")
        check_sources(self.sources, self.syllables)

    def manifest(self) -> dict[str, Any]:
        """The sound manifest, as plain values for JSON: how many syllables, the settings, and the sources."""
        return {"syllables": len(self.syllables), "settings": dict(SETTINGS), "sources": self.sources}

    def rows(self) -> dict[str, int]:
        """Syllable -> row of `log_mels`."""
        return {syllable: row for row, syllable in enumerate(self.syllables)}

    def save(self, path: Path) -> None:
        """Writes the bank, always the same bytes (with the same zlib)."""
        about = {"syllables": self.syllables, "sources": self.sources}
        text = json.dumps(about, ensure_ascii=False, sort_keys=True).encode()
        with path.open("wb") as file:
            np.savez_compressed(file, about=np.frombuffer(text, np.uint8), log_mels=self.log_mels)

    @classmethod
    def load(cls, path: Path) -> "SoundBank":
        """Reads a bank.

        Raises:
            ValueError: it is no bank, damaged, or passes a limit; names the file.
        """
        try:
            if not path.is_file():  # a pipe would be waited for
                raise ValueError("it is no regular file")
            with zipfile.ZipFile(path) as archive:
                size = archive.getinfo("about.npy").file_size
                if size > _MOST_ABOUT:
                    raise ValueError(f"what it says about its rows has {size:,} bytes; {_MOST_ABOUT:,} are allowed")
                with archive.open("about.npy") as stream:
                    about = json.loads(np.lib.format.read_array(stream, allow_pickle=False).tobytes())
                syllables = check_syllables(about["syllables"])
                log_mels = read_array(archive, "log_mels", (len(syllables), SIZE, SIZE), np.uint8)
            return cls(syllables, log_mels, about["sources"])
        except Exception as error:  # numpy, zipfile and json raise whatever damaged bytes lead to
            raise ValueError(
                f"{str(path)!r} is no sound bank ({type(error).__name__}: {error}); get the file again, or build it "
                "again (run_scripts/build_sounds.py, or save_pretrained of the feature extractor)"
            ) from error


def check_syllables(syllables: Any) -> list[str]:
    """A list of toned syllables.

    Raises:
        TypeError: it is no list of strings.
        ValueError: it is empty, too long, or holds a syllable twice, or one that is none.
    """
    if isinstance(syllables, str) or not isinstance(syllables, Sequence) or not all(map(_is_text, syllables)):
        raise TypeError(f"syllables is {str(syllables)[:80]!r}; give a list of strings, such as ['zhong1', 'guo2']")
    wrong = next((one for one in syllables if not TONED.fullmatch(one)), None)
    if wrong is not None:
        raise ValueError(f"syllables holds {wrong[:80]!r}; a toned syllable is written as 'zhong1', 'lv4' or 'de5'")
    twice = next((one for one, number in Counter(syllables).items() if number > 1), None)
    if twice or not 0 < len(syllables) <= _MOST_SYLLABLES:
        raise ValueError(
            f"syllables holds {f'{twice!r} twice' if twice else f'{len(syllables):,}'}; give 1 to {_MOST_SYLLABLES:,} "
            "syllables, each once"
        )
    return list(syllables)


@lru_cache(maxsize=1)
def shipped_bank() -> SoundBank | None:
    """The shipped bank; None where the package is not installed (a checkpoint's own code)."""
    folder = shipped_folder("sound_files")
    return SoundBank.load(folder / SOUND_FILE) if folder else None


def sound_sha256(clips: Sequence[np.ndarray]) -> str:
    """sha256 of spoken clips, one after the other."""
    digest = hashlib.sha256()
    for clip in clips:
        digest.update(clip.tobytes())
    return digest.hexdigest()


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


__all__ = ["SOUND_FILE", "SoundBank", "check_syllables", "shipped_bank", "sound_sha256"]
