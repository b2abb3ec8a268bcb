"""The feature extractor of spoken syllables: toned syllables -> uint8 spectrograms [n, 3, 48, 48].

How a spectrogram is made stands at the top of spectrogram.py; who speaks the syllables, of pronunciation.py.
"""

import os
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from transformers.feature_extraction_utils import BatchFeature, FeatureExtractionMixin
from transformers.utils import cached_file, logging

from .processor_config import add_part
from .pronunciation import make_bank
from .recordings import as_recordings
from .sound_bank import SOUND_FILE, SoundBank, check_syllables, shipped_bank
from .sound_manifest import check_sound_manifest
from .spectrogram import SIZE, with_deltas

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*

_ARGUMENTS = ("recordings", "syllables")
_IGNORED = ("auto_map", "feature_extractor_type", "processor_class")  # of a file of settings
_HUB_KWARGS = ("cache_dir", "token", "revision", "local_files_only", "subfolder", "force_download")


class HanziSyllableFeatureExtractor(FeatureExtractionMixin):
    """Renders the spectrograms of toned syllables: log-mel, delta, delta-delta.

    By default they are those of the shipped bank, which espeak-ng spoke: 1,522 syllables, all that pypinyin knows for
    the characters U+4E00-9FFF and Extension A. Your own recordings go before it. A bank is made once, when the feature
    extractor is made; that needs `pip install 'hanziformers[sound]'` only for recordings, and for syllables that the
    shipped bank lacks.

    `save_pretrained` writes the rows of the bank (2.7 MB), and the settings into processor_config.json. Where your
    recordings lie, and the recordings themselves, are never saved, but spectrograms made of them are: look at their
    terms before you publish a checkpoint (the sound manifest says whose they are).

    Args:
        recordings: the path of a folder or zip of clips named by syllable (`zhong1.mp3`, `cmn-lv4.wav`) or by a
            character with one reading (`出.ogg`); a list of them, tried in this order; or voice -> path. Of a clip
            silence at both ends is trimmed; one that is silent, unreadable, cut off or longer than 2 s is refused by
            name.
        syllables: the rows of the bank, a list such as ["zhong1", "guo2"]; by default those of the shipped bank, or of
            the checkpoint. What has no recording and is in no bank is spoken by espeak-ng.
        saved_sounds: set by `from_pretrained`: the bank in the checkpoint.
        sound_manifest: of a file of settings. It is compared with that of this bank.

    Attributes:
        syllables: S toned syllables; syllable i has row i + 1 of the bank, row 0 is no sound.

    Raises:
        ValueError, TypeError: a setting that does not exist or is of another kind; a recording that cannot be used; a
            syllable that cannot be spoken.
        FileNotFoundError: there are no recordings at a path.
        ImportError: a library of the extra [sound] is needed and not installed.

    Example:
        >>> feature_extractor = HanziSyllableFeatureExtractor()
        >>> feature_extractor(["zhong1", "guo2", None])["spectrograms"].shape
        (3, 3, 48, 48)
    """

    model_input_names = ["spectrograms"]

    def __init__(
        self,
        recordings: Any = None,
        syllables: Sequence[str] | None = None,
        saved_sounds: SoundBank | None = None,
        sound_manifest: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        _refuse_unknown(name for name in kwargs if name not in _IGNORED)
        super().__init__()
        if not isinstance(saved_sounds, SoundBank | None):
            raise TypeError(f"saved_sounds is {str(saved_sounds)[:80]}; from_pretrained alone sets it")
        base = saved_sounds or shipped_bank()
        if base is None and syllables is None:
            raise ValueError(
                "there is no sound bank here: the package hanziformers is not installed, and the folder of the "
                f"checkpoint has no {SOUND_FILE}; install hanziformers, or get the whole checkpoint"
            )
        wanted = base.syllables if syllables is None else check_syllables(syllables)
        voices = as_recordings(recordings)
        self._bank = base if base and not voices and wanted == base.syllables else make_bank(wanted, voices, base)
        self._rows = self._bank.rows()
        if saved_sounds is None:
            self._compare(check_sound_manifest(sound_manifest))

    @property
    def syllables(self) -> list[str]:
        """The toned syllables in the order of their rows."""
        return list(self._bank.syllables)

    def __call__(
        self, syllables: str | Sequence[str | None] | None, return_tensors: Any = None, **kwargs: Any
    ) -> BatchFeature:
        """Renders syllables.

        Args:
            syllables: a toned syllable, or n of them; None is no sound.
            return_tensors: "pt" or "np"; None gives an array as well.
            **kwargs: none.

        Returns:
            {"spectrograms": uint8 [n, 3, 48, 48]}; zeros for None.

        Raises:
            ValueError: a syllable is not in the bank; names it.
            TypeError: an argument that does not exist.
        """
        _refuse_unknown(kwargs)
        given = [syllables] if isinstance(syllables, str | None) else list(syllables)
        unknown = [one for one in given if one is not None and not (isinstance(one, str) and one in self._rows)]
        if unknown:
            near = get_close_matches(str(unknown[0]), self._bank.syllables, n=3)
            raise ValueError(
                f"{unknown[0]!r} is none of the {len(self._rows):,} syllables of this bank"
                + (f" (near it are {', '.join(near)})" if near else "")
                + "; write it as 'zhong1', 'lv4' or 'de5', or make a bank that has it: "
                f"HanziSyllableFeatureExtractor(syllables=[..., {unknown[0]!r}])"
            )
        images = np.zeros((len(given), 3, SIZE, SIZE), np.uint8)
        sounding = [row for row, one in enumerate(given) if one is not None]
        if sounding:
            images[sounding] = with_deltas(self._bank.log_mels[[self._rows[given[row]] for row in sounding]])
        return BatchFeature({"spectrograms": images}, tensor_type=return_tensors)

    def render_bank(self) -> np.ndarray:
        """The rows of a model's sound bank, for `set_sounds`: uint8 [1 + S, 3, 48, 48]; row 0, no sound, is zeros."""
        return self([None, *self._bank.syllables])["spectrograms"]

    def make_sound_manifest(self) -> dict[str, Any]:
        """Who spoke which syllable, a recording or espeak-ng, with versions and sha256: see sound_manifest.py."""
        return self._bank.manifest()

    def to_dict(self) -> dict[str, Any]:
        """The settings, as plain values for JSON."""
        output = {
            "feature_extractor_type": type(self).__name__,
            "syllables": list(self._bank.syllables),
            "sound_manifest": self.make_sound_manifest(),
        }
        # While a processor is saved, its own class stands there too, whose code a folder of this part alone may lack.
        own = {name: code for name, code in self.__dict__.get("auto_map", {}).items() if name == self._auto_class}
        return {**output, "auto_map": own} if own else output

    def save_pretrained(self, save_directory: str | Path, push_to_hub: bool = False, **kwargs: Any) -> list[str]:
        """As in transformers, with the bank, and with the settings as a part of processor_config.json."""
        files = super().save_pretrained(str(save_directory))
        self.__dict__.pop("auto_map", None)  # it belongs to the folder
        settings, whole = add_part(save_directory, "feature_extractor")
        bank = Path(save_directory) / SOUND_FILE
        self._bank.save(bank)
        if push_to_hub:  # not by super(), which would not upload these files
            self.push_to_hub(kwargs.pop("repo_id", Path(save_directory).name), **kwargs)
        return [*(file for file in files if Path(file) != settings), str(whole), str(bank)]

    @classmethod
    def get_feature_extractor_dict(cls, pretrained_model_name_or_path: Any, **kwargs: Any) -> tuple[dict, dict]:
        """As in transformers; reads the bank that was saved with the checkpoint.

        Raises:
            TypeError: a setting that does not exist. The Auto classes hand the settings of other parts on as well: of
                theirs only what looks like a misspelt setting is refused.
            ValueError: the settings are none, or give recordings, or the bank is damaged.
        """
        by_auto = kwargs.get("_from_auto", False)
        hub_kwargs = {name: kwargs[name] for name in _HUB_KWARGS if kwargs.get(name)}  # before super takes them away
        settings, kwargs = super().get_feature_extractor_dict(pretrained_model_name_or_path, **kwargs)
        settings = _checked(settings, str(pretrained_model_name_or_path))
        if not kwargs.get("return_unused_kwargs"):
            _refuse_unknown((name for name in kwargs if name not in ("trust_remote_code", "code_revision")), by_auto)
        path = _find_bank(str(pretrained_model_name_or_path), hub_kwargs)
        return {**settings, "saved_sounds": SoundBank.load(path) if path else None}, kwargs

    @classmethod
    def from_dict(cls, feature_extractor_dict: dict[str, Any], **kwargs: Any) -> Any:
        """As in transformers; recordings and syllables are taken from the arguments as well."""
        given = {name: kwargs.pop(name) for name in _ARGUMENTS if name in kwargs}
        settings = {**feature_extractor_dict, **given}
        saved = settings.get("saved_sounds")
        if "syllables" not in given and isinstance(saved, SoundBank):
            settings["syllables"] = saved.syllables
        if given:
            settings["sound_manifest"] = None  # the bank is to be another
        return super().from_dict(settings, **kwargs)

    def _compare(self, manifest: dict[str, Any] | None) -> None:
        """Warns where settings come without the bank that they were saved with, and this bank is another."""
        if manifest is not None and manifest["sources"] != self.make_sound_manifest()["sources"]:
            voices = ", ".join(one["voice"] for one in manifest["sources"])
            logger.warning(
                f"the settings are those of a sound bank of {voices}, but {SOUND_FILE} is not beside them, so that "
                "the spectrograms of the shipped bank are used; load the feature extractor from the whole folder, or "
                "give the recordings: from_pretrained(..., recordings='folder')"
            )


def _find_bank(checkpoint: str, hub_kwargs: dict[str, Any]) -> Path | None:
    """Where the bank of a checkpoint lies; downloads that of a repository. None: it has none."""
    if os.path.isfile(checkpoint):  # of settings
        path = Path(checkpoint).with_name(SOUND_FILE)
        return path if path.exists() else None
    found = cached_file(checkpoint, SOUND_FILE, **hub_kwargs, _raise_exceptions_for_missing_entries=False)
    return None if found is None else Path(found)


def _checked(settings: Any, checkpoint: str) -> dict[str, Any]:
    """Settings of a file, which may hold no paths: what they name would be opened."""
    if not isinstance(settings, dict):
        raise ValueError(f"{checkpoint} has {settings!r} as the settings of its feature extractor")
    if "recordings" in settings:
        raise ValueError(
            f"the settings of {checkpoint} hold recordings={settings['recordings']!r}; paths of a file of settings are "
            "not opened. If you trust them, give them as an argument: from_pretrained(..., recordings='folder')"
        )
    return settings


def _refuse_unknown(names: Any, by_auto: bool = False) -> None:
    """Refuses arguments that do not exist; with `by_auto` only those that look like a misspelt one."""
    for name in names:
        near = get_close_matches(name, _ARGUMENTS, n=1, cutoff=0.8)
        if name in _ARGUMENTS or name.startswith("_") or (by_auto and not near):
            continue
        raise TypeError(
            f"{name!r} is no setting of HanziSyllableFeatureExtractor"
            + (f"; is {near[0]!r} meant? Settings are " if near else "; settings are ")
            + ", ".join(_ARGUMENTS)
        )


HanziSyllableFeatureExtractor.register_for_auto_class("AutoFeatureExtractor")

__all__ = ["HanziSyllableFeatureExtractor"]
