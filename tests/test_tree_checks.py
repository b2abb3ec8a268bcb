"""Trees of data: those that are none are refused at the word that is wrong."""

import pytest

from hanziformers.training.tree_checks import check_annotated, check_tree, check_uncut


def places(heads):
    return [f"trees.conllu, line {number}" for number in range(5, 5 + len(heads))]


@pytest.mark.parametrize("heads", [[0], [2, 0], [0, 1, 2, 3], [2, 3, 0, 5, 3], list(range(3000))])
def test_trees_pass(heads):
    check_tree(heads, places(heads))


@pytest.mark.parametrize(
    ("heads", "message"),
    [
        ([2, 0, 4], "line 7: the head is 4; allowed is 1 to 3"),
        ([-1, 0], "line 5: the head is -1; allowed"),
        ([2, 0, 0], "line 7: the head is 0, and trees.conllu, line 6 has it already"),
        ([2, 1], "line 5: no word of the sentence has the head 0"),
        ([0, 2], r"line 6: the heads of the words \[2\] go round in a circle"),
        ([0, 4, 2, 3, 2, 5], r"line 6: the heads of the words \[2, 3, 4\] go round"),
        ([0, 1, 2, 6, 4, 5], r"line 8: the heads of the words \[4, 5, 6\] go round"),
    ],
)
def test_what_is_no_tree_is_refused(heads, message):
    with pytest.raises(ValueError, match=message):
        check_tree(heads, places(heads))


def test_long_sentences_are_refused():
    sentences = [["他", "来", "了"], ["好"]]
    check_uncut(sentences, 3, "test")
    check_uncut([], 3, "test")
    with pytest.raises(ValueError, match="max_seq_length=2: a sentence of the test data has 3 words"):
        check_uncut(sentences, 2, "test")


@pytest.mark.parametrize("rows", [[], [["_", "_"], ["_"]], [["", "_"]]])
def test_data_without_what_a_model_reads_are_refused(rows):
    with pytest.raises(ValueError, match="no word of the dev data has a tag, and the model reads them; write them"):
        check_annotated(rows, "a tag", "dev")
    check_annotated([*rows, ["_", "NOUN"]], "a tag", "dev")
