"""Characters that are withheld from training, or rare in it: which ones, and the losses near them."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from spelling_tools import CHARACTERS, VOCABULARY, make
from torch.nn import functional as F

from hanziformers import ChineseBertTokenizer
from hanziformers.training.causal_collator import DataCollatorForNextCharacters
from hanziformers.training.masking_collator import DataCollatorForMaskedCharacters
from hanziformers.training.unfamiliar_characters import (
    NEAR,
    ROUNDS,
    ControlArguments,
    as_unknown,
    chance_accuracy,
    in_rounds,
    near,
    note_withheld,
    rare_characters,
    score_unfamiliar,
    unfamiliar_groups,
    ways_of_showing,
    withheld_characters,
)

HAN = {VOCABULARY[one] for one in CHARACTERS}
TEXTS = ["我们在学校的，未来", "大土入大", "apple我们1的再。", "日日日目目大"]
IDS = np.array([VOCABULARY[one] for one in "学大目"])


def examples_of(tokenizer):
    keys = [key for key in tokenizer.model_input_names if key != "extra_glyphs"]
    return [{**{key: tokenizer(text)[key] for key in keys}, "epoch": 0} for text in TEXTS]


def trainer_of(model, collator):
    args = SimpleNamespace(per_device_eval_batch_size=3, device=torch.device("cpu"))
    return SimpleNamespace(model=model, data_collator=collator, args=args, compute_loss_context_manager=torch.no_grad)


def test_a_fraction_of_the_chinese_characters_is_withheld():
    _, tokenizer = make("bert")
    for fraction, number in ((0.0, 0), (0.1, 2), (0.5, len(CHARACTERS) // 2), (0.99, len(CHARACTERS) - 0)):
        found = withheld_characters(tokenizer, fraction, 3)
        assert len(found) == pytest.approx(number, abs=1)
        assert {*found.tolist()} <= HAN
        assert (found == withheld_characters(tokenizer, fraction, 3)).all()
    assert withheld_characters(tokenizer, 0.5, 3).tolist() != withheld_characters(tokenizer, 0.5, 4).tolist()
    often = np.concatenate([withheld_characters(tokenizer, 0.3, seed) for seed in range(300)])
    counts = np.bincount(often)[sorted(HAN)]
    assert counts.min() > 60
    for fraction in (-0.1, 1.0, 0.01, float("nan")):
        with pytest.raises(ValueError, match=f"withhold={fraction} is not allowed; .*two or more"):
            withheld_characters(tokenizer, fraction, 3)


def test_rare_characters_and_groups():
    _, tokenizer = make("bert")
    texts = ["我我我们们，apple" + "".join(set(CHARACTERS) - {*"我们日"}) * 3]
    counts = {one: texts[0].count(one) for one in "".join(texts)}
    assert rare_characters(tokenizer, counts, 3).tolist() == sorted(VOCABULARY[one] for one in "们日")
    assert unfamiliar_groups(ControlArguments(), tokenizer, iter(())) == {}
    groups = unfamiliar_groups(ControlArguments(withhold=0.9, rare_below=4), tokenizer, texts)
    assert not np.intersect1d(groups["withheld"], groups["rare"]).size
    assert len(groups["withheld"]) + len(groups["rare"]) == len(CHARACTERS)


def test_permuted_characters_are_never_their_own():
    _, tokenizer = make("bert")
    for seed in range(20):
        ways = ways_of_showing(IDS, tokenizer, seed)
        assert ways["true"] == {row: row for row in IDS.tolist()}
        assert sorted(ways["permuted"]) == sorted(ways["permuted"].values()) == sorted(IDS.tolist())
        assert all(row != shown for row, shown in ways["permuted"].items())
        assert ways["unknown"] == as_unknown(IDS, tokenizer) == dict.fromkeys(IDS.tolist(), tokenizer.unk_token_id)


def test_every_token_of_a_withheld_character_is_unknown():
    """But ways of showing differ only in what is shown: the random tokens are the same."""
    vocabulary = {token: row for row, token in enumerate([*VOCABULARY, "##学", "##日", "\u2f47"])}  # of 日
    tokenizer = ChineseBertTokenizer(vocabulary)
    ids = np.array([vocabulary["学"], vocabulary["日"]])
    hidden = as_unknown(ids, tokenizer)
    assert {*hidden.values()} == {tokenizer.unk_token_id}
    assert [*hidden] == sorted(vocabulary[token] for token in ("学", "日", "##学", "##日", "\u2f47"))
    ways = ways_of_showing(ids, tokenizer, 1)
    assert all({*shown} == {*ids.tolist()} for shown in ways.values())
    collator = DataCollatorForMaskedCharacters(
        tokenizer, mlm_probability=1, random_replace_prob=1, mask_replace_prob=0, shown_as=hidden
    )
    batch = collator([tokenizer("我们在目大土")] * 300)
    assert len(batch["input_ids"].unique()) > 20
    assert not np.isin(batch["input_ids"], [*hidden]).any()


def test_withheld_characters_are_noted():
    model, tokenizer = make("bert")
    note_withheld(model.config, IDS[:0], tokenizer)
    assert not hasattr(model.config, "withheld_characters")
    note_withheld(model.config, IDS, tokenizer)
    assert model.config.withheld_characters == "学大目"
    note_withheld(model.config, IDS[:0], tokenizer)  # a checkpoint that is trained on with all characters
    assert model.config.withheld_characters is None


def test_near_is_what_a_loop_finds():
    rng = np.random.default_rng(0)
    for _ in range(50):
        found = rng.random(rng.integers(1, 12)) < 0.3
        places = range(len(found))
        masked = [any(found[one] and abs(one - place) <= NEAR for one in places) for place in places]
        causal = [any(found[one] and 0 <= place - one < NEAR for one in places) for place in places]
        assert near(found, True).tolist() == masked
        assert near(found, False).tolist() == causal


def slow_losses(model, tokenizer, collator, examples, masks, shown):
    """Losses of the positions near `IDS`, one example and position after the other."""
    losses = []
    for example in in_rounds(examples):
        row = collator([{**example}])
        ids = example["input_ids"]
        for key in ("input_ids", "glyph_ids"):
            for place, token in enumerate(ids):
                if key in row and token in shown:
                    row[key][0, place] = shown[token]
        inputs = {key: value for key, value in row.items() if key != "labels"}
        logits = model(**inputs).logits[0]
        for place, label in enumerate(row["labels"][0].tolist()):
            distance = range(-NEAR, NEAR + 1) if masks else range(1 - NEAR, 1)
            around = [ids[place + step] for step in distance if 0 <= place + step < len(ids)]
            is_mask = row["input_ids"][0, place] == tokenizer.mask_token_id
            if label != -100 and (is_mask or not masks) and {*around} & {*IDS.tolist()}:
                losses.append(F.cross_entropy(logits[place], torch.tensor(label)).item())
    return losses


@pytest.mark.parametrize("masks", [True, False])
@pytest.mark.parametrize("family", ["bert", "glyph_crm"])
def test_losses_near_withheld_characters_are_those_of_a_loop(family, masks):
    model, processor = make(family)
    tokenizer = getattr(processor, "tokenizer", processor)
    make_collator = DataCollatorForMaskedCharacters if masks else DataCollatorForNextCharacters
    collator = make_collator(tokenizer, mlm_probability=0.5, seed=4, shown_as=as_unknown(IDS, tokenizer))
    examples = examples_of(tokenizer)
    trainer = trainer_of(model, collator)
    figures = score_unfamiliar(trainer, examples, {"withheld": IDS}, masks, seed=2)
    numbers = set()
    for way, shown in ways_of_showing(IDS, tokenizer, 2).items():
        with torch.no_grad():
            slow = slow_losses(model, tokenizer, collator, examples, masks, shown)
        numbers.add(len(slow))
        assert figures[f"eval_withheld_{way}_loss"] == pytest.approx(np.mean(slow), rel=1e-5)
    assert numbers == {figures["eval_withheld_positions"]}
    assert figures["eval_withheld_positions"] > 4
    assert len({figures[f"eval_withheld_{way}_loss"] for way in ("true", "permuted", "unknown")}) == 3
    assert "eval_withheld_label_loss" not in figures


def test_figures_of_rare_characters_and_of_chance():
    model, tokenizer = make("bert")
    collator = DataCollatorForMaskedCharacters(tokenizer, mlm_probability=0.5, seed=4)
    examples = examples_of(tokenizer)
    groups = {"rare": IDS, "withheld": IDS[:1]}
    figures = score_unfamiliar(trainer_of(model, collator), examples, groups, True, seed=2)
    losses, labels = [], []
    for example in in_rounds(examples):
        batch = collator([example])
        logits = model(**{key: value for key, value in batch.items() if key != "labels"}).logits[0]
        for place, label in enumerate(batch["labels"][0].tolist()):
            if label != -100 and batch["input_ids"][0, place] == tokenizer.mask_token_id:
                labels += [label] if example["epoch"] == 0 else []
                if label in IDS:
                    losses.append(F.cross_entropy(logits[place], torch.tensor(label)).item())
    assert figures["eval_rare_label_loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert figures["eval_rare_label_positions"] == len(losses)
    assert 0 <= figures["eval_rare_label_accuracy"] <= 1
    assert figures["eval_chance_accuracy"] == np.bincount(labels).max() / len(labels)
    assert not [name for name in figures if "withheld" in name]  # one character cannot be permuted
    assert ROUNDS > 1


def test_what_has_no_position_has_no_figure():
    model, tokenizer = make("bert")
    collator = DataCollatorForMaskedCharacters(tokenizer, seed=4)
    absent = np.array([VOCABULARY[one] for one in "己已"])
    figures = score_unfamiliar(trainer_of(model, collator), examples_of(tokenizer), {"rare": absent}, True, seed=2)
    assert {*figures} == {"eval_chance_accuracy", "eval_rare_positions", "eval_rare_label_positions"}
    assert chance_accuracy(examples_of(tokenizer), collator, True) > 0
