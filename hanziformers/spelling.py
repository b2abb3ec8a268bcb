"""Chinese spelling correction with a model of masked characters that was trained for it (run_scripts/run_spelling.py).

    found = correct_spelling(model, processor, "我门在学校")
    found["text"]              # '我们在学校'
    found["suggestions"][0]    # {'start': 1, 'end': 2, 'character': '门', 'replacement': '们', 'score': 0.98, ...}

Characters are replaced one by one: the length of a text does not change, and what is no Chinese character stays.

Axes: B windows, L tokens, V vocabulary, K predicted candidates of a token.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.processing_utils import ProcessorMixin

from .confusion_sets import default_sets
from .tokenization.characters import code_points, is_han
from .tokenization.text_checks import check_text
from .training.controls import permuted_pinyin
from .training.fine_tuning_checks import longest_input

CANDIDATES = ("free", "confusions")
KEPT = 16  # most probable tokens of a position, among which candidates are looked for
STRIDE = 32  # tokens that two windows of a long text share


class Change(NamedTuple):
    """A character that is replaced.

    Attributes:
        start: its position in the text.
        character: what stands there.
        replacement: what should stand there.
        score: its probability.
        candidates: characters that may stand there, each with its probability, the most probable first.
    """

    start: int
    character: str
    replacement: str
    score: float
    candidates: list[tuple[str, float]]


class Decider:
    """Turns predictions into changes: one rule for training's scores and for `correct_spelling`.

    A character becomes the most probable candidate. Candidates are the Chinese characters of the vocabulary among the
    `KEPT` most probable tokens; with "confusions" only those that look or sound like the character written
    (`ConfusionSets.allowed`). A text keeps its character where that, or [UNK], is more probable than every candidate,
    where there is no candidate, and where the first one's probability is below the threshold.

    Args:
        tokenizer: says which ids are Chinese characters.
        candidates: "free" or "confusions".
        threshold: least probability of a replacement, 0..1.

    Raises:
        ValueError: other candidates, or a threshold outside of 0..1.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, candidates: str = "free", threshold: float = 0.0) -> None:
        check_decision(candidates, threshold)
        self.is_free, self.threshold, self.unknown = candidates == "free", threshold, tokenizer.unk_token_id
        self.characters = {id_: token for token, id_ in tokenizer.get_vocab().items() if _is_chinese(token)}
        self._allowed: dict[str, frozenset[str]] = {}

    def __call__(self, text: str, positions: np.ndarray, own: np.ndarray, ids: np.ndarray, probabilities: np.ndarray
                 ) -> list[Change]:  # fmt: skip
        """The changes of a text, in its order.

        Args:
            text: as it was written.
            positions: int64 [n]: the characters that are predicted (see `character_positions`).
            own: int64 [n], their own ids.
            ids: int64 [n, K], the most probable ids of each, the most probable first.
            probabilities: [n, K].
        """
        differs = np.flatnonzero(ids[:, 0] != own)  # few: elsewhere the text's own character is the most probable
        if not self.is_free:
            self._look_up({text[positions[row]] for row in differs})
        found = (self._decide(text, int(positions[n]), own[n], ids[n], probabilities[n]) for n in differs)
        return [change for change in found if change is not None]

    def _decide(self, text: str, position: int, own: int, ids: np.ndarray, probabilities: np.ndarray) -> Change | None:
        character, candidates, is_kept = text[position], [], None
        for id_, probability in zip(ids.tolist(), probabilities.tolist(), strict=True):
            found = self.characters.get(id_)
            if id_ in (own, self.unknown) or found == character:
                is_kept = not candidates if is_kept is None else is_kept
            if id_ == own or (found and (self.is_free or found == character or found in self._allowed[character])):
                candidates.append((character if id_ == own else found, probability))
        others = [candidate for candidate in candidates if candidate[0] != character]
        if is_kept or not others or others[0][1] < self.threshold:
            return None
        return Change(position, character, *others[0], candidates)

    def _look_up(self, characters: Iterable[str]) -> None:
        new = set(characters) - self._allowed.keys()
        if new:
            self._allowed |= default_sets().allowed(sorted(new))


