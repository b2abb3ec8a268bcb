"""Options of some trainings of many, and their check before the first one starts."""

import pytest

from hanziformers.training.dependency_task import DependencyTask
from hanziformers.training.experiment_options import Options, check_flags, check_overrides, parse_options
from hanziformers.training.ner_task import NerTask
from hanziformers.training.srl_task import SrlTask


def test_options_of_a_key():
    texts = ["ner=--num_train_epochs 20 --config_overrides 'hidden_size=8, glyph_dim=32'", "pair=--cut characters"]
    assert parse_options(texts, ["ner", "pair"]) == [
        Options("ner", "hidden_size=8, glyph_dim=32", ["--num_train_epochs", "20"]),
        Options("pair", "", ["--cut", "characters"]),
    ]
    assert parse_options([], ["ner"]) == []


@pytest.mark.parametrize("text", ["ner", "ner=", "ner= ", "=--seed 1", "pos=--seed 1", "--seed 1"])
def test_other_texts_are_refused(text):
    with pytest.raises(ValueError, match="is not allowed; give KEY=.* where KEY is one of ner, pair") as error:
        parse_options([text], ["ner", "pair"])
    assert repr(text) in str(error.value)


def test_flags_that_scripts_have():
    check_flags(NerTask, ["--task_name", "cws", "--num_train_epochs", "2.5", "--load_best_model_at_end"])
    check_flags(SrlTask, ["--pruning_order", "2", "--max_train_samples", "8", "--min_word_count", "1"])
    check_flags(SrlTask, [])


@pytest.mark.parametrize(
    ("task", "flags", "message"),
    [
        (SrlTask, "--task_name ner", "trainings of a SrlTask have no option --task_name ner: leave it out"),
        (NerTask, "--pruning_order 2", "trainings of a NerTask have no option --pruning_order 2"),
        (DependencyTask, "--weight_decay 1 --epoch 3", "have no option --epoch 3"),
        (SrlTask, "--label_smoothing 0.1", "have no option --label_smoothing 0.1"),
        (SrlTask, "--seed 1", "--seed: what the runs have of their own is decided here; leave it out"),
        (DependencyTask, "--num_train_epochs many", "--num_train_epochs many: .*invalid float value: 'many'"),
        (SrlTask, "--syntax other", "syntax.*: invalid choice: 'other'"),
        (DependencyTask, "--learning_rate", "learning_rate.*: expected one argument"),
    ],
)
def test_other_flags_are_refused(task, flags, message):
    with pytest.raises(ValueError, match=message):
        check_flags(task, flags.split())


@pytest.mark.parametrize("flags", ["--read_tag 1 --train_file x", "--train-file=x", "--output-dir x", "--seed=1"])
def test_what_runs_have_of_their_own_is_refused(flags):
    with pytest.raises(ValueError, match="--(train.file|output-dir|seed): what the runs have of their own"):
        check_flags(SrlTask, flags.split(), own={"train_file"})


def test_overrides_that_a_model_takes():
    check_overrides("srl", "")
    check_overrides("srl", "hidden_size=8, glyph_dim=32,glyce=false,pruning_order=2")
    check_overrides("lattice_lstm", "word_size=8")


@pytest.mark.parametrize(
    ("model_type", "overrides", "message"),
    [
        ("srl", "arc_size=8", "--config_overrides arc_size=8: a srl has no field arc_size"),
        ("biaffine", "hidden_size=8,", "--config_overrides hidden_size=8,: '' is not allowed; give name=value"),
        ("biaffine", "hidden_size", "hidden_size: 'hidden_size' is not allowed; give name=value"),
        ("biaffine", "hidden_size=wide", "hidden_size=wide: invalid literal for int.*'wide'"),
        ("biaffine", "hidden_size=7", "hidden_size=7 is not allowed in BiaffineConfig; allowed is even"),
        ("bimpm", "glyph_dim=8", "glyph_groups=8 is not allowed in BiMpmConfig"),
        ("bilstm", "num_words=8", "a bilstm has no field num_words"),
    ],
)
def test_other_overrides_are_refused(model_type, overrides, message):
    with pytest.raises(ValueError, match=message):
        check_overrides(model_type, overrides)
