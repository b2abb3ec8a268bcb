"""Folders and zips of recordings: names, what is not used, what is refused by name."""

import os
import re
import struct
import zipfile

import numpy as np
import pytest
from sound_tools import RATE, clips, voiced, zipped

from hanziformers.processors.recordings import Recordings, as_recordings

soundfile = pytest.importorskip("soundfile")


def test_folder_and_zip_give_the_same(tmp_path):
    pytest.importorskip("librosa")
    folder = clips(tmp_path / "chen", ["zhong1.wav", "cmn-lv4.flac", "cmn-出.ogg", "_m2.mp3"])
    one, two = Recordings(folder), Recordings(zipped(folder))
    assert one.files == two.files
    assert list(one.files) == ["chu1", "lv4", "m2", "zhong1"]
    assert one.voice == two.voice == "chen"
    assert one.sha256() == two.sha256()
    for names in one.files.values():
        assert np.array_equal(one.log_mel(names[0]), two.log_mel(names[0]))


def test_what_is_not_used_is_counted(tmp_path, warnings):
    folder = clips(tmp_path / "x", ["zhong1.wav", "notes.wav", "行.wav", "长.wav", ".hidden1.wav"])
    for name in ("guo2.m4a", "readme.txt"):
        (folder / name).write_bytes(b"x")
    (folder / "da4.wav").symlink_to(folder / "gone.wav")
    (folder / "shi4.wav").mkdir()
    os.mkfifo(folder / "san1.wav")
    assert list(Recordings(folder).files) == ["zhong1"]
    [said] = warnings
    assert "recordings of 1 syllables" in said
    for note in (
        "names that are no toned syllable: 1 ('notes.wav')",
        "characters with several readings: 2 ('行.wav', '长.wav')",
        "kinds that are not read (make .wav or .mp3 of them): 1 ('guo2.m4a')",
        "broken links: 1 ('da4.wav')",
        "folders and devices: 2 (",
    ):
        assert note in said
    assert "readme" not in said


def test_two_files_for_one_syllable_are_refused_by_name(tmp_path):
    folder = clips(tmp_path / "x", ["ju4.wav", "cmn-jv4.wav"])
    for path in (folder, zipped(folder)):
        with pytest.raises(ValueError, match="two recordings of the syllable 'ju4', 'cmn-jv4.wav' and 'ju4.wav'"):
            Recordings(path)


def test_characters_that_read_alike_are_all_kept_behind_the_syllable(tmp_path):
    folder = clips(tmp_path / "x", ["chu1.wav", "出.wav", "cmn-初.wav"])
    assert Recordings(folder).files == {"chu1": ["chu1.wav", "cmn-初.wav", "出.wav"]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (voiced(seconds=2.1), "longer than 2 s"),
        (np.zeros(RATE), "it is silent"),
        (voiced(seconds=0.01), "s of sound"),
        (b"this is no sound", "recording of a syllable ("),
        (b"", "recording of a syllable ("),
        (b"RIFF" + b"\0" * 2**22, "4,194,308 bytes"),
    ],
)
def test_a_bad_clip_is_refused_by_name(tmp_path, content, said):
    pytest.importorskip("librosa")
    folder = clips(tmp_path / "x", {"ma1.wav": content, "ma2.wav": voiced()})
    for path in (folder, zipped(folder)):
        with pytest.raises(ValueError, match=re.escape(said)) as refused:
            Recordings(path).log_mel("ma1.wav")
        assert "ma1.wav" in str(refused.value)


def test_two_seconds_are_allowed(tmp_path):
    pytest.importorskip("librosa")
    assert Recordings(clips(tmp_path / "x", {"ma1.wav": voiced(seconds=2.0)})).log_mel("ma1.wav").any()


def test_what_a_header_claims_is_not_believed(tmp_path):
    folder = clips(tmp_path / "x", {"ma1.wav": voiced()})
    data = bytearray((folder / "ma1.wav").read_bytes())
    data[24:28] = struct.pack("<L", 2**31 - 1)  # the sample rate
    (folder / "ma1.wav").write_bytes(data)
    with pytest.raises(ValueError, match="4,000 to 192,000 Hz are allowed"):
        Recordings(folder).log_mel("ma1.wav")


def test_empty_and_missing(tmp_path):
    (tmp_path / "x").mkdir()
    with pytest.raises(ValueError, match="holds no recordings; name them zhong1.mp3"):
        Recordings(tmp_path / "x")
    with pytest.raises(FileNotFoundError, match="there are no recordings at"):
        Recordings(tmp_path / "gone")
    (tmp_path / "zhong1.wav").write_bytes(b"x")
    with pytest.raises(ValueError, match="cannot be opened as a zip of recordings"):
        Recordings(tmp_path / "zhong1.wav")


def test_a_hostile_zip_is_refused(tmp_path):
    for row, (name, said) in enumerate([("../ma1.wav", "leads out"), ("ma1.wav", "too large: it has 4,194,305 bytes")]):
        path = tmp_path / f"{row}.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, b"\0" * (2**22 + 1))
        with pytest.raises(ValueError, match=said):
            Recordings(path)


def test_voices_of_a_user(tmp_path):
    folders = [clips(tmp_path / name / "x", ["ma1.wav"]) for name in "ab"]
    assert [one.voice for one in as_recordings({"one": folders[0], "two": str(folders[1])})] == ["one", "two"]
    assert [one.voice for one in as_recordings(folders[0])] == ["x"]
    assert as_recordings(None) == []
    with pytest.raises(ValueError, match="the voices"):
        as_recordings(folders)
    for wrong in (3, [3], {"x": 3}, {3: "x"}):
        with pytest.raises(TypeError, match="voice -> path"):
            as_recordings(wrong)
