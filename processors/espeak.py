"""Speaks toned syllables with espeak-ng, for those that nobody has recorded.

The sound depends on what espeak-ng spoke before, so that every call starts a fresh process, in which the syllables are
spoken in their order: the same syllables sound the same each time. The process runs this very file as a script, which
therefore imports nothing of its own package.

espeak-ng reads pinyin, but takes some syllables for English; those are given as phonemes. Its tones are weaker than
those of people. With the settings below, from start to end of ma, tones 1 to 4 change by about +2.0, +4.1, +2.6 and
-3.4 semitones (a recorded voice: +.1, +4.5, a dip of 2.9, -4.0): tones 2 and 3 look alike, and tone 1 rises. A high
voice is used, with a wide range, because its harmonics, which show the tone, are far enough apart for 48 mel bands; at
espeak-ng's own settings (a low voice) the tones can hardly be seen. Voices with breath (f2, f3, f5 and more) are made
with random noise and sound otherwise each time.
"""

import ctypes
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import numpy as np

VOICE = "cmn+f4"  # Mandarin, with the variant f4; others are cmn, cmn+f1, cmn+m3, cmn+Andrea, ...
RATE = 22050  # Hz
WORDS_PER_MINUTE, PITCH, PITCH_RANGE = 120, 70, 99  # espeak-ng's own are 175, 50 and 50

_TONES = {"1": "55", "2": "35", "3": "214", "4": "51", "5": "11"}
_PHONEMES = {  # of what espeak-ng takes for English, or speaks without its tone
    "jiong": "tS;j'ong",
    "qiong": "tS;hj'ong",
    "xiong": "S;j'ong",
    "wong": "w'ong",
    "ê": "'E",
    "m": "'m-",
    "n": "'n-",
    "ng": "'N-",
    "hm": "X'm-",
    "hng": "X'N-",
}
_SYLLABLE = re.compile("[a-zê]{1,6}[1-5]")
_VOICE = re.compile(r"cmn(?:\+([\w ]+))?")
_SPOKEN = re.compile("[^(]*[1-5]+[^(]*")  # phonemes of one language with a tone
_UTF8, _PHONEME_INPUT, _DO_NOT_EXIT = 1, 0x100, 0x8000  # flags of espeak-ng
_RATE_PARAMETER, _PITCH_PARAMETER, _RANGE_PARAMETER = 1, 3, 4
_SECONDS = 600  # that the process may take


def speak(syllables: Sequence[str], voice: str = VOICE) -> tuple[list[np.ndarray], str]:
    """Speaks toned syllables.

    Args:
        syllables: n of them, such as "zhong1".
        voice: a voice of espeak-ng that speaks Mandarin.

    Returns:
        n clips int16 [samples], 22,050 Hz, and the version of espeak-ng.

    Raises:
        ImportError: espeakng-loader is not installed; names the command.
        ValueError: espeak-ng does not know the voice, or cannot speak a syllable as Mandarin; names it.
        RuntimeError: espeak-ng does not run here.
    """
    try:
        import_module("espeakng_loader")
    except ImportError as error:
        raise ImportError(
            f"espeak-ng is needed to speak {len(syllables)} syllables without a recording, {syllables[0]!r} first "
            f"({error}): pip install 'hanziformers[sound]'"
        ) from error
    request = json.dumps({"syllables": list(syllables), "voice": voice}).encode()
    done = subprocess.run([sys.executable, "-P", __file__], input=request, capture_output=True, timeout=_SECONDS)
    header, _, sound = done.stdout.partition(b"\n")
    if done.returncode or not header:
        raise RuntimeError(
            f"espeak-ng failed with code {done.returncode}: {done.stderr.decode(errors='replace')[-300:]}"
        )
    answer = json.loads(header)
    if "error" in answer:
        raise ValueError(answer["error"])
    samples = np.frombuffer(sound, "<i2")
    return np.split(samples, np.cumsum(answer["lengths"])[:-1]), answer["version"]


class _Espeak:
    """The library espeak-ng, once in a process."""

    def __init__(self, voice: str) -> None:
        loader = import_module("espeakng_loader")
        self._chunks: list[bytes] = []
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
        self._keep = kind(self._collect)  # ctypes does not keep it alive
        self._library = ctypes.CDLL(loader.get_library_path())
        self._library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._library.espeak_Info.restype = ctypes.c_char_p
        rate = self._library.espeak_Initialize(1, 0, loader.get_data_path().encode(), _DO_NOT_EXIT)
        if rate != RATE:
            raise RuntimeError(f"espeak_Initialize gives {rate}; {RATE} is expected")
        self._library.espeak_SetSynthCallback(self._keep)
        variant = _VOICE.fullmatch(voice)  # one that is not there would be left out without a word
        known = variant and (not variant[1] or (Path(loader.get_data_path()) / "voices" / "!v" / variant[1]).is_file())
        if not known or self._library.espeak_SetVoiceByName(voice.encode()):
            raise ValueError(f"espeak-ng has no Mandarin voice {voice!r}; give 'cmn', or a variant such as 'cmn+f4'")
        for parameter, value in (
            (_RATE_PARAMETER, WORDS_PER_MINUTE),
            (_PITCH_PARAMETER, PITCH),
            (_RANGE_PARAMETER, PITCH_RANGE),
        ):
            self._library.espeak_SetParameter(parameter, value, 0)

    def version(self) -> str:
        """Such as "1.52.0"."""
        return self._library.espeak_Info(None).decode()

    def speak(self, syllable: str) -> bytes:
        """One syllable as 16-bit samples."""
        base, text = syllable[:-1], syllable
        if not _SYLLABLE.fullmatch(syllable):
            raise ValueError(f"{syllable!r} is no toned syllable; write it as zhong1, lv4 or de5")
        if base in _PHONEMES:
            text = f"[[{_PHONEMES[base]}{_TONES[syllable[-1]]}]]"
        else:
            pointer = ctypes.c_char_p(text.encode())
            phonemes = self._library.espeak_TextToPhonemes(ctypes.byref(pointer), _UTF8, 0).decode()
            if not _SPOKEN.fullmatch(phonemes):
                raise ValueError(
                    f"espeak-ng cannot speak the syllable {syllable!r} as Mandarin (its phonemes are {phonemes!r}); "
                    "give a recording of it, or leave it out of the syllables"
                )
        self._chunks.clear()
        written = text.encode()
        self._library.espeak_Synth(written, len(written) + 1, 0, 0, 0, _UTF8 | _PHONEME_INPUT, None, None)
        self._library.espeak_Synchronize()
        return b"".join(self._chunks)

    def _collect(self, wave: ctypes.POINTER(ctypes.c_short), count: int, events: int) -> int:
        if wave and count > 0:
            self._chunks.append(ctypes.string_at(wave, 2 * count))
        return 0


def _main() -> None:
    """Reads a request from standard input, and writes a line of JSON and then the samples of all syllables."""
    request = json.loads(sys.stdin.buffer.read())
    try:
        espeak = _Espeak(request["voice"])
        clips = [espeak.speak(syllable) for syllable in request["syllables"]]
        answer = {"version": espeak.version(), "lengths": [len(clip) // 2 for clip in clips]}
    except ValueError as error:
        clips, answer = [], {"error": str(error)}
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n" + b"".join(clips))


if __name__ == "__main__":
    _main()

__all__ = ["RATE", "VOICE", "speak"]
