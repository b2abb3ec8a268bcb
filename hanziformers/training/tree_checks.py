"""Refuses dependency trees of data that are none, with the file and line of the word that is wrong, and long ones.

Likewise data without the parts of speech or relations that a model reads.
"""

from collections.abc import Iterable, Sequence


def check_tree(heads: Sequence[int], places: Sequence[str]) -> None:
    """Refuses heads that are no tree with one root.

    Args:
        heads: of every word of a sentence, 1..T counted in it, 0 for the root.
        places: where every word is, for errors: "FILE, line 3".

    Raises:
        ValueError: a head lies outside of the sentence; no word has the head 0, or several have; heads go round in a
            circle. Names the place of the word and the fix.
    """
    count = len(heads)
    for head, where in zip(heads, places, strict=True):
        if not 0 <= head <= count:
            raise ValueError(f"{where}: the head is {head}; allowed is 1 to {count}, a word, or 0 for the root")
    roots = [place for place, head in zip(places, heads, strict=True) if head == 0]
    if len(roots) > 1:
        raise ValueError(
            f"{roots[1]}: the head is 0, and {roots[0]} has it already; a tree has one root: give the word another head"
        )
    if not roots:
        raise ValueError(f"{places[0]}: no word of the sentence has the head 0; give it to the root of the tree")
    led_to_root = {0}
    for word in range(1, count + 1):
        way = []
        while word not in led_to_root:
            if word in way:
                circle = way[way.index(word) :]
                raise ValueError(
                    f"{places[min(circle) - 1]}: the heads of the words {sorted(circle)} go round in a circle; give "
                    "one of them a head outside of it"
                )
            way.append(word)
            word = heads[word - 1]
        led_to_root.update(way)


def check_uncut(sentences: Iterable[Sequence[str]], max_length: int, split: str) -> None:
    """Refuses sentences that are longer than a run allows: a tree cannot be cut.

    Args:
        sentences: the words of each.
        max_length: words that a sentence may have.
        split: of the data, for the error.

    Raises:
        ValueError: one has more words.
    """
    longest = max(map(len, sentences), default=0)
    if longest > max_length:
        raise ValueError(
            f"max_seq_length={max_length}: a sentence of the {split} data has {longest} words, and a tree cannot be "
            "cut; leave max_seq_length out, or take long sentences out of the data"
        )


def check_annotated(rows: Iterable[Sequence[str]], what: str, split: str) -> None:
    """Refuses data in which no word has what a model reads beside the words; single words may lack it.

    Args:
        rows: of every sentence what each word has, "_" for nothing.
        what: the name of that, for the error.
        split: of the data, for the error.

    Raises:
        ValueError: no word has any.
    """
    if not any(name not in ("", "_") for row in rows for name in row):
        raise ValueError(
            f"no word of the {split} data has {what}, and the model reads them; write them into the file, or take a "
            "model that was trained without"
        )


__all__ = ["check_annotated", "check_tree", "check_uncut"]
