"""Folders and zips of recorded syllables, one short clip each: `zhong1.mp3`, `cmn-lv4.wav`, `cmn-出.ogg`."""

import hashlib
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from transformers.utils import logging

from .image_entries import FileZip, Unused, list_folder
from .spectrogram import log_mel, sound_library
from .syllable_names import character_of, only_reading, syllable_of

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*

# What libsndfile reads. Other kinds would be handed to other programs.
KINDS = (".wav", ".mp3", ".flac", ".ogg", ".oga", ".opus", ".aif", ".aiff", ".aifc", ".au", ".caf", ".w64", ".rf64")
OTHER_KINDS = (".m4a", ".aac", ".mp4", ".wma", ".webm", ".amr", ".3gp", ".mka")  # ffmpeg makes one of the above of them
MOST_SECONDS = 2.0  # of a clip
MOST_BYTES = 2**22  # of a file: 2 s at 192 kHz, two channels of 32 bits, have 3 MB

_RATES = (4000, 192000)  # Hz
_MOST_CHANNELS = 8
_SIZES = re.compile(r": (\d+) \(should be (\d+)\)")  # in libsndfile's log: bytes that a header claims, and those there
_STREAMED = 2**30  # bytes; what writes into a pipe claims the most that there can be, as it does not know the length
_MP3_LENGTH = (b"Xing", b"Info")  # the first frame of an MP3 has one of these if it says how long the MP3 is


class Recordings:
    """The clips of one voice.

    A clip is named by its toned syllable, or by a character that has one reading (see syllable_names.py); of characters
    that read alike, and of a character whose syllable has a clip of its own, all are kept, the first by name first, and
    those named by syllable before them. What is not used is counted in a warning. An entry that looks like a clip
    and cannot be read, or ends too early, is refused by name when it is read.

    Args:
        path: of the folder (not those inside it) or zip.
        voice: a name for it; by default that of the folder or zip.

    Attributes:
        path: absolute.
        voice: its name.
        file: name of the folder or zip, without those around it.
        files: toned syllable -> names of its files, sorted by syllable.

    Raises:
        ValueError: it holds no recordings; two files are named by one syllable; a zip is damaged or passes a limit.
        FileNotFoundError: there is nothing at the path.
    """

    def __init__(self, path: str | Path, voice: str | None = None) -> None:
        self.path = Path(os.path.abspath(path))  # found after a change of the working directory too
        if not self.path.exists():
            raise FileNotFoundError(f"there are no recordings at {str(path)!r}; give a folder or a zip")
        # a name that is no UTF-8 has lone surrogates in Python, which no file of settings can hold
        self.file = self.path.name.encode("utf-8", "replace").decode()
        self.voice = voice or (self.file if self.path.is_dir() else os.path.splitext(self.file)[0])
        unused = Unused()
        self._zip = None if self.path.is_dir() else self._open_zip()
        names = self._zip.names("", unused) if self._zip else list_folder(self.path, "", unused, KINDS)
        self.files = self._by_syllable(names, unused)
        if not self.files:
            raise ValueError(
                f"{str(self.path)!r} holds no recordings{f' (not used are {unused})' if str(unused) else ''}; name "
                f"them zhong1.mp3, lv4.mp3 or 出.mp3 (kinds: {', '.join(KINDS)}), without folders between"
            )
        if str(unused):
            logger.warning_once(
                f"{str(self.path)!r} has recordings of {len(self.files):,} syllables. Not used are {unused}"
            )

    def log_mel(self, name: str) -> np.ndarray:
        """The spectrogram of one file, uint8 [48, 48] (see spectrogram.py).

        Raises:
            ValueError: the clip is no sound, silent, longer than 2 s, or passes another limit; names the file.
            ImportError: librosa or soundfile is not installed.
        """
        with self._named(name):
            return log_mel(*_samples(self._data(name)))

    def sha256(self) -> str:
        """Of the names and bytes of the files that are used."""
        digest = hashlib.sha256()
        for name in sorted(name for names in self.files.values() for name in names):
            with self._named(name):
                digest.update(name.encode("utf-8", "surrogateescape") + hashlib.sha256(self._data(name)).digest())
        return digest.hexdigest()

    def _open_zip(self) -> FileZip:
        try:
            return FileZip(self.path, _is_clip, _check_size)
        except (ValueError, OSError) as error:
            raise ValueError(
                f"{str(self.path)!r} cannot be opened as a zip of recordings ({error}); get the file again, or give a "
                "folder of recordings"
            ) from error

    def _by_syllable(self, names: list[str], unused: Unused) -> dict[str, list[str]]:
        """Toned syllable -> its files; `unused` gets the names that look like recordings and are not used."""
        named: dict[str, list[str]] = {}
        characters: dict[str, list[str]] = {}
        others: list[tuple[str | None, str]] = []  # syllable or None, and the name
        for name in sorted(names):
            stem, kind = os.path.splitext(os.path.basename(name))
            syllable, character = syllable_of(stem), character_of(stem)
            if stem.startswith(".") or stem == "__MACOSX":  # hidden files, and what macOS adds
                continue
            if not _is_clip(name):
                others.append((syllable or (character and only_reading(character)), name))
            elif syllable:
                named.setdefault(syllable, []).append(name)
            elif not character:
                unused.add("names that are no toned syllable", name)
            elif reading := only_reading(character):
                characters.setdefault(reading, []).append(name)
            else:
                unused.add("characters with several readings", name)
        self._count_others(others, {*named, *characters}, unused)
        for syllable, both in named.items():
            if len(both) > 1:
                raise ValueError(
                    f"{str(self.path)!r} has two recordings of the syllable {syllable!r}, {both[0]!r} and {both[1]!r}; "
                    "remove or rename one, or give each voice a folder of its own"
                )
        return {one: named.get(one, []) + characters.get(one, []) for one in sorted({*named, *characters})}

    def _count_others(self, others: list[tuple[str | None, str]], found: set[str], unused: Unused) -> None:
        """Counts what is no clip. A text beside the clip of its syllable is none either, and is not counted."""
        for syllable, name in others:
            kind = os.path.splitext(name)[1].lower()
            if not self._zip and (self.path / name).is_dir():
                unused.add("folders inside it", name)
            elif kind == ".zip":
                unused.add("zips inside it", name)
            elif kind in OTHER_KINDS or (syllable and syllable not in found):
                unused.add("kinds that are not read (make .wav or .mp3 of them)", name)

    def _data(self, name: str) -> bytes:
        """The bytes of a file."""
        if self._zip:
            return self._zip.read(name)
        path = self.path / name
        if not path.is_file():  # a pipe would be waited for
            raise ValueError("it is no regular file")
        _check_size(path.stat().st_size)
        return path.read_bytes()

    @contextmanager
    def _named(self, name: str) -> Iterator[None]:
        """Names the file and the fix in errors about a clip."""
        try:
            yield
        except ImportError:
            raise
        except Exception as error:  # libsndfile, zipfile and librosa raise whatever damaged bytes lead to
            raise ValueError(
                f"{name!r} in {str(self.path)!r} cannot be read as the recording of a syllable "
                f"({getattr(error, 'error_string', error)}); replace or remove it"
            ) from error


