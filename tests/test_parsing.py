"""Sentences in, trees out."""

from copy import copy
from xml.etree import ElementTree

import pytest
import torch

from hanziformers import BiaffineConfig, BiaffineForDependencyParsing, DependencyTree, WordTokenizer, parse
from hanziformers.training.dependency_data import read_trees

VOCABULARY = ["[PAD]", "[UNK]", "我", "看", "书", "。", "喜欢"]
SIZES = {"embedding_dim": 6, "hidden_size": 8, "num_hidden_layers": 1, "arc_size": 5, "relation_size": 4}


@pytest.fixture(scope="module")
def tokenizer():
    return WordTokenizer({word: index for index, word in enumerate(VOCABULARY)})


def parser(**more):
    torch.manual_seed(0)
    names = {"id2label": {0: "nsubj", 1: "root", 2: "obj"}, "glyce": False, "vocab_size": len(VOCABULARY)}
    model = BiaffineForDependencyParsing(BiaffineConfig(**SIZES, **names, **more)).eval()
    for layer in (model.arcs, model.relations):
        torch.nn.init.normal_(layer.weight)
    return model


def test_trees_do_not_depend_on_the_batch(tokenizer):
    model = parser()
    sentences = [["我", "看", "书", "。"], [], ["我"], ["我", "喜欢", "书"], ["书"] * 9]
    trees = parse(model, tokenizer, sentences, batch_size=2)
    assert [tree.words for tree in trees] == sentences
    assert trees == [parse(model, tokenizer, [sentence])[0] for sentence in sentences]
    for tree in trees:
        assert len(tree.heads) == len(tree.relations) == len(tree.words)
        assert tree.heads.count(0) == min(1, len(tree.words))
        assert set(tree.relations) <= {"nsubj", "root", "obj"}


def test_the_side_of_padding_does_not_matter(tokenizer):
    model, sentences, left = parser(), [["我", "看", "书", "。"], ["我", "看"]], copy(tokenizer)
    left.padding_side = "left"
    assert parse(model, left, sentences) == parse(model, tokenizer, sentences)


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_has_a_sentence(tokenizer, size):
    with pytest.raises(ValueError, match=f"batch_size={size} is not allowed; allowed is an integer of 1 or more"):
        parse(parser(), tokenizer, [["我", "看"]], batch_size=size)


@pytest.mark.parametrize(
    ("sentence", "found"),
    [([["我", "看"], ["书"]], r"\['我', '看'\]"), (["我", None], "None"), (None, "None"), (3, "3")],
)
def test_words_are_strings(tokenizer, sentence, found):
    with pytest.raises(TypeError, match=f"{found} in the sentence .* is no word; a sentence is a string, or a list"):
        parse(parser(), tokenizer, [["我"], sentence])


def test_other_models_are_refused(tokenizer):
    with pytest.raises(TypeError, match="a BiaffineModel is no dependency parser; give"):
        parse(parser().base_model, tokenizer, [["我", "看"]])


@pytest.mark.parametrize("word", ["a\tb", "a\nb", "a\rb"])
def test_a_word_that_conllu_cannot_hold_is_not_printed(word):
    with pytest.raises(ValueError, match="has a TAB or a line end, which CoNLL-U cannot hold"):
        str(DependencyTree([word], [0], ["root"]))


def test_strings_are_cut_into_words(tokenizer):
    tree, empty = parse(parser(), tokenizer, ["我喜欢看 New York 的书。", ""])
    assert "".join(tree.words) == "我喜欢看NewYork的书。"
    assert "喜欢" in tree.words
    assert empty == DependencyTree([], [], [])


def test_parts_of_speech(tokenizer):
    model = parser(pos_tags=["NOUN", "VERB"])
    sentences, tags = [["我", "看", "书"], ["看"]], [["PRON", "VERB", "NOUN"], ["VERB"]]
    trees = parse(model, tokenizer, sentences, tags)
    assert [tree.tags for tree in trees] == tags
    inputs = tokenizer(sentences[:1], is_split_into_words=True, return_tensors="pt")
    assert trees[0].heads == model.decode(**inputs, tag_ids=torch.tensor([[0, 2, 1]])).heads[0].tolist()
    with pytest.raises(ValueError, match="tags are missing: this parser reads the parts of speech .'NOUN', 'VERB'."):
        parse(model, tokenizer, sentences)
    with pytest.raises(ValueError, match=r"have \[3, 1\] words and \[3, 2\] parts of speech"):
        parse(model, tokenizer, sentences, [tags[0], ["VERB", "VERB"]])
    with pytest.raises(TypeError, match="one string; needed is a list"):
        parse(model, tokenizer, "我看书")


def test_printed_and_drawn(tmp_path):
    tree = DependencyTree(["我", "看", "书"], [2, 0, 2], ["nsubj", "root", "obj"], ["PRON", "VERB", "NOUN"])
    (tmp_path / "a.conllu").write_text(str(tree) + str(tree), encoding="utf-8")
    data, _ = read_trees(tmp_path / "a.conllu")
    assert len(data) == 2
    for name, column in (("words", tree.words), ("heads", tree.heads), ("relations", tree.relations)):
        assert data[1][name] == column
    assert data[0]["tags"] == tree.tags
    assert str(tree).startswith("1\t我\t_\tPRON\t_\t_\t2\tnsubj\t_\t_\n2\t看")
    text = [node.text for node in ElementTree.fromstring(tree.to_svg()).iter() if node.text and node.text.strip()]
    assert set(text) == {*tree.words, *tree.relations, *tree.tags}
    assert str(DependencyTree(["我"], [0], ["root"])) == "1\t我\t_\t_\t_\t_\t0\troot\t_\t_\n\n"
