"""Sound manifests: as Markdown, and from files of somebody else."""

import pytest

from hanziformers.processors.sound_manifest import check_sound_manifest, sound_manifest_markdown

SOURCE = {"source": "recording", "voice": "chen", "file": "a.zip", "made_with": "librosa 1", "sha256": "f" * 64}
MANIFEST = {
    "syllables": 3,
    "settings": {},
    "sources": [
        {**SOURCE, "syllables": "ma1 ma2"},
        {**SOURCE, "source": "synthesis", "voice": "espeak-ng cmn", "file": "", "syllables": "ma3"},
    ],
}


def test_markdown_says_what_is_recorded_and_what_is_synthesised():
    text = sound_manifest_markdown(MANIFEST)
    assert "Sounds of 3 syllables:" in text
    assert "| recording | chen | a.zip | librosa 1 | 2 | `ffffffffffffffff` |" in text
    assert "Synthesised by espeak-ng cmn: ma3" in text


def test_somebody_elses_names_stay_text():
    source = {**SOURCE, "voice": "a|b\n[c](http://x)<b>`", "syllables": "ma1"}
    text = sound_manifest_markdown({"syllables": 1, "sources": [source]})
    assert r"a/b \[c\](http://x)\<b>\`" in text


@pytest.mark.parametrize(
    "manifest",
    [
        [],
        "x",
        {},
        {"sources": []},
        {**MANIFEST, "syllables": "3"},
        {**MANIFEST, "sources": [{**SOURCE}]},
        {**MANIFEST, "sources": [{**SOURCE, "syllables": ["ma1"]}]},
        {**MANIFEST, "sources": [{**SOURCE, "syllables": "ma1", "source": "other"}]},
    ],
)
def test_what_is_no_manifest_is_refused(manifest):
    with pytest.raises(ValueError, match="which is no sound manifest"):
        check_sound_manifest(manifest)
    assert check_sound_manifest(None) is None
    assert check_sound_manifest(MANIFEST) == MANIFEST
