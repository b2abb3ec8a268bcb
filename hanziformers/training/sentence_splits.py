"""Sentences of right text as training, validation and test data: cut from documents, each of which is in one split.

    cut_sentences(["corpus/*.jsonl.gz"], Path("outputs/text"), {"train": 20000, "validation": 1000, "test": 2000})

writes train.jsonl, validation.jsonl and test.jsonl, one sentence a line, and vocab.txt, the characters of the training
text and others that are named. Files take turns, a document each, as long as they last; no sentence stands twice, and a
document that does is read once. What is taken follows from the files and the numbers alone.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ..tokenization.characters import code_points, is_han
from ..tokenization.vocabulary_building import build_vocabulary, count_characters
from .model_card import write_json_lines
from .pretraining_files import TextArguments, find_files, load_documents, read_texts
from .pretraining_text import split_sentences

SHORTEST, LONGEST = 8, 60  # characters of a sentence
_MOST = 20  # sentences of one document
_SETTINGS = "settings.json"


def cut_sentences(
    patterns: Sequence[str], folder: Path, sizes: Mapping[str, int], characters: str = ""
) -> dict[str, str]:
    """Writes the files, unless they are there already.

    Args:
        patterns: paths or patterns of text, a document per line, or JSON lines with "text"; also gzipped.
        folder: where to.
        sizes: split -> number of sentences.
        characters: further ones of the vocabulary.

    Returns:
        The paths of the files, by split, and that of the vocabulary as "vocab_file".

    Raises:
        FileNotFoundError, ValueError: see `load_documents`; there are too few sentences, or the folder has others.
    """
    found = {split: str(folder / f"{split}.jsonl") for split in sizes} | {"vocab_file": str(folder / "vocab.txt")}
    settings = {"files": list(patterns), "sizes": dict(sizes), "characters": characters}
    if (folder / _SETTINGS).is_file():
        earlier = json.loads((folder / _SETTINGS).read_text(encoding="utf-8"))
        if earlier != settings:
            raise ValueError(f"{folder} has sentences of other files or numbers; remove it, or give another folder")
        return found
    splits = _cut(patterns, sizes)
    folder.mkdir(parents=True, exist_ok=True)
    for split, sentences in splits.items():
        write_json_lines(Path(found[split]), ({"text": sentence} for sentence in sentences))
    tokens = build_vocabulary(count_characters([*splits["train"], characters]))
    Path(found["vocab_file"]).write_text("\n".join(tokens) + "\n", encoding="utf-8")
    (folder / _SETTINGS).write_text(json.dumps(settings, ensure_ascii=False) + "\n", encoding="utf-8")
    return found


def _cut(patterns: Sequence[str], sizes: Mapping[str, int]) -> dict[str, list[str]]:
    """The sentences of every split, in the order test, validation, train: the small ones are sure to be full."""
    rng = np.random.default_rng(0)
    read: set[str] = set()
    sources = [_documents(path, rng, read) for path in find_files(list(patterns)).values()]
    seen: set[str] = set()
    found: dict[str, list[str]] = {}
    for split, size in reversed(sizes.items()):
        found[split] = taken = []
        while len(taken) < size and sources:
            for source in list(sources):
                document = next(source, None)
                if document is None:
                    sources.remove(source)
                    continue
                new = [sentence for sentence in document if sentence not in seen]
                taken += new
                seen.update(new)
        if len(taken) < size:
            raise ValueError(
                f"{list(patterns)} have {len(taken)} sentences for {split}, and {size} are wanted: give more text, or "
                "fewer sentences"
            )
        found[split] = [taken[place] for place in rng.permutation(len(taken))[:size]]
    return dict(reversed(found.items()))


def _documents(path: str, rng: np.random.Generator, read: set[str]) -> Iterator[list[str]]:
    """The sentences of each document of a file that is not among those `read`; the documents in random order."""
    documents = load_documents(TextArguments(train_files=[path]), "train")
    texts = [] if documents is None else list(read_texts(documents))
    for place in rng.permutation(len(texts)):
        if texts[place] in read:
            continue  # some of its other sentences might come into another split
        read.add(texts[place])
        sentences = [sentence.strip() for sentence in split_sentences(texts[place])]
        fitting = list(dict.fromkeys(filter(_fits, sentences)))
        yield [fitting[chosen] for chosen in rng.permutation(len(fitting))[:_MOST]]


def _fits(sentence: str) -> bool:
    """Whether a sentence is neither too short nor too long, and mostly Chinese."""
    return SHORTEST <= len(sentence) <= LONGEST and is_han(code_points(sentence)).mean() > 0.6


__all__ = ["LONGEST", "SHORTEST", "cut_sentences"]
