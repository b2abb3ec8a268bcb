"""The task of reading comprehension: kinds of answers, and scores of answers that are plain."""

from pathlib import Path

import numpy as np
import pytest
from test_reading_features import data
from test_reading_windows import VOCABULARY
from transformers import BertConfig, BertForQuestionAnswering, BertTokenizer, EvalPrediction, HfArgumentParser

from hanziformers.training.data_arguments import DataArguments
from hanziformers.training.fine_tuning import FineTuningArguments, fine_tune
from hanziformers.training.model_loading import ModelArguments
from hanziformers.training.reading_task import ReadingTask

SAMPLE = Path(__file__).parent / "data" / "reading_sample"
KINDS = ["text", "none", "yes", "no"]
SIZES = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
ROWS = [
    ("我在北京看书", ["北京", ("上海", -1)]),
    ("我在上海看书", [("", -1)]),
    ("长江大桥" * 20 + "我看书", [("YES", -1), "我"]),
    ("我看书", [("天津", -1)]),
]


def make_scorer(task=None, rows=ROWS, kinds=KINDS):
    task, dataset = task or ReadingTask(), data(*rows)
    encoded, _ = task.encode(dataset, BertTokenizer(VOCABULARY), kinds, 32, "test")
    return task.scorer(dataset, encoded, kinds, None), encoded


def logits_of(encoded, positions):
    """Start and end scores [N, 32] that are high where `positions` say, by window."""
    both = np.full((2, len(encoded), 32), -5.0, dtype=np.float32)
    for row, pair in enumerate(positions):
        for side in (0, 1):
            both[side, row, pair[side]] = 5.0
    return tuple(both)


def gold_logits(encoded):
    return logits_of(encoded, zip(encoded["start_positions"], encoded["end_positions"], strict=True))


def test_scores_of_the_learned_answers():
    scorer, encoded = make_scorer()
    predictions = gold_logits(encoded)
    labels = tuple(np.array(encoded[name]) for name in ("start_positions", "end_positions"))
    # nothing can be learned of the last question, whose answer is not in its text
    assert scorer(EvalPrediction(predictions=predictions, label_ids=labels)) == {"em": 0.75, "f1": 0.75}
    assert scorer.by_label(predictions) == {
        "text": {"em": 1.0, "f1": 1.0, "support": 1},
        "none": {"em": 1.0, "f1": 1.0, "support": 1},
        "yes": {"em": 1.0, "f1": 1.0, "support": 1},
        "elsewhere": {"em": 0.0, "f1": 0.0, "support": 1},
    }
    with pytest.raises(ValueError, match="other data"):
        scorer(EvalPrediction(predictions=predictions, label_ids=(labels[0] + 1, labels[1])))


def test_rows_hold_the_answer_with_its_characters_and_the_n_best():
    scorer, encoded = make_scorer(ReadingTask(n_best_size=3))
    rows = scorer.rows(gold_logits(encoded))
    assert [row["id"] for row in rows] == ["0", "1", "2", "3"]
    assert [(row["answer"], row["start"], row["end"]) for row in rows[:3]] == [
        ("北京", 2, 4),
        ("", None, None),
        ("YES", None, None),
    ]
    for row, (context, answers) in zip(rows, ROWS, strict=True):
        assert (row["context"], len(row["gold"]), len(row["n_best"])) == (context, len(answers), 3)
        assert row["n_best"][0] == {name: row[name] for name in ("answer", "start", "end", "score")}
        assert all(one["start"] is None or context[one["start"] : one["end"]] == one["answer"] for one in row["n_best"])


def test_options_reach_the_scores():
    predictions = gold_logits(make_scorer()[1])
    assert make_scorer(kinds=["text"])[0].by_label(predictions)["none"]["em"] == 0
    assert make_scorer(ReadingTask(null_threshold=30.0))[0].by_label(predictions)["none"]["em"] == 0
    assert make_scorer(ReadingTask(max_answer_length=1))[0].by_label(predictions)["text"]["em"] == 0
    # CJRC leaves each of two references out once
    assert make_scorer(ReadingTask(scoring="cjrc"))[0].by_label(predictions)["text"]["em"] == 0.5


def test_questions_without_answers_are_predicted_and_not_scored():
    scorer, encoded = make_scorer(rows=[("北京", None), ("上海", ["上海"])])
    predictions = logits_of(encoded, [(4, 4), (4, 5)])  # [CLS] 谁 ？ [SEP] 上 海 [SEP]
    assert scorer.scores(predictions) == {"em": 1.0, "f1": 1.0}
    assert [row["gold"] is None for row in scorer.rows(predictions)] == [True, False]
    nothing, encoded = make_scorer(rows=[("北京", None)])
    assert nothing.scores(logits_of(encoded, [(3, 4)])) == {}


def test_kinds_are_those_of_the_training_data():
    task = ReadingTask()
    read = {name: task.read(SAMPLE / f"{name}.json") for name in ("cmrc", "cjrc", "squad2")}

    def kinds(**splits):
        found = {split: read[name] for split, name in splits.items()}
        return task.labels({split: one[0] for split, one in found.items()}, {s: one[1] for s, one in found.items()})

    assert kinds(train="cmrc", test="cjrc") == ["text"]
    assert kinds(train="squad2") == ["text", "none"]
    assert kinds(test="cjrc", validation="cmrc") == KINDS