def as_recordings(recordings: Any) -> list[Recordings]:
    """Opens the recordings of a user, in the order in which they are tried.

    Args:
        recordings: the path of a folder or zip; several in a list; or name of the voice -> path. None: there are none.

    Raises:
        TypeError: it is something else.
        ValueError: two voices have one name. See also `Recordings`.
    """
    given = [] if recordings is None else [recordings] if isinstance(recordings, (str, Path)) else recordings
    listed = given if isinstance(given, (list, tuple)) else ()
    pairs = list(given.items()) if isinstance(given, dict) else [(None, path) for path in listed]
    wrong = [pair for pair in pairs if not isinstance(pair[0], str | None) or not isinstance(pair[1], (str, Path))]
    wrong += [pair for pair in pairs if pair[1] == ""]  # would be the working directory
    if wrong or not isinstance(given, (dict, list, tuple)):
        raise TypeError(
            f"recordings is {recordings!r}; give the path of a folder or zip, a list of them, or voice -> path: "
            "{'chen': 'syllables.zip'}"
        )
    opened = [Recordings(path, voice) for voice, path in pairs]
    voices = [one.voice for one in opened]
    if len(set(voices)) < len(voices):
        raise ValueError(f"recordings holds the voices {voices}; give each a name of its own: {{'voice': 'path'}}")
    return opened


def _is_clip(name: str) -> bool:
    """Whether an entry looks like a recording; macOS adds "._zhong1.mp3", which does not."""
    base = os.path.basename(name)
    return os.path.splitext(base)[1].lower() in KINDS and not base.startswith(".")


def _check_size(size: int) -> None:
    if size > MOST_BYTES:
        raise ValueError(f"it has {size:,} bytes; at most {MOST_BYTES:,} are allowed, a syllable needs far less")


def _samples(data: bytes) -> tuple[np.ndarray, int]:
    """Decodes a clip: float32 [n], one channel, and its sample rate.

    Raises:
        ValueError: it is longer than 2 s, or was cut off, or has a sample rate or number of channels that no syllable
            needs.
        Exception: whatever soundfile raises for bytes that are no sound.
    """
    soundfile = sound_library("soundfile")
    stream = io.BytesIO(data)
    with soundfile.SoundFile(stream) as file:
        if not _RATES[0] <= file.samplerate <= _RATES[1] or file.channels > _MOST_CHANNELS:
            raise ValueError(
                f"it has {file.channels} channels of {file.samplerate:,} Hz; at most {_MOST_CHANNELS} of {_RATES[0]:,} "
                f"to {_RATES[1]:,} Hz are allowed"
            )
        most = int(MOST_SECONDS * file.samplerate)
        # One more than is allowed: what the file says of its length may be wrong.
        samples = file.read(most + 1, dtype="float32", always_2d=True)
        if len(samples) > most:
            raise ValueError(f"it is longer than {MOST_SECONDS:g} s; cut out the one syllable")
        guessed = file.format == "MP3" and not any(name in data for name in _MP3_LENGTH)
        _check_whole(file, len(samples), len(data) - stream.tell() if guessed else None)
    return samples.mean(axis=1), file.samplerate


def _check_whole(file: Any, samples: int, unread: int | None) -> None:
    """Refuses a clip of which a part is missing: libsndfile reads what there is, and says so at most in its log.

    Args:
        file: a soundfile.SoundFile that was read to its end.
        samples: that were read, of each channel.
        unread: bytes behind them, of a file whose length libsndfile has guessed.
    """
    if unread is not None and unread > 1024:
        raise ValueError(
            "it is an MP3 of variable bit rate that does not say how long it is, so that only a part of it is read; "
            "make a .wav of it"
        )
    sizes = [tuple(map(int, pair)) for pair in _SIZES.findall(file.extra_info)]
    if (unread is None and samples < file.frames) or any(there < claimed < _STREAMED for claimed, there in sizes):
        raise ValueError("it ends before the length that it claims; get the file again")


__all__ = ["KINDS", "MOST_SECONDS", "Recordings", "as_recordings"]
