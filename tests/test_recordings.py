"""Folders and zips of recordings: names, what is not used, what is refused by name."""

import io
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
    for wrong in (3, [3], {"x": 3}, {3: "x"}, "", [""], {"x": ""}):
        with pytest.raises(TypeError, match="voice -> path"):
            as_recordings(wrong)


def coded(samples, kind, **options):
    """The bytes of a clip."""
    stream = io.BytesIO()
    with soundfile.SoundFile(stream, "w", 44100, 1, format=kind, **options) as file:
        file.write(samples)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["WAV", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC", "OGG", "MP3"])
@pytest.mark.parametrize("left", [0.4, 0.7, 0.95])
def test_a_clip_that_was_cut_off_is_refused_by_name(tmp_path, kind, left):
    """libsndfile reads what is left of most kinds, which would be the spectrogram of half a syllable."""
    pytest.importorskip("librosa")
    whole = coded(voiced(seconds=1.0, rate=44100), kind)
    ending = {"RF64": "wav", "MP3": "mp3"}.get(kind, kind.lower())
    folder = clips(tmp_path / "x", {f"ma1.{ending}": whole, f"ma2.{ending}": whole[: int(left * len(whole))]})
    assert Recordings(folder).log_mel(f"ma1.{ending}").any()
    with pytest.raises(ValueError, match=f"'ma2.{ending}' in .* cannot be read as the recording of a syllable") as said:
        Recordings(folder).log_mel(f"ma2.{ending}")
    assert "object at 0x" not in str(said.value)


def test_a_length_that_nobody_knew_is_no_fault(tmp_path):
    """Programs that write into a pipe claim the most that there can be: espeak-ng 0x7FFFF000, ffmpeg 0xFFFFFFFF."""
    pytest.importorskip("librosa")
    whole = coded(voiced(rate=44100), "WAV")
    at = whole.index(b"data") + 4
    for row, claimed in enumerate((0x7FFFF000, 0xFFFFFFFF)):
        size = struct.pack("<L", claimed)
        data = whole[:4] + size + whole[8:at] + size + whole[at + 4 :]
        folder = clips(tmp_path / str(row), {"ma1.wav": data, "ma2.wav": whole, "ma3.wav": whole + b"LIST\4\0\0\0abcd"})
        images = [Recordings(folder).log_mel(f"ma{tone}.wav") for tone in (1, 2, 3)]
        assert all(np.array_equal(image, images[1]) for image in images)


@pytest.mark.parametrize(("mode", "is_read"), [("CONSTANT", True), ("VARIABLE", False)])
def test_an_mp3_that_does_not_say_its_length(tmp_path, mode, is_read):
    """Of one with a variable bit rate libsndfile reads as much as it guesses, here less than half."""
    pytest.importorskip("librosa")
    noise = np.random.default_rng(0).normal(size=22050) * 0.3
    late = np.arange(22050) > 11025
    samples = np.clip(voiced(seconds=0.5, rate=44100) * np.where(late, 1, 0.001) + noise * late, -1, 1)
    data = coded(samples, "MP3", subtype="MPEG_LAYER_III", bitrate_mode=mode, compression_level=0.3)
    second = data.index(data[:2], 100)  # the first frame says how long the others are
    folder = clips(tmp_path / "x", {"ma1.mp3": data, "ma2.mp3": data[second:]})
    assert Recordings(folder).log_mel("ma1.mp3").any()
    if is_read:
        assert Recordings(folder).log_mel("ma2.mp3").any()
    else:
        with pytest.raises(ValueError, match=r"ma2.mp3.*variable bit rate .* make a .wav of it"):
            Recordings(folder).log_mel("ma2.mp3")


def test_what_lies_beside_the_clips_is_counted(tmp_path, warnings):
    folder = clips(tmp_path / "x.1", ["zhong1.wav"])
    clips(folder / "more", ["guo2.wav"])
    clips(folder / "__MACOSX", ["._zhong1.wav"])
    for name in ("rest.zip", "da4.xyz", "ma1", "zhong1.txt", ".DS_Store", "notes.txt"):
        (folder / name).write_bytes(b"x")
    recordings = Recordings(folder)
    assert list(recordings.files) == ["zhong1"]
    assert recordings.voice == recordings.file == "x.1", "a folder has no ending"
    [said] = warnings
    for note in (
        "folders inside it: 1 ('more')",
        "zips inside it: 1 ('rest.zip')",
        "not read .*: 2 ('da4.xyz', 'ma1')",
    ):
        assert re.search(re.escape(note).replace(r"\.\*", ".*"), said)
    with pytest.raises(ValueError, match=r"holds no recordings \(not used are folders inside it: 1 \('x.1'\)\)"):
        Recordings(tmp_path)


def test_a_folder_whose_name_is_no_text_can_be_saved(tmp_path):
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/chen\xff")
    os.mkdir(folder)
    (clips(tmp_path / "x", ["ma1.wav"]) / "ma1.wav").rename(os.path.join(folder, "ma1.wav"))
    recordings = Recordings(folder)
    assert recordings.voice == recordings.file == "chen?"
    assert list(recordings.files) == ["ma1"]
