"""The answers of a question as data have them: which kind an answer is of, and where in the context it is."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from .text_files import LONE_SURROGATE, shown

KINDS = ("text", "none", "yes", "no")  # a part of the context; the context does not answer; yes; no
WORDS = {"none": "", "yes": "YES", "no": "NO"}  # what CJRC writes for the answers that are no part of a context
FLAGS = {True: True, False: False, "true": True, "false": False, None: False}  # CJRC has strings

Answer = dict[str, Any]  # {"text": str, "start": int}
NO_ANSWER: Answer = {"text": "", "start": -1}


def kind_of(answer: Answer) -> str | None:
    """The kind of an answer, one of `KINDS`; None for a text that is not in the context."""
    if answer["start"] >= 0:
        return "text"
    return next((kind for kind, word in WORDS.items() if word == answer["text"]), None)


def first_answer(answers: Sequence[Answer] | None) -> Answer | None:
    """The answer that is learned: the first one of a kind; None where there is none."""
    return next((answer for answer in answers or () if kind_of(answer)), None)


def first_kind(answers: Sequence[Answer] | None) -> str:
    """The kind of the answer that is learned; "elsewhere" where there is none."""
    answer = first_answer(answers)
    return "elsewhere" if answer is None else kind_of(answer)


def check_answers(where: str, context: str, question: dict[str, Any], met: Counter[str]) -> list[Answer] | None:
    """Reads `answers` and `is_impossible` of a question, as SQuAD, CJRC and the Hub write them.

    An empty list means no answer if the question is marked as impossible, else that its answers are not known. CJRC
    marks some questions as impossible that have answers: the answers count.

    Args:
        where: the place of the question, for errors.
        context: the text that is asked about.
        question: `answers` is a list of {"text", "answer_start"} or of texts, or the lists of both by name.
        met: counts "repaired", "elsewhere" and "contradictory" (see `ReadReport`) up.

    Returns:
        A list of {"text", "start"}; None where the answers are not known.

    Raises:
        ValueError: they are written in another way, or an answer is not where it should be.
    """
    flag = question.get("is_impossible")
    flag = flag.lower() if isinstance(flag, str) else flag
    if not isinstance(flag, str | bool | None) or flag not in FLAGS:
        raise ValueError(f"{where}: 'is_impossible' is {shown(flag)}, expected true or false; correct it")
    given = _as_list(where, question.get("answers"))
    if not given:
        return [dict(NO_ANSWER)] if FLAGS[flag] else None
    answers = [{"text": text, "start": _place(where, context, text, start, met)} for text, start in given]
    met["contradictory"] += FLAGS[flag] and any(answer["text"] for answer in answers)
    met["elsewhere"] += sum(kind_of(answer) is None for answer in answers)
    return answers


def has_empty_lists(question: dict[str, Any]) -> bool:
    """Whether a question has SQuAD 2.0's form of no answer on the Hub: two empty lists, and no mark."""
    return question.get("is_impossible") is None and question.get("answers") == {"text": [], "answer_start": []}


def _as_list(where: str, given: Any) -> list[tuple[str, int]]:
    """Texts with the position where each begins; -1 where it is not said."""
    if isinstance(given, dict):
        texts, starts = given.get("text"), given.get("answer_start")
        if not isinstance(texts, list) or not isinstance(starts, list) or len(texts) != len(starts):
            raise ValueError(
                f"{where}: 'answers' is {shown(given)}, expected as many values of 'answer_start' as of 'text'; "
                "correct it"
            )
        given = [{"text": text, "answer_start": start} for text, start in zip(texts, starts, strict=True)]
    if given is not None and not isinstance(given, list):
        raise ValueError(f"{where}: 'answers' is {shown(given)}, expected a list; correct it")
    pairs = []
    for answer in given or ():
        whole = {"text": answer} if isinstance(answer, str) else answer
        text = whole.get("text") if isinstance(whole, dict) else None
        start = whole.get("answer_start", -1) if isinstance(whole, dict) else None
        if not isinstance(text, str) or LONE_SURROGATE.search(text) or type(start) is not int or start < -1:
            raise ValueError(
                f"{where}: the answer {shown(answer)} is not allowed; write its 'text', whole characters, and its "
                "'answer_start', the position of its first character in the context, or -1 for YES, NO and no answer"
            )
        pairs.append((text, start))
    return pairs


def _place(where: str, context: str, text: str, start: int, met: Counter[str]) -> int:
    """Where an answer begins: `start` if it is there, else the one place where its text is; -1 for none.

    Raises:
        ValueError: it is not there, and its text is in the context never, or more than once.
    """
    if not text or (start < 0 and text in WORDS.values()):
        return -1
    if start >= 0 and context.startswith(text, start):
        return start
    first = context.find(text)
    is_unique = first >= 0 and context.find(text, first + 1) < 0
    if is_unique:
        met["repaired"] += 1
        return first
    if start >= 0:
        raise ValueError(
            f"{where}: the answer {shown(text)} is not at answer_start={start}, where the context has "
            f"{shown(context[start : start + len(text)])}, and it is in the context "
            f"{'never' if first < 0 else 'more than once'}: correct its text or answer_start, or write -1 for "
            "an answer that is no part of the context"
        )
    return -1


__all__ = [
    "KINDS",
    "NO_ANSWER",
    "WORDS",
    "Answer",
    "check_answers",
    "first_answer",
    "first_kind",
    "has_empty_lists",
    "kind_of",
]
