"""What MPM-CNER's encoders are pre-trained on: image pairs to train on, and held-out ones to score."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from datasets import Dataset

from .glyph_pairs import radical_groups
from .image_pairs import ImagePairs
from .image_table import read_images
from .pair_sampling import PairSampler

TRAINING = "training"  # the set of what is trained on, scored without flips and shifts


@dataclass(frozen=True)
class PairData:
    """A table divided into sets.

    Attributes:
        classes: of GIC or PCM: the characters, the toned syllables.
        train: what is trained on.
        sets: name -> pairs that are scored: `training`, and what was held out.
        rows: name -> images of the set.
    """

    classes: list[str]
    train: ImagePairs
    sets: dict[str, ImagePairs]
    rows: dict[str, int]

    def statistics(self) -> tuple[list[float], list[float]]:
        """Mean and standard deviation of each channel over the training images in 0..1."""
        # through the histogram of the 256 values: in float64 the images would take eight times their memory
        values = np.arange(256) / 255
        mean, std = [], []
        for channel in range(self.train.images.shape[1]):
            weights = np.bincount(self.train.images[:, channel].ravel(), minlength=256)
            mean.append(float(np.average(values, weights=weights)))
            std.append(float(np.average((values - mean[-1]) ** 2, weights=weights) ** 0.5))
        return mean, std


def glyph_pairs(
    table: Dataset,
    held_out_styles: Sequence[str] = (),
    held_out_characters: int = 0,
    seed: int = 0,
    shift: int = 0,
    most: int | None = None,
) -> PairData:
    """RCI and GIC on the rows of `glyph_dataset`.

    Args:
        table: rows character, style, image.
        held_out_styles: scored as the set `font`, with characters that are trained on in other styles.
        held_out_characters: so many, chosen by `seed`, are scored as the set `characters` in the other styles; they
            have no class to be predicted.
        seed: of the pairs and of what is held out.
        shift: see `ImagePairs`.
        most: pairs of a set that are scored.

    Raises:
        TypeError: held_out_styles is no list.
        ValueError: a style that the table lacks; nothing is left to train on; see `PairSampler` and `radical_groups`.
    """
    characters, styles = np.array(table["character"][:]), np.array(table["style"][:])
    _refuse_lacking("style", held_out_styles, styles)
    names, numbers = np.unique(characters, return_inverse=True)
    if not 0 <= held_out_characters < len(names):
        raise ValueError(f"held_out_characters={held_out_characters} is not allowed; allowed is 0 to {len(names) - 1}")
    held = np.zeros(len(names), bool)
    held[np.random.default_rng(seed).choice(len(names), held_out_characters, replace=False)] = True
    of_font, of_character = np.isin(styles, list(held_out_styles)), held[numbers]
    sets = {
        TRAINING: ~of_font & ~of_character,
        "font": of_font & ~of_character,
        "characters": of_character & ~of_font,
    }
    labels = np.where(of_character, -100, numbers)
    groups = radical_groups(names.tolist())[numbers]
    return _divide(table, names.tolist(), labels, numbers, groups, sets, False, seed, shift, most)


def sound_pairs(
    table: Dataset,
    held_out_voices: Sequence[str] = (),
    flips: bool = True,
    seed: int = 0,
    shift: int = 0,
    most: int | None = None,
) -> PairData:
    """PCI and PCM on rows of spectrograms.

    Args:
        table: rows syllable ("zhong1"), voice, image (uint8 [C, 48, 48], time to the right).
        held_out_voices: scored as the set `voice`.
        flips: train on spectrograms that are flipped in time as well, as the paper does.
        seed: of the pairs.
        shift: see `ImagePairs`.
        most: pairs of a set that are scored.

    Raises:
        TypeError: held_out_voices is no list.
        ValueError: a voice that the table lacks; nothing is left to train on; see `PairSampler`.
    """
    voices = np.array(table["voice"][:])
    _refuse_lacking("voice", held_out_voices, voices)
    names, numbers = np.unique(table["syllable"][:], return_inverse=True)
    _, groups = np.unique([name[:-1] for name in names], return_inverse=True)  # initial and final, without the tone
    held = np.isin(voices, list(held_out_voices))
    sets = {TRAINING: ~held, "voice": held}
    # a syllable that no training voice has is no class that could be learnt
    labels = np.where(np.isin(numbers, numbers[~held]), numbers, -100)
    clips = np.arange(len(voices))  # a clip is a unit of its own: two voices of a syllable are a positive pair
    return _divide(table, names.tolist(), labels, clips, groups[numbers], sets, flips, seed, shift, most)


def _divide(
    table: Dataset,
    classes: list[str],
    labels: np.ndarray,
    units: np.ndarray,
    groups: np.ndarray,
    sets: dict[str, np.ndarray],
    flips: bool,
    seed: int,
    shift: int,
    most: int | None,
) -> PairData:
    """Pairs of each set; sets without an image are left out. Both sides of a pair are of its set."""
    if not sets[TRAINING].any():
        raise ValueError("everything is held out; leave something to train on")
    images = read_images(table)
    found = {}
    for name, rows in sets.items():
        if rows.any():
            try:
                sampler = PairSampler(units[rows], groups[rows], seed=seed)
            except ValueError as error:
                raise ValueError(
                    f"the set {name!r} has {rows.sum()} images, of which no pairs can be made: {error}"
                ) from error
            found[name] = ImagePairs(images[rows], labels[rows], sampler, most=most)
    rows, scored = sets[TRAINING], found[TRAINING]
    sampler = PairSampler(units[rows], groups[rows], flips, seed)
    train = ImagePairs(scored.images, scored.labels, sampler, shift)
    return PairData(classes, train, found, {name: int(rows.sum()) for name, rows in sets.items() if rows.any()})


def _refuse_lacking(what: str, names: Sequence[str], there: np.ndarray) -> None:
    """Refuses to hold out what is not there."""
    if isinstance(names, str):
        raise TypeError(f"held_out_{what}s is {names!r}; give a list: [{names!r}]")
    known = sorted(set(there.tolist()))
    lacking = [name for name in names if name not in known]
    if lacking:
        raise ValueError(f"the {what} {lacking[0]!r} cannot be held out; there are {', '.join(known)}")


__all__ = ["TRAINING", "PairData", "glyph_pairs", "sound_pairs"]
