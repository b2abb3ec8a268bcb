"""Learning rates of a model's parts."""

import pytest
import torch
from bilstm_tools import build as build_bilstm
from mpm_cner_tools import build
from transformers import BertConfig, BertForMaskedLM, TrainingArguments

from hanziformers.training.fine_tuning import FineTuningArguments
from hanziformers.training.finite_trainer import FiniteTrainer
from hanziformers.training.learning_rates import choose_learning_rate, part_groups, read_rates


def arguments(folder, **options):
    return FineTuningArguments(str(folder), use_cpu=True, **options)


def test_rates_come_from_the_options(tmp_path):
    model = build()
    groups = part_groups(model, arguments(tmp_path, learning_rate=2e-5, learning_rates="swin=3e-4, rest=1e-3"))
    assert [(group["name"], group["lr"]) for group in groups] == [("semantic", 2e-5), ("swin", 3e-4), ("rest", 1e-3)]
    groups = part_groups(model, arguments(tmp_path, weight_decay=0.1))
    rates = [(group["name"], group["lr"], group["weight_decay"]) for group in groups]
    parts = [("semantic", 4e-5), ("swin", 1e-4), ("rest", 1e-4)]
    assert sorted(rates) == sorted((*part, decay) for part in parts for decay in (0.0, 0.1))
    assert part_groups(model, TrainingArguments(str(tmp_path), use_cpu=True))[0]["lr"] == 5e-5


def test_the_rate_follows_the_kind_of_model_where_none_is_given(tmp_path):
    options = arguments(tmp_path)
    assert options.learning_rate is None
    for model, usual in ((torch.nn.Linear(2, 2), 4e-5), (build_bilstm(), 1e-3)):
        assert (
            FiniteTrainer(
                model, arguments(tmp_path, eval_strategy="no", load_best_model_at_end=False)
            ).args.learning_rate
            == usual
        )
        assert choose_learning_rate(model, arguments(tmp_path, learning_rate=2e-3)) == 2e-3
    assert {group["lr"] for group in part_groups(build_bilstm(), options)} == {1e-3}


def test_a_rate_of_0_freezes_a_part(tmp_path):
    model = build()
    groups = part_groups(model, arguments(tmp_path, learning_rates="swin=0"))
    assert [group["name"] for group in groups] == ["semantic", "rest"]
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    assert frozen == {name for name, _ in model.named_parameters() if "_bank.encoder." in name} != set()


def test_a_model_with_one_rate(tmp_path):
    assert part_groups(torch.nn.Linear(2, 2), arguments(tmp_path)) is None
    with pytest.raises(ValueError, match="--learning_rates names 'swin'; parts of a Linear are none: it has one rate"):
        part_groups(torch.nn.Linear(2, 2), arguments(tmp_path, learning_rates="swin=1e-4"))
    with pytest.raises(ValueError, match="names 'semantic'; .* are swin, rest; all else has --learning_rate"):
        part_groups(build(), arguments(tmp_path, learning_rates="semantic=1e-4"))


def test_the_table_of_a_model_of_transformers_has_a_rate(tmp_path):
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    for tied in (True, False):
        model = BertForMaskedLM(BertConfig(vocab_size=11, tie_word_embeddings=tied, **sizes))
        assert part_groups(model, arguments(tmp_path, learning_rate=1e-3)) is None
        options = arguments(tmp_path, learning_rate=1e-3, learning_rates="embeddings=2e-2", weight_decay=0.1)
        groups = part_groups(model, options)
        assert {(group["name"], group["lr"]) for group in groups} == {("embeddings", 2e-2), ("rest", 1e-3)}
        table = next(group for group in groups if group["name"] == "embeddings")
        assert [*map(id, table["params"])] == [id(model.get_input_embeddings().weight)]
        assert table["weight_decay"] == 0.1
        number = sum(parameter.numel() for group in groups for parameter in group["params"])
        assert number == sum(parameter.numel() for parameter in model.parameters())
    part_groups(model, arguments(tmp_path, learning_rates="embeddings=0"))
    frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    assert frozen == ["bert.embeddings.word_embeddings.weight"]
    with pytest.raises(ValueError, match="names 'glyph'; parts of a BertForMaskedLM are embeddings, rest"):
        part_groups(model, arguments(tmp_path, learning_rates="glyph=0"))


@pytest.mark.parametrize(
    "wrong", ["swin", "swin=", "swin=fast", "=1e-4", "swin=-1e-4", "swin=nan", "swin=inf", "rest=2e-3"]
)
def test_wrong_rates_are_explained(wrong):
    assert read_rates("") == {}
    message = f"learning_rates='rest=1e-3,{wrong}': '{wrong}' is not allowed.*name=rate, each name once"
    with pytest.raises(ValueError, match=message):
        read_rates(f"rest=1e-3,{wrong}")
