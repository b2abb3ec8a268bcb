"""What is refused before a model is loaded, how long texts are, and what batches are padded to."""

import pytest
from srl_tools import build
from transformers import (
    BertConfig,
    BertForQuestionAnswering,
    BertForTokenClassification,
    BertModel,
    BertTokenizer,
    PreTrainedConfig,
    TrainingArguments,
)

from hanziformers.training.fine_tuning_checks import (
    MOST_TOKENS,
    check_label_smoothing,
    check_steps,
    longest_input,
    pad_on_the_right,
    padding_multiple,
    sequence_length,
)


@pytest.mark.parametrize(
    ("length", "longest", "multiple"),
    [
        (512, 512, 8),
        (50, 50, None),
        (45, 50, 8),
        (49, 50, None),
        (40, 50, 8),
        (64, int(1e30), 8),
        (int(1e30),) * 2 + (8,),
    ],
)
def test_batches_are_padded_no_longer_than_the_model_can_take(length, longest, multiple):
    assert padding_multiple(length, longest) == multiple


@pytest.mark.parametrize("head", [BertForQuestionAnswering, BertModel])
def test_only_labels_that_the_trainer_knows_are_smoothed(tmp_path, head):
    sizes = {"vocab_size": 8, "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = BertConfig(**sizes, intermediate_size=4)
    smoothed = TrainingArguments(str(tmp_path), use_cpu=True, label_smoothing_factor=0.1)
    check_label_smoothing(smoothed, BertForTokenClassification(config))
    check_label_smoothing(TrainingArguments(str(tmp_path), use_cpu=True), head(config))
    with pytest.raises(ValueError, match=f"label_smoothing_factor=0.1 is not allowed: .* which a {head.__name__} does"):
        check_label_smoothing(smoothed, head(config))


def test_words_that_are_not_read_are_not_smoothed(tmp_path):
    smoothed = TrainingArguments(str(tmp_path), use_cpu=True, label_smoothing_factor=0.1)
    check_label_smoothing(smoothed, build(pruning_order=None))
    check_label_smoothing(TrainingArguments(str(tmp_path), use_cpu=True), build(pruning_order=0))
    with pytest.raises(ValueError, match="label_smoothing_factor=0.1 is not allowed with pruning_order=0: "):
        check_label_smoothing(smoothed, build(pruning_order=0))


def test_padding_follows_the_text(warnings):
    tokenizer = BertTokenizer({"[UNK]": 0})
    pad_on_the_right(tokenizer)
    assert not warnings
    tokenizer.padding_side = "left"
    pad_on_the_right(tokenizer)
    assert tokenizer.padding_side == "right"
    assert len(warnings) == 1


def test_a_model_takes_what_its_tokenizer_and_its_positions_allow():
    tokenizer = BertTokenizer({"[UNK]": 0})
    assert longest_input(tokenizer, BertConfig(max_position_embeddings=48)) == 48
    assert longest_input(tokenizer, PreTrainedConfig()) == MOST_TOKENS
    tokenizer.model_max_length = 32
    assert longest_input(tokenizer, BertConfig(max_position_embeddings=48)) == 32


def test_texts_are_cut_to_what_is_requested_and_possible(warnings):
    assert sequence_length(None, 512, 3) == 512
    assert sequence_length(5, 512, 5) == 5
    assert sequence_length(512, 512, 3) == 512
    assert not warnings
    assert sequence_length(513, 512, 3) == 512
    assert ["max_seq_length=513 is more than the 512 tokens" in text for text in warnings] == [True]


def test_a_model_without_a_limit_reads_texts_of_any_length():
    assert sequence_length(None, int(1e30), 3) == MOST_TOKENS  # tokenizers refuse larger numbers
    assert sequence_length(12345, int(1e30), 3) == 12345


@pytest.mark.parametrize("shortest", [3, 5])
@pytest.mark.parametrize("less", [1, 3, 6])
def test_a_length_of_less_than_the_task_allows_is_refused(shortest, less):
    requested = shortest - less
    with pytest.raises(ValueError, match=f"max_seq_length={requested}: no token .*give {shortest} or more"):
        sequence_length(requested, 512, shortest)


def test_a_step_needs_its_data(tmp_path):
    both = TrainingArguments(str(tmp_path), use_cpu=True, do_train=True, do_predict=True)
    check_steps(both, {"train", "test"}, "run_ner.py")
    with pytest.raises(ValueError, match=r"no train data, only \['test'\]: give --train_file or leave the step out"):
        check_steps(both, {"test"}, "run_ner.py")
    with pytest.raises(ValueError, match=r"no test data, only \['train'\]: give --test_file"):
        check_steps(both, {"train"}, "run_ner.py")
    evaluation = TrainingArguments(str(tmp_path), use_cpu=True, do_eval=True)
    check_steps(evaluation, {"validation"}, "run_ner.py")
    with pytest.raises(ValueError, match=r"no validation data, only \['train'\], .*: give --validation_file"):
        check_steps(evaluation, {"train"}, "run_ner.py")
    evaluation.do_train = True  # a part of the training data is held out
    check_steps(evaluation, {"train"}, "run_ner.py")


@pytest.mark.parametrize("step", ["do_eval", "do_predict"])
def test_no_row_may_drop_out_of_an_evaluation(tmp_path, step):
    dropping = TrainingArguments(str(tmp_path), use_cpu=True, do_train=True, dataloader_drop_last=True)
    check_steps(dropping, {"train", "test"}, "run_ner.py")
    setattr(dropping, step, True)
    with pytest.raises(ValueError, match="dataloader_drop_last=True leaves the last rows out"):
        check_steps(dropping, {"train", "test"}, "run_ner.py")


@pytest.mark.parametrize("step", ["do_eval", "do_predict"])
def test_no_row_may_change_its_place_in_an_evaluation(tmp_path, step):
    grouped = TrainingArguments(str(tmp_path), use_cpu=True, do_train=True, train_sampling_strategy="group_by_length")
    check_steps(grouped, {"train", "test"}, "run_ner.py")
    setattr(grouped, step, True)
    with pytest.raises(ValueError, match="train_sampling_strategy='group_by_length' reorders the rows"):
        check_steps(grouped, {"train", "test"}, "run_ner.py")
    grouped.train_sampling_strategy = "sequential"
    check_steps(grouped, {"train", "test"}, "run_ner.py")


def test_one_process_where_accelerate_was_to_start_several(tmp_path, warnings, monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    check_steps(TrainingArguments(str(tmp_path), use_cpu=True), set(), "run_ner.py")
    assert ["run_scripts/run_ner.py --use_cpu True" in text for text in warnings] == [True]
