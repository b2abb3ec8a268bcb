"""Answers questions about texts with any model that has a head for it; transformers 5 has no pipeline for that."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.processing_utils import ProcessorMixin

from .tokenization.text_checks import lone_surrogate
from .training.controls import refuse_permuted_pinyin
from .training.fine_tuning_checks import longest_input, sequence_length
from .training.model_loading import get_tokenizer
from .training.reading_answers import KINDS
from .training.reading_decoding import Window, best_answers, check_null_threshold
from .training.reading_windows import EXTRA, SHORTEST, make_windows


def answer(
    model: PreTrainedModel,
    processing_class: ProcessorMixin | PreTrainedTokenizerBase,
    question: str,
    context: str,
    *,
    top_k: int = 5,
    kinds: Sequence[str] | None = None,
    max_answer_length: int = 128,
    null_threshold: float = 0.0,
    max_seq_length: int | None = None,
    doc_stride: int | None = None,
    batch_size: int = 8,
) -> list[dict[str, Any]]:
    """Answers a question about a text of any length, which a model reads in windows that overlap.

    Args:
        model: any `AutoModelForQuestionAnswering`.
        processing_class: its processor or its fast tokenizer.
        question: the question; what is longer than half a window is cut at its end.
        context: the text that is asked about.
        top_k: how many answers, at most.
        kinds: the kinds of answers that are allowed, some of "text" (a part of the context), "none", "yes" and "no";
            default: those that the model was trained for by run_reading.py, else "text" alone. "none" is right for a
            model that was trained on SQuAD 2.0 elsewhere.
        max_answer_length: tokens that an answer may have.
        null_threshold: how much more than the best other answer no answer has to score, in logits, to be the first.
        max_seq_length: tokens of a window; default: what the model can take.
        doc_stride: tokens that neighbouring windows share; default: a quarter of a window.
        batch_size: windows that are computed together.

    Returns:
        The best answers, the best first, each {"answer", "start", "end", "score"}: `context[start:end]` is the answer;
        without an answer in the context it is "" (no answer), "YES" or "NO", and `start` and `end` are None. Scores,
        0..1, add up to 1. Empty for a context without a token, unless another kind is allowed.

    Raises:
        TypeError: question or context is no string.
        ValueError: an option or a text is not allowed, the tokenizer cannot tell where answers are, the model has
            another head, or it is a control whose pinyin is permuted.

    Example:
        >>> answer(model, processor, "他在哪里上学？", "王小明在北京上大学。")[0]
        {'answer': '北京', 'start': 4, 'end': 6, 'score': 0.98}
    """
    kinds = getattr(model.config, "answer_kinds", ["text"]) if kinds is None else list(kinds)
    _check(question, context, kinds, {"top_k": top_k, "max_answer_length": max_answer_length, "batch_size": batch_size})
    check_null_threshold(null_threshold)
    refuse_permuted_pinyin(model.config)
    tokenizer = get_tokenizer(processing_class)
    length = sequence_length(max_seq_length, longest_input(tokenizer, model.config), SHORTEST)
    inputs = make_windows(tokenizer, [question], [context], length, doc_stride)
    windows = _read(model, tokenizer, inputs, batch_size)
    return best_answers(windows, context, kinds, top_k, max_answer_length, null_threshold)


def _read(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, inputs: dict[str, list[Any]], batch_size: int
) -> list[Window]:
    """The windows of `make_windows` with the model's scores, computed in its evaluation mode."""
    places = list(zip(*(inputs.pop(name) for name in EXTRA), strict=True))
    del inputs["cut"]
    windows, was_training = [], model.training
    model.eval()
    for begin in range(0, len(places), batch_size):
        part = {name: values[begin : begin + batch_size] for name, values in inputs.items()}
        batch = tokenizer.pad(part, padding_side="right", return_tensors="pt").to(model.device)
        with torch.no_grad():
            output = model(**batch, return_dict=True)
        if "start_logits" not in output:
            model.train(was_training)
            raise ValueError(
                f"a {type(model).__name__} does not score where answers start and end; load the checkpoint by "
                "AutoModelForQuestionAnswering"
            )
        scores = (output[name].float().cpu().numpy() for name in ("start_logits", "end_logits"))
        rows = zip(*scores, places[begin : begin + batch_size], strict=True)
        windows += [Window(start, end, *place[1:]) for start, end, place in rows]
    model.train(was_training)
    return windows


def _check(question: Any, context: Any, kinds: Sequence[str], counts: dict[str, int]) -> None:
    for name, text in (("question", question), ("context", context)):
        if not isinstance(text, str):
            raise TypeError(f"{name} is a {type(text).__name__}; give one text, a string")
        if lone_surrogate(text) is not None:
            raise ValueError(f"{name} has a lone surrogate; give whole characters")
    if not kinds or not set(kinds) <= set(KINDS):
        raise ValueError(f"kinds={list(kinds)} is not allowed; give some of {', '.join(KINDS)}")
    for name, value in counts.items():
        if value < 1:
            raise ValueError(f"{name}={value} is not allowed; give 1 or more")


__all__ = ["answer"]