def check_decision(candidates: str, threshold: float) -> None:
    """Refuses options of a `Decider`.

    Raises:
        ValueError: other candidates, or a threshold outside of 0..1.
    """
    if candidates not in CANDIDATES:
        raise ValueError(f"candidates={candidates!r} is not allowed; give one of {', '.join(CANDIDATES)}")
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold={threshold} is not allowed; give a probability, 0 to 1")


def _is_chinese(token: str) -> bool:
    return len(token) == 1 and bool(is_han(code_points(token))[0])


def character_positions(text: str, offsets: Sequence[Sequence[int]]) -> np.ndarray:
    """Which character each token stands for: int64 [L]; -1 for what is no token of exactly one Chinese character."""
    spans = np.array(offsets, np.int64).reshape(-1, 2)
    starts = np.where(spans[:, 1] - spans[:, 0] == 1, spans[:, 0], -1)
    chinese = np.append(is_han(code_points(text)), False)  # the last one is that of -1
    return np.where(chinese[starts], starts, -1)


def most_probable(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The ids [B, L, K] int64 of the `KEPT` most probable tokens, the most probable first, and their probabilities.

    Args:
        logits: [B, L, V].
    """
    logits = logits.float()
    top, ids = logits.topk(min(KEPT, logits.shape[-1]), dim=-1)  # [B, L, K]
    return ids, (top - logits.logsumexp(-1, keepdim=True)).exp()


def correct_spelling(
    model: PreTrainedModel,
    processing_class: ProcessorMixin | PreTrainedTokenizerBase,
    text: str | Sequence[str],
    *,
    candidates: str = "free",
    threshold: float = 0.0,
    top: int = 5,
    batch_size: int = 8,
) -> dict[str, Any] | list[dict[str, Any]]:
    """Corrects texts, of any length: longer ones than the model takes go through windows that overlap.

    Args:
        model: a model of masked characters that was trained to correct (run_spelling.py).
        processing_class: its processor, or tokenizer.
        text: one text, or a list of texts.
        candidates: "free": any Chinese character of the vocabulary; "confusions": those that look or sound like the
            one that was written.
        threshold: least probability of a replacement, 0..1: a higher one breaks less right text, and finds less.
        top: candidates of a suggestion, at most.
        batch_size: windows that the model gets at a time.

    Returns:
        For each text {"text": the corrected one, as long, "suggestions": [...]}; each suggestion has `start` and `end`
        (characters), `character`, `replacement`, `score` (its probability) and `candidates`, each {"character",
        "score"}, the character that was written among them if it is that probable.

    Raises:
        ValueError: other candidates; a threshold outside of 0..1; `top` below 0 or `batch_size` below 1; a text with a
            lone surrogate; a model with another head.
        TypeError: `text` is no text and no list of texts.

    Example:
        >>> model = AutoModelForMaskedLM.from_pretrained("outputs/spelling")
        >>> processor = AutoProcessor.from_pretrained("outputs/spelling")
        >>> correct_spelling(model, processor, "我门在学校")["text"]
        '我们在学校'
    """
    tokenizer = getattr(processing_class, "tokenizer", processing_class)
    decide = Decider(tokenizer, candidates, threshold)
    if not isinstance(text, (str, list, tuple)):
        raise TypeError(f"text is a {type(text).__name__}; give a string, or a list of strings")
    if top < 0 or batch_size < 1:
        raise ValueError(f"top={top}, batch_size={batch_size} is not allowed; give top >= 0 and batch_size >= 1")
    texts = [text] if isinstance(text, str) else list(text)
    for one in texts:
        check_text(one, "give a string, or a list of strings")
    windows = _windows(tokenizer, texts, model.config) if texts else []
    predicted = _predict(model, tokenizer, windows, batch_size)
    results = []
    for number, group in groupby(zip(windows, predicted, strict=True), key=lambda pair: pair[0]["text"]):
        written, own = texts[number], [(window, *found) for window, found in group]
        changes = decide(written, *_merge(len(written), own))
        results.append({"text": apply(written, changes), "suggestions": [as_dict(change, top) for change in changes]})
    return results[0] if isinstance(text, str) else results


def apply(text: str, changes: Iterable[Change]) -> str:
    """The text with the replacements."""
    characters = list(text)
    for change in changes:
        characters[change.start] = change.replacement
    return "".join(characters)


def as_dict(change: Change, top: int) -> dict[str, Any]:
    """A change as plain values, with at most `top` candidates."""
    return {
        "start": change.start,
        "end": change.start + 1,
        "character": change.character,
        "replacement": change.replacement,
        "score": round(change.score, 6),
        "candidates": [{"character": one, "score": round(score, 6)} for one, score in change.candidates[:top]],
    }


def _windows(tokenizer: PreTrainedTokenizerBase, texts: list[str], config: Any) -> list[dict[str, Any]]:
    """The texts in windows that the model can take: {"text": its number, "positions": [L], "inputs": by name}."""
    longest = longest_input(tokenizer, config)
    options = {"max_length": longest, "stride": min(STRIDE, longest // 4), "truncation": True}
    encoded = tokenizer(texts, return_overflowing_tokens=True, return_offsets_mapping=True, **options)
    owners = encoded["overflow_to_sample_mapping"]
    windows, pinyin = [], permuted_pinyin(config, tokenizer)
    for row, number in enumerate(owners):
        inputs = {name: encoded[name][row] for name in tokenizer.model_input_names if name in encoded}
        if pinyin is not None:  # a control gets what it was trained on
            inputs["pinyin_ids"] = pinyin(inputs["input_ids"], inputs["pinyin_ids"]).tolist()
        positions = character_positions(texts[number], encoded["offset_mapping"][row])
        windows.append({"text": number, "positions": positions, "inputs": inputs})
    return windows


@torch.no_grad()
def _predict(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, windows: list[Mapping[str, Any]], batch_size: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The most probable ids of every window, [L, K], and their probabilities."""
    was_training, found = model.training, []
    model.eval()
    for start in range(0, len(windows), batch_size):
        part = [window["inputs"] for window in windows[start : start + batch_size]]
        batch = tokenizer.pad(part, padding_side="right", return_tensors="pt").to(model.device)
        logits = getattr(model(**batch), "logits", None)
        if logits is None or logits.shape[-1] < len(tokenizer):
            raise ValueError(
                f"a {type(model).__name__} does not predict the {len(tokenizer)} tokens of its tokenizer; load the "
                "checkpoint by AutoModelForMaskedLM"
            )
        ids, probabilities = (values.cpu().numpy() for values in most_probable(logits))
        sizes = [len(inputs["input_ids"]) for inputs in part]
        found += [(ids[row, :size], probabilities[row, :size]) for row, size in enumerate(sizes)]
    model.train(was_training)
    return found


def _merge(length: int, windows: list[tuple[Mapping[str, Any], np.ndarray, np.ndarray]]) -> tuple[np.ndarray, ...]:
    """What was predicted for each character, by the window in which it stands farthest from an edge.

    Returns:
        positions [n], ascending, own ids [n], ids [n, K] and probabilities [n, K].
    """
    best: list[tuple[int, int, int] | None] = [None] * length  # (distance to an edge, window, token)
    for number, (window, _, _) in enumerate(windows):
        positions = window["positions"]
        for token in np.flatnonzero(positions >= 0).tolist():
            key = (min(token, len(positions) - 1 - token), -number, token)
            best[positions[token]] = max(best[positions[token]] or key, key)
    places = [place for place in range(length) if best[place] is not None]
    rows = [(windows[-best[place][1]], best[place][2]) for place in places]
    own = np.array([window["inputs"]["input_ids"][token] for (window, _, _), token in rows], np.int64)
    ids = [found[token] for (_, found, _), token in rows]
    probabilities = [scores[token] for (_, _, scores), token in rows]
    shape = (len(places), -1) if places else (0, 1)
    return np.array(places, np.int64), own, np.array(ids).reshape(shape), np.array(probabilities).reshape(shape)


__all__ = [
    "CANDIDATES",
    "Change",
    "Decider",
    "apply",
    "as_dict",
    "check_decision",
    "character_positions",
    "correct_spelling",
    "most_probable",
]
