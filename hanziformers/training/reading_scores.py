"""Exact match and F1 of answers, as the evaluation scripts of Chinese data sets define them.

`cmrc2018` is the definition of CMRC 2018, with which DRCD is scored too. A text is lower-cased, the punctuation of
`PUNCTUATION` is removed, and the rest is cut into segments: every Chinese character (U+4E00..U+9FA5) is one, and what
lies between is cut into words as the Penn Treebank does. EM compares the texts without that punctuation. F1 is that of
the longest run of segments which both texts have without a gap: precision is its ratio of the prediction's segments,
recall that of the reference's. Of several references the best one counts, for EM and F1 each. For questions without an
answer this is SQuAD 2.0's definition: the prediction "" against the reference "" is 1, and against any other text 0.

`cjrc` is the definition of CJRC (CAIL 2019), which follows CoQA's. A text is lower-cased and only its letters and
digits stay, each of which is one segment; "YES", "NO" and "" are texts like others. EM compares what stays; F1 is that
of the segments both have, in any order; where one of the two is empty, it is 1 if both are. Of several references each
is left out once, the best of the others counts, and the mean of these figures is the question's, so that people, who
are scored against the others, and models are comparable.

Both scripts give the mean over all questions, of any kind, in percent; here it is a ratio. Two rules of the Treebank
are left out, as they do not occur between Chinese characters: English text is not cut into sentences, and "gonna" and
the like stay one word.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

PUNCTUATION = frozenset("-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
_CHINESE = re.compile("([\u4e00-\u9fa5])")
_OPENING = re.compile(r"""(?<=[ (\[{<])(?:"|'')""")  # elsewhere, but at the beginning, a quote closes
_CLOSING = re.compile(r""""|''""")
# what stands by itself: quotes, a contraction's end, a quote that opens or closes, dots, marks
_MARK = r"``|''|n't\b|'(?:s|m|d|ll|re|ve)\b|(?<!\S)'|'(?!\w)|\.{2,}|[;@#$%&?!()\[\]{}<>\"‘«»„–—]|[,:](?!\d)"
_WORD = re.compile(rf"{_MARK}|(?:(?!{_MARK})\S)+")
_LAST_DOT = re.compile(r"(?<=[^.\s])\.([\])}>\"']*)\s*$")

Score = tuple[float, float]  # EM and F1, 0..1


def cmrc2018(prediction: str, references: Sequence[str]) -> Score:
    """EM and F1 of one answer, as CMRC 2018 defines them (see the module); `references` has at least one text."""
    single = [_score_pair(prediction, reference) for reference in references]
    return max(exact for exact, _ in single), max(f1 for _, f1 in single)


def cjrc(prediction: str, references: Sequence[str]) -> Score:
    """EM and F1 of one answer, as CJRC defines them (see the module); `references` has at least one text."""
    found = _letters(prediction)
    single = [
        (float(found == own), _overlap_f1(found, own)) for own in (_letters(reference) for reference in references)
    ]
    turns = [single[:left] + single[left + 1 :] for left in range(len(single))] if len(single) > 1 else [single]
    exact, f1 = ([max(score[part] for score in turn) for turn in turns] for part in (0, 1))
    return sum(exact) / len(turns), sum(f1) / len(turns)


# by the name of an option
SCORINGS: dict[str, Callable[[str, Sequence[str]], Score]] = {"cmrc2018": cmrc2018, "cjrc": cjrc}


def _score_pair(prediction: str, reference: str) -> Score:
    if not prediction or not reference:  # no answer: nothing is cut away from the other text, as in SQuAD 2.0
        return (float(prediction == reference),) * 2
    exact = float(_without_punctuation(prediction) == _without_punctuation(reference))
    found, own = _segments(prediction), _segments(reference)
    return exact, 2 * _longest_run(found, own) / max(len(found) + len(own), 1)


def _without_punctuation(text: str) -> str:
    return "".join(character for character in text.lower().strip() if character not in PUNCTUATION)


def _segments(text: str) -> list[str]:
    """Chinese characters, and the words of what lies between them."""
    parts = _CHINESE.split(_without_punctuation(text))
    return [segment for part in parts for segment in ([part] if _CHINESE.fullmatch(part) else _words(part))]


def _words(text: str) -> list[str]:
    # as in the Treebank, a quote that opens is another segment than one that closes
    begun = " `` " + text[1:] if text.startswith('"') else text
    quoted = _CLOSING.sub(" '' ", _OPENING.sub(" `` ", begun))
    return _WORD.findall(_LAST_DOT.sub(r" . \1", quoted))


def _longest_run(one: list[str], other: list[str]) -> int:
    """The length of the longest run of segments that both have, without a gap."""
    places = defaultdict(list)
    for place, segment in enumerate(other):
        places[segment].append(place)
    longest, ending = 0, {}  # of the runs that end at the segment before, by their last place in `other`
    for segment in one:
        ending = {place: ending.get(place - 1, 0) + 1 for place in places[segment]}
        longest = max(longest, *ending.values(), 0)
    return longest


def _letters(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalpha() or character.isdigit())


def _overlap_f1(found: str, own: str) -> float:
    if not found or not own:
        return float(found == own)
    return 2 * (Counter(found) & Counter(own)).total() / (len(found) + len(own))


__all__ = ["PUNCTUATION", "SCORINGS", "cjrc", "cmrc2018"]
