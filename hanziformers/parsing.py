"""Sentences in, dependency trees out, which print as CoNLL-U and draw as SVG."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.processing_utils import ProcessorMixin

from .training.conllu_files import NOTHING, conllu_line
from .training.new_model import get_tokenizer
from .training.text_files import shown
from .tree_drawing import draw_tree


@dataclass(frozen=True)
class DependencyTree:
    """The tree of one sentence; `print(tree)` shows it as CoNLL-U.

    Attributes:
        words: the words.
        heads: the head of every word, 1..T, 0 = root.
        relations: the relation of every word to its head.
        tags: parts of speech; None where there are none.
    """

    words: list[str]
    heads: list[int]
    relations: list[str]
    tags: list[str] | None = None

    def __str__(self) -> str:
        """CoNLL-U: a word in every line, and a blank line; columns of which nothing is known hold `_`."""
        tags = self.tags or [NOTHING] * len(self.words)
        columns = zip(self.words, tags, self.heads, self.relations, strict=True)
        return "".join(f"{conllu_line(number, *column)}\n" for number, column in enumerate(columns, 1)) + "\n"

    def to_svg(self) -> str:
        """A picture of it: see `draw_tree`."""
        return draw_tree(self.words, self.heads, self.relations, self.tags)


def parse(
    model: PreTrainedModel,
    processing_class: ProcessorMixin | PreTrainedTokenizerBase,
    sentences: Sequence[str | Sequence[str]],
    tags: Sequence[Sequence[str]] | None = None,
    batch_size: int = 32,
) -> list[DependencyTree]:
    """Parses sentences.

    Args:
        model: a parser, such as a BiaffineForDependencyParsing.
        processing_class: its processor or tokenizer.
        sentences: lists of words, which stay as they are; or strings, which the tokenizer cuts into words. The figures
            of a parser are those with the words of a treebank.
        tags: the part of speech of every word, which some parsers read (`model.config.pos_tags`); for sentences that
            are lists of words.
        batch_size: sentences that are parsed together.

    Returns:
        A tree for each sentence, without words for one that has none.

    Raises:
        TypeError: `sentences` is one string, or a sentence is neither a string nor words, which are strings; `model`
            is no parser.
        ValueError: the parser reads parts of speech, and there are none, or not one for every word; `batch_size` is
            below 1.

    Example:
        >>> tree = parse(model, processor, [["我", "看", "书"]])[0]
        >>> print(tree)
        >>> Path("tree.svg").write_text(tree.to_svg(), encoding="utf-8")
    """
    if isinstance(sentences, str):
        raise TypeError("sentences is one string; needed is a list of sentences: [sentence]")
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size} is not allowed; allowed is an integer of 1 or more")
    if not hasattr(model, "decode") or not hasattr(model.config, "pos_tags"):
        raise TypeError(
            f"a {type(model).__name__} is no dependency parser; give a model such as run_parsing.py trains "
            "(BiaffineForDependencyParsing)"
        )
    tokenizer = get_tokenizer(processing_class)
    words = [_words(tokenizer, sentence) for sentence in sentences]
    _check_tags(model, words, tags)
    found = [DependencyTree([], [], []) for _ in words]
    rows = sorted((row for row, sentence in enumerate(words) if sentence), key=lambda row: len(words[row]))
    for start in range(0, len(rows), batch_size):
        batch = rows[start : start + batch_size]  # of about the same length
        of_batch = [words[row] for row in batch]
        sides = {"padding": True, "padding_side": "right"}  # heads count the words of a sentence
        inputs = processing_class(of_batch, is_split_into_words=True, return_tensors="pt", **sides)
        if model.config.pos_tags:
            inputs["tag_ids"] = _tag_ids(model.config.pos_tags, [tags[row] for row in batch], inputs["attention_mask"])
        trees = model.decode(**inputs.to(model.device))
        for row, heads, relations in zip(batch, trees.heads.tolist(), trees.relations.tolist(), strict=True):
            count = len(words[row])
            names = [model.config.id2label[relation] for relation in relations[:count]]
            found[row] = DependencyTree(words[row], heads[:count], names, list(tags[row]) if tags else None)
    return found


def _tag_ids(known: Sequence[str], tags: Sequence[Sequence[str]], mask: Tensor) -> Tensor:
    """The ids of parts of speech, padded like the mask: int64 [B, T]; 0 for those that are not known."""
    ids, length = {tag: 1 + index for index, tag in enumerate(known)}, mask.shape[1]
    return mask.new_tensor([[*(ids.get(tag, 0) for tag in row), *[0] * (length - len(row))] for row in tags])


def _words(tokenizer: PreTrainedTokenizerBase, sentence: str | Sequence[str]) -> list[str]:
    if not isinstance(sentence, str):
        words = list(sentence) if isinstance(sentence, Iterable) else [sentence]
        if wrong := [word for word in words if not isinstance(word, str)]:
            raise TypeError(
                f"{shown(wrong[0])} in the sentence {shown(sentence)} is no word; a sentence is a string, or a list of "
                "words, which are strings"
            )
        return words
    return [sentence[start:end] for start, end in tokenizer(sentence, return_offsets_mapping=True)["offset_mapping"]]


def _check_tags(model: PreTrainedModel, words: list[list[str]], tags: Sequence[Sequence[str]] | None) -> None:
    if tags is None:
        if model.config.pos_tags:
            raise ValueError(
                f"tags are missing: this parser reads the parts of speech {model.config.pos_tags} and does not find "
                "them; give tags=[[...], ...], one for every word, or take a parser without (run_parsing.py)"
            )
    elif list(map(len, tags)) != list(map(len, words)):
        raise ValueError(
            f"the sentences have {list(map(len, words))} words and {list(map(len, tags))} parts of speech; give one "
            "for every word, and sentences as lists of words"
        )


__all__ = ["DependencyTree", "parse"]
