"""Positions of answers in windows, and what cannot be learned or found."""

import pytest
from datasets import Dataset
from test_reading_windows import CONTEXT, VOCABULARY
from transformers import BertTokenizer

from hanziformers import ChineseBertTokenizer, GlyphCrmTokenizer
from hanziformers.training.reading_answers import KINDS
from hanziformers.training.reading_data import FEATURES
from hanziformers.training.reading_features import encode_reading


def data(*rows):
    """Of a context and the answers to one question about it; an answer is (text, start), or a text that is in it."""
    made = [
        {
            "id": str(number),
            "question": "谁？",
            "context": context,
            "answers": answers
            and [
                {"text": text, "start": start}
                for text, start in (one if isinstance(one, tuple) else (one, context.index(one)) for one in answers)
            ],
        }
        for number, (context, answers) in enumerate(rows)
    ]
    return Dataset.from_list(made, features=FEATURES)


def encode(dataset, tokenizer=None, kinds=KINDS, length=64, stride=None, longest=30, training=False):
    return encode_reading(dataset, tokenizer or BertTokenizer(VOCABULARY), kinds, length, stride, longest, training)


def answer_of(row, context):
    """The text between a window's positions."""
    start, end = (row[name] - row["first"] for name in ("start_positions", "end_positions"))
    return context[row["offsets"][start][0] : row["offsets"][end][1]]


@pytest.mark.parametrize("text", ["北\u200b京", "\U0002070e", "銀行", "我", "書", "Cafés", "2018", "京 Cafés，上海"])
@pytest.mark.parametrize("tokenizer", [BertTokenizer, ChineseBertTokenizer, GlyphCrmTokenizer])
def test_positions_are_those_of_the_answer(text, tokenizer):
    encoded, coverage = encode(data((CONTEXT, [text])), tokenizer(VOCABULARY))
    assert answer_of(encoded[0], CONTEXT) == text
    assert (coverage.questions, coverage.windows, coverage.between_tokens, coverage.cut_off) == (1, 1, 0, 0)


@pytest.mark.parametrize(
    ("text", "found"),
    [("201", "2018"), ("18\U0002070e", "2018\U0002070e"), ("\u200b京", "京"), (" Cafés", "Cafés"), ("和上", "和上海")],
)
def test_an_answer_between_tokens_is_learned_as_the_nearest_and_counted(text, found):
    context = CONTEXT.replace("，上海", "和上海")
    tokenizer = BertTokenizer({**VOCABULARY, "和": len(VOCABULARY)})
    encoded, coverage = encode(data((context, [text])), tokenizer)
    exact = text == "和上"
    assert answer_of(encoded[0], context) == (text if exact else found)
    assert coverage.between_tokens == (not exact)


def test_a_window_without_the_whole_answer_has_none():
    context = "我在北京看书。" * 10 + "上海大桥" + "我在北京看书。" * 10
    encoded, coverage = encode(data((context, ["上海大桥"])), length=32, stride=6)
    whole = [row for row in encoded if row["start_positions"]]
    assert coverage.windows == len(encoded) > len(whole) >= 1
    assert {answer_of(row, context) for row in whole} == {"上海大桥"}
    assert all(row["end_positions"] == 0 for row in encoded if row not in whole)


def test_what_no_window_holds_is_counted_and_left_out_of_training():
    rows = [("长江大桥" * 30, [("长江大桥" * 10, 8)]), ("北京", ["北京"]), ("我 在", [(" ", 1)])]
    for training, kept in ((False, {0, 1, 2}), (True, {1})):
        encoded, coverage = encode(data(*rows), length=32, training=training)
        assert (coverage.questions, coverage.cut_off, coverage.windows) == (3, 2, len(encoded))
        assert set(encoded["row"]) == kept


def test_training_data_of_which_nothing_can_be_learned_are_refused():
    with pytest.raises(ValueError, match=r"can be learned \(\{'cut_off': 1\}\): give a greater --max_seq_length"):
        encode(data(("长江大桥" * 30, ["长江大桥" * 10])), length=32, training=True)


def test_other_kinds_have_special_tokens_in_every_window():
    rows = [("北京" * 40, [(word, -1)]) for word in ("", "YES", "NO")]
    encoded, _ = encode(data(*rows), length=32)
    assert len(encoded) > 6
    for row in encoded:
        assert row["start_positions"] == row["end_positions"] == row["marks"][row["row"]]


def test_what_the_model_does_not_give_is_counted():
    rows = [("北京", [("YES", -1)]), ("北京", [("", -1)]), ("北京", [("天津", -1)]), ("北京", ["京"])]
    encoded, coverage = encode(data(*rows), kinds=["text", "none"], training=True)
    assert (coverage.other_kind, coverage.elsewhere, coverage.questions) == (1, 1, 4)
    assert encoded["row"][:] == [1, 3]


def test_an_answer_that_is_too_long_to_be_predicted_is_learned_and_counted():
    encoded, coverage = encode(data(("长江大桥看书", ["长江大桥"])), longest=3, training=True)
    assert (coverage.too_long, answer_of(encoded[0], "长江大桥看书")) == (1, "长江大桥")


def test_the_first_answer_that_is_there_is_learned():
    encoded, _ = encode(data(("北京和上海", [("天津", -1), "上海", "北京"])))
    assert answer_of(encoded[0], "北京和上海") == "上海"


def test_without_all_answers_there_are_no_positions():
    encoded, coverage = encode(data(("北京", ["京"]), ("上海", None)))
    assert not {"start_positions", "end_positions"} & set(encoded.column_names)
    assert coverage.questions == 2
