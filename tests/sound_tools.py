"""Short clips for the tests of sounds."""

import shutil
from pathlib import Path

import numpy as np

RATE = 16000


def voiced(hertz=200.0, seconds=0.3, silence=0.0, rate=RATE):
    """A tone with three harmonics, float64 [n], with silence before and after."""
    time = np.arange(int(seconds * rate)) / rate
    sound = sum(np.sin(2 * np.pi * hertz * harmonic * time) / harmonic for harmonic in (1, 2, 3)) / 4
    quiet = np.zeros(int(silence * rate))
    return np.concatenate([quiet, sound, quiet])


def clips(folder: Path, names) -> Path:
    """A folder of clips: name -> samples, or a list of names, each of which sounds otherwise."""
    import soundfile

    folder.mkdir(parents=True, exist_ok=True)
    sounds = names if isinstance(names, dict) else {name: voiced(150 + 20 * row) for row, name in enumerate(names)}
    for name, samples in sounds.items():
        if isinstance(samples, bytes):
            (folder / name).write_bytes(samples)
        else:
            soundfile.write(folder / name, samples, RATE)
    return folder


def zipped(folder: Path) -> Path:
    """A zip of a folder, beside it."""
    return Path(shutil.make_archive(str(folder), "zip", folder))
