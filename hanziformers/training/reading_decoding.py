"""From the start and end scores of windows to the best answers of a question, in characters of its context.

The score of a part of the context is that of its first token as a start plus that of its last one as an end. No answer,
yes and no have special tokens (see `reading_windows`), whose score is the sum of their own two. A context of several
windows has the best score of each answer; no answer is the exception: it has the least of the windows' scores, as it
has to hold for all of them (SQuAD 2.0). All spans up to a length are compared, without a beam.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .reading_answers import KINDS, WORDS


class Window(NamedTuple):
    """What is read of one window: its scores, and where in it what is (see `make_windows`)."""

    start_logits: np.ndarray  # [L]; padding behind the window's tokens is not read
    end_logits: np.ndarray  # [L]
    first: int
    offsets: Sequence[Sequence[int]]
    marks: Sequence[int]


class Span(NamedTuple):
    """A part of the context, in characters, or one of the other kinds of answers, without a place."""

    kind: str
    start: int | None = None
    end: int | None = None


def best_answers(
    windows: Iterable[Window],
    context: str,
    kinds: Sequence[str],
    top_k: int,
    max_answer_length: int,
    null_threshold: float = 0.0,
) -> list[dict[str, Any]]:
    """The best answers of one question.

    Args:
        windows: all windows of the question.
        context: the text that is asked about.
        kinds: the kinds of answers that are allowed, some of `KINDS`.
        top_k: how many answers, at most.
        max_answer_length: tokens that an answer may have.
        null_threshold: how much more than the best other answer no answer has to score to be the first one.

    Returns:
        The best first, each {"answer", "start", "end", "score"}: context[start:end] is the answer, or it is "" (no
        answer), "YES" or "NO" and both are None. Scores, 0..1, are a softmax over the returned ones. Empty where the
        context has no token and no other kind is allowed.
    """
    found: dict[Span, float] = {}
    for window in windows:
        if "text" in kinds:
            for span, score in _best_spans(window, top_k, max_answer_length):
                found[span] = max(score, found.get(span, score))
        for kind, mark in zip(KINDS[1:], window.marks, strict=True):
            if kind in kinds:
                score = float(window.start_logits[mark]) + float(window.end_logits[mark])
                pick = min if kind == "none" else max
                found[Span(kind)] = pick(score, found.get(Span(kind), score))
    if Span("none") in found:
        found[Span("none")] -= null_threshold
    ranked = sorted(found.items(), key=lambda item: -item[1])[:top_k]
    powers = np.exp(np.array([score - ranked[0][1] for _, score in ranked], dtype=np.float64))
    return [
        {
            "answer": context[span.start : span.end] if span.kind == "text" else WORDS[span.kind],
            "start": span.start,
            "end": span.end,
            "score": round(float(power / powers.sum()), 6),
        }
        for (span, _), power in zip(ranked, powers, strict=True)
    ]


def check_null_threshold(threshold: float) -> None:
    """Refuses a threshold under which answers have no order.

    Raises:
        ValueError: it is not a number, or below every number.
    """
    if not threshold > -np.inf:
        raise ValueError(f"null_threshold={threshold} is not allowed; give a number of logits, such as 0 or -1.5")


def _best_spans(window: Window, top_k: int, max_answer_length: int) -> list[tuple[Span, float]]:
    """The `top_k` best parts of a window's context, each with its score."""
    count = len(window.offsets)
    if not count:
        return []
    tokens = slice(window.first, window.first + count)
    starts, ends = (np.asarray(logits[tokens], dtype=np.float64) for logits in (window.start_logits, window.end_logits))
    width = min(max_answer_length, count)
    padded = np.append(ends, np.full(width - 1, -np.inf))
    # row: first token, column: how many tokens follow it up to the last one
    scores = starts[:, None] + np.lib.stride_tricks.sliding_window_view(padded, width)  # [count, width]
    flat = scores.ravel()
    best = np.argpartition(flat, -min(top_k, flat.size))[-top_k:]
    spans = []
    for place in best[np.isfinite(flat[best])].tolist():
        first, further = divmod(place, width)
        span = Span("text", int(window.offsets[first][0]), int(window.offsets[first + further][1]))
        spans.append((span, float(flat[place])))
    return spans


__all__ = ["Span", "Window", "best_answers", "check_null_threshold"]
