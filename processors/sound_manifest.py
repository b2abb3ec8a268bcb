"""Sound manifests say, for every syllable of a sound bank, who spoke it: a person, or espeak-ng.

A manifest is a plain dict for JSON. It is saved with a checkpoint and printed in the model card. One comes from
`HanziSyllableFeatureExtractor.make_sound_manifest`.
"""

import re
from collections.abc import Sequence
from typing import Any

SOURCES = ("recording", "synthesis")
_FIELDS = ("source", "voice", "file", "made_with", "sha256", "syllables")
_NAMED = 20  # syllables of a source that are named in a model card


def check_sources(sources: Any, syllables: Sequence[str] | None = None) -> list[dict[str, str]]:
    """Checks who made which syllables.

    Args:
        sources: of a manifest.
        syllables: those that must stand in them, each once; None: any.

    Raises:
        ValueError: they are none.
    """
    whole = isinstance(sources, list) and all(
        isinstance(one, dict)
        and one.keys() == set(_FIELDS)
        and all(isinstance(value, str) for value in one.values())
        and one["source"] in SOURCES
        for one in sources
    )
    if not whole:
        raise ValueError(f"sources is {str(sources)[:80]}; each needs the texts {', '.join(_FIELDS)}, and no others")
    named = [syllable for one in sources for syllable in one["syllables"].split()]
    if syllables is not None and sorted(named) != sorted(syllables):
        raise ValueError("the sources are those of other syllables than the bank's")
    return sources


def check_sound_manifest(manifest: Any) -> dict[str, Any] | None:
    """A sound manifest that comes from a file.

    Raises:
        ValueError: it is none.
    """
    try:
        if manifest is not None:
            check_sources(manifest["sources"])
            sound_manifest_markdown(manifest)  # reads all that is ever read
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise ValueError(
            f"sound_manifest is {str(manifest)[:80]}, which is no sound manifest ({error!r}); leave it out"
        ) from error
    return manifest


def sound_manifest_markdown(manifest: dict[str, Any]) -> str:
    """The sound manifest as Markdown, for a model card."""
    lines = ["| made by | voice | file | with | syllables | sha256 |", "|---|---|---|---|---|---|"]
    notes = []
    for one in manifest["sources"]:
        syllables = one["syllables"].split()
        cells = [one["source"], one["voice"], one["file"], one["made_with"], str(len(syllables))]
        lines.append(f"| {' | '.join(map(_plain, cells))} | `{_plain(one['sha256'][:16])}` |")
        if one["source"] == "synthesis" and len(manifest["sources"]) > 1:
            more = ", ..." if len(syllables) > _NAMED else ""
            notes.append(f"Synthesised by {_plain(one['voice'])}: {_plain(', '.join(syllables[:_NAMED]))}{more}")
    return "\n".join(
        [f"Sounds of {manifest['syllables'] + 0} syllables:", "", *lines, *(["", *notes] if notes else [])]
    )


def _plain(text: str) -> str:
    """Somebody else's text as one line, which no table, tag or link of Markdown is made of."""
    return re.sub(r"([<\[\]`])", r"\\\1", " ".join(text.replace("|", "/").split()))


__all__ = ["SOURCES", "check_sound_manifest", "check_sources", "sound_manifest_markdown"]
