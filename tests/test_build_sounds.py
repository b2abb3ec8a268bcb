"""The script that builds the shipped bank: some of its rows, twice, bit for bit."""

import sys

import pytest
from script_tools import main_of

from hanziformers.processors.sound_bank import SOUND_FILE, SoundBank, shipped_bank

pytest.importorskip("espeakng_loader")
pytest.importorskip("librosa")


def test_a_second_run_gives_the_same_bytes(tmp_path, monkeypatch, capsys):
    main = main_of("build_sounds")
    first = shipped_bank().syllables[:12]
    monkeypatch.setattr(sys.modules["build_sounds"], "all_syllables", lambda: first)
    for name in ("a", "b"):
        monkeypatch.setattr(sys, "argv", ["build_sounds.py", "--out", str(tmp_path / name)])
        main()
    assert (tmp_path / "a" / SOUND_FILE).read_bytes() == (tmp_path / "b" / SOUND_FILE).read_bytes()
    assert "12 syllables, 12 distinct spectrograms" in capsys.readouterr().out
    # espeak-ng says the first ones as it did for the shipped bank, whatever follows
    built = SoundBank.load(tmp_path / "a" / SOUND_FILE)
    if built.sources[0]["made_with"] == shipped_bank().sources[0]["made_with"]:
        assert (built.log_mels == shipped_bank().log_mels[:12]).all()
