"""Sound banks: the shipped one, and files that are damaged or hostile."""

import io
import json
import os
import re
import time
import zipfile

import numpy as np
import pytest

from hanziformers.processors.shipped_fonts import shipped_folder
from hanziformers.processors.sound_bank import SOUND_FILE, SoundBank, check_syllables, shipped_bank
from hanziformers.processors.spectrogram import with_deltas
from hanziformers.tokenization.syllables import all_syllables


def bank(syllables=("ma1", "ma2")):
    images = np.arange(len(syllables) * 48 * 48).reshape(-1, 48, 48).astype(np.uint8)
    fields = dict.fromkeys(("voice", "file", "made_with", "sha256"), "x")
    return SoundBank(list(syllables), images, [{"source": "synthesis", **fields, "syllables": " ".join(syllables)}])


def test_every_syllable_of_pypinyin_has_a_distinct_spectrogram_with_sound():
    shipped = shipped_bank()
    assert set(all_syllables()) <= set(shipped.syllables)
    assert len({image.tobytes() for image in shipped.log_mels}) == len(shipped.syllables) == 1522
    assert (shipped.log_mels.max(axis=(1, 2)) == 255).all()
    assert (shipped.log_mels.reshape(1522, -1).std(axis=1) > 20).all()
    assert (with_deltas(shipped.log_mels).max(axis=(2, 3)) == 255).all()


def test_the_shipped_bank_is_small_and_says_who_speaks():
    folder = shipped_folder("sound_files")
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 3_500_000
    [source] = shipped_bank().manifest()["sources"]
    assert (source["source"], source["voice"]) == ("synthesis", "espeak-ng cmn+f4")
    assert source["made_with"].startswith("espeak-ng 1.52.0, librosa ")
    assert "GNU General Public License" in (folder / "README.md").read_text(encoding="utf-8")


def test_a_saved_bank_is_the_same_and_always_the_same_bytes(tmp_path):
    made = bank()
    made.save(tmp_path / "a.npz")
    made.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    read = SoundBank.load(tmp_path / "a.npz")
    assert (read.syllables, read.sources) == (made.syllables, made.sources)
    assert np.array_equal(read.log_mels, made.log_mels)


def write(path, about=None, **arrays):
    text = json.dumps(about or {"syllables": ["ma1"], "sources": []}).encode()
    np.savez_compressed(path, about=np.frombuffer(text, np.uint8), **arrays)


def fifo(path):
    os.mkfifo(path)


def test_a_long_list_is_refused_at_once(tmp_path):
    """Looking for one that stands twice took seconds for 17,576 and hours for what a file may hold."""
    many = [f"{a}{b}{c}{d}1" for a in LETTERS for b in LETTERS for c in LETTERS for d in LETTERS[:8]]
    write(tmp_path / SOUND_FILE, {"syllables": many})
    start = time.perf_counter()
    with pytest.raises(ValueError, match="holds 140,608; give 1 to 16,384 syllables"):
        SoundBank.load(tmp_path / SOUND_FILE)
    assert time.perf_counter() - start < 5


def bomb(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("about.npy", bytes(2**23))


def pickled(path):
    stream = io.BytesIO()
    np.save(stream, np.array([{"a": 1}], object))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("about.npy", stream.getvalue())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (fifo, "no regular file"),
        (bomb, "8,388,608 bytes"),
        (pickled, "allow_pickle=False"),
        (lambda path: path.write_bytes(b"x"), "BadZipFile"),
        (lambda path: write(path, log_mels=np.zeros((2, 48, 48), np.uint8)), "(2, 48, 48)"),
        (lambda path: write(path, log_mels=np.zeros((1, 48, 12), np.float32)), "dtype float32"),
        (lambda path: write(path, log_mels=np.zeros((1, 48, 48), np.uint8)), "those of other syllables"),
        (lambda path: write(path, {"syllables": ["../x"]}), "'../x'"),
        (lambda path: write(path, {"syllables": ["ma1", "ma1"]}), "'ma1' twice"),
        (lambda path: write(path, {"other": 1}), "KeyError"),
    ],
)
def test_a_damaged_bank_is_refused_by_name(tmp_path, make, said):
    path = tmp_path / SOUND_FILE
    make(path)
    with pytest.raises(ValueError, match=re.escape(said)) as refused:
        SoundBank.load(path)
    assert str(path) in str(refused.value)
    assert "is no sound bank" in str(refused.value)


LETTERS = "abcdefghijklmnopqrstuvwxyz"  # 17,576 syllables of three letters: more than are allowed


@pytest.mark.parametrize(
    ("syllables", "error"),
    [
        ("ma1", TypeError),
        (["ma1", 3], TypeError),
        (None, TypeError),
        ([], ValueError),
        (["ma"], ValueError),
        (["MA1"], ValueError),
        (["ma1", "ma1"], ValueError),
        ([""], ValueError),
        (["é4"], ValueError),
        (["лю4"], ValueError),
        (["lü4"], ValueError),
        (["zhuangg1"], ValueError),
        ([f"{first}{second}{third}1" for first in LETTERS for second in LETTERS for third in LETTERS], ValueError),
    ],
)
def test_syllables_of_another_kind_are_refused(syllables, error):
    with pytest.raises(error, match="syllable"):
        check_syllables(syllables)