def test_yes_and_no_under_other_scores_are_named(warnings):
    for scoring, count in (("cmrc2018", 1), ("cjrc", 0)):
        task = ReadingTask(scoring=scoring)
        task.check({}, {"train": task.read(SAMPLE / "cjrc.json")[1]})
        assert len([text for text in warnings if "--scoring cjrc" in text]) == count
        warnings.clear()


def test_training_data_without_an_answer_in_a_text_are_refused(tmp_path):
    (tmp_path / "free.json").write_text('{"context": "a", "question": "?", "answers": ["b"]}', encoding="utf-8")
    task = ReadingTask()
    with pytest.raises(ValueError, match="no question of the training data has an answer in its context"):
        task.check({}, {"train": task.read(tmp_path / "free.json")[1]})


@pytest.mark.parametrize(
    ("own", "wanted", "training", "kinds"),
    [
        (None, ["text", "none"], True, ["text", "none"]),
        (None, KINDS, False, ["text"]),  # a stock model gives parts of texts
        (KINDS, ["text"], True, KINDS),
        (["text"], ["text", "yes"], True, ["text", "yes"]),
        (["text", "none"], KINDS, False, ["text", "none"]),
    ],
)
def test_a_checkpoint_knows_its_kinds(tmp_path, own, wanted, training, kinds):
    tokenizer = BertTokenizer(VOCABULARY)
    config = BertConfig(vocab_size=len(VOCABULARY), **SIZES)
    if own:
        config.answer_kinds = own
    BertForQuestionAnswering(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    model, _, found = ReadingTask().load_model(ModelArguments(str(tmp_path)), wanted, training)
    assert found == model.config.answer_kinds == kinds


def test_a_null_threshold_without_no_answer_is_named(tmp_path, warnings):
    BertForQuestionAnswering(BertConfig(vocab_size=len(VOCABULARY), **SIZES)).save_pretrained(tmp_path)
    BertTokenizer(VOCABULARY).save_pretrained(tmp_path)
    for kinds in (["text", "none"], ["text"]):
        ReadingTask(null_threshold=1.5).load_model(ModelArguments(str(tmp_path)), kinds, True)
    found = [text for text in warnings if "null_threshold" in text]
    assert found == ["null_threshold=1.5 has no effect: the model never gives no answer"]


def test_a_head_of_other_scores_is_refused(tmp_path):
    BertForQuestionAnswering(BertConfig(vocab_size=len(VOCABULARY), num_labels=7, **SIZES)).save_pretrained(tmp_path)
    BertTokenizer(VOCABULARY).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="has 7 scores for each token.*--config_overrides num_labels=2"):
        ReadingTask().load_model(ModelArguments(str(tmp_path)), ["text"], True)
    arguments = ModelArguments(str(tmp_path), config_overrides="num_labels=2")
    assert ReadingTask().load_model(arguments, ["text"], True)[0].qa_outputs.out_features == 2


def test_options_are_checked():
    (task,) = HfArgumentParser(ReadingTask).parse_args_into_dataclasses(["--scoring", "cjrc", "--doc_stride", "9"])
    assert (task.scoring, task.doc_stride, task.best_score in task.scores) == ("cjrc", 9, True)
    with pytest.raises(ValueError, match="scoring='drcd' is not allowed; give one of cmrc2018, cjrc"):
        ReadingTask(scoring="drcd")
    for name in ("max_answer_length", "n_best_size"):
        with pytest.raises(ValueError, match=f"{name}=0 is not allowed; give 1 or more"):
            ReadingTask(**{name: 0})


def test_what_the_card_and_the_trainer_are_told():
    task = ReadingTask()
    fields = task.card_fields(["text", "yes"], {}, None)
    scoring = "CMRC 2018's (no answer: SQuAD 2.0's)"
    assert fields == {"labels": "a part of the text, yes", "scoring": scoring, "options": ""}
    own = ReadingTask(doc_stride=9, null_threshold=-1.5).card_fields(["text"], {}, None)
    assert own["options"] == ", doc_stride=9, null_threshold=-1.5"
    assert task.preprocess_logits(("start", "end", "states"), None) == ("start", "end")
    dataset = data(*ROWS)
    assert task.strata(dataset) == ["text", "none", "yes", "elsewhere"]
    assert list(task.training_texts(data(*ROWS[:1] * 2))) == ["谁？", "谁？", ROWS[0][0]]


def test_a_control_of_pinyin_is_not_fine_tuned_on_other_pinyin(tmp_path):
    """Only run_spelling.py permutes the pinyin of texts; elsewhere the control would read true pinyin, and be none."""
    config = BertConfig(vocab_size=len(VOCABULARY), permuted_pinyin=3, **SIZES)
    BertForQuestionAnswering(config).save_pretrained(tmp_path)
    BertTokenizer(VOCABULARY).save_pretrained(tmp_path)
    data = DataArguments(test_file=str(SAMPLE / "cmrc.json"))
    args = FineTuningArguments(str(tmp_path / "out"), do_predict=True)
    with pytest.raises(
        ValueError, match="the model has permuted_pinyin=3: only run_spelling.py and `correct_spelling`"
    ):
        fine_tune(ReadingTask(), ModelArguments(str(tmp_path)), data, args)
