"""Encoding, what truncation takes away, scores against scikit-learn's words, and stratified samples."""

from collections import Counter

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import classification_report
from transformers import BertTokenizer, EvalPrediction

from hanziformers.training.classification_task import (
    ClassificationCoverage,
    ClassificationScorer,
    encode_classification,
    encode_labels,
    stratified_sample,
)

CHARACTERS = "天地玄黄宇宙洪荒"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    path = tmp_path_factory.mktemp("vocab") / "vocab.txt"
    path.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *CHARACTERS]), encoding="utf-8")
    return BertTokenizer(str(path))


def test_encodes_texts_and_counts_what_is_cut(tokenizer):
    texts = ["天地", "天地玄", "天地玄黄宇宙", "天地玄黄  ", "", "火天x"]
    data = Dataset.from_dict({"text": texts, "label": list("ababab")})
    encoded, coverage = encode_classification(data, tokenizer, ["a", "b"], 5)
    whole = tokenizer(texts)["input_ids"]
    assert [len(row) for row in encoded["input_ids"]] == [4, 5, 5, 5, 2, 5]
    assert encoded[0]["input_ids"] == whole[0]
    assert set(encoded.column_names) == {*tokenizer(texts), "labels"}
    assert encoded["labels"][:] == [0, 1] * 3
    # 黄宇宙; 黄 and two spaces
    assert coverage == ClassificationCoverage(6, sum(map(len, texts)), 2, 3 + 3, 2)


def test_encodes_pairs(tokenizer):
    data = Dataset.from_dict({"text": ["天地", "天"], "text_pair": ["玄黄宇宙", "玄"], "label": ["x", None]})
    encoded, coverage = encode_classification(data, tokenizer, ["x"], 7)
    assert encoded[0]["input_ids"] == tokenizer("天地", "玄黄")["input_ids"]
    assert set(encoded[0]["token_type_ids"]) == {0, 1}
    assert (coverage.truncated_texts, coverage.cut_characters) == (1, 2)
    assert "labels" not in encoded.column_names  # one row has none


@given(st.lists(st.text(CHARACTERS, max_size=12), min_size=1, max_size=6), st.integers(4, 10))
def test_what_is_cut_is_what_is_missing(tokenizer, texts, length):
    data = Dataset.from_dict({"text": texts, "label": ["a"] * len(texts)})
    _, coverage = encode_classification(data, tokenizer, ["a"], length)
    lost = [max(0, len(text) - (length - 2)) for text in texts]
    assert (coverage.truncated_texts, coverage.cut_characters) == (sum(map(bool, lost)), sum(lost))


def test_labels_as_numbers():
    assert encode_labels(["b", "a"], ["a", "b"]).tolist() == [1, 0]
    assert encode_labels([["b", "a"], []], ["a", "b", "c"], True).tolist() == [[1, 1, 0], [0, 0, 0]]
    with pytest.raises(ValueError, match=r"the labels \['d'\] are none of the model's \['a', 'b'\]"):
        encode_labels(["a", "d"], ["a", "b"])
    with pytest.raises(ValueError, match=r"\['d'\]"):
        encode_labels([["a", "d"]], ["a", "b"], True)


def test_scores_of_one_label():
    gold, logits = np.array([0, 0, 1, 2]), np.eye(4)[[0, 1, 1, 1]] * 3
    scorer = ClassificationScorer(list("abcd"))
    scores = scorer(EvalPrediction(predictions=logits, label_ids=gold))
    # a: P 1, R 1/2; b: P 1/3, R 1; c: 0; d does not occur
    assert scores["accuracy"] == scores["micro_f1"] == 0.5
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert scorer.named(logits) == list("abbb")
    assert np.allclose(scorer.probabilities(logits)[0], np.exp([3, 0, 0, 0]) / (np.exp(3) + 3))
    theirs = classification_report(gold, scorer.decide(logits), output_dict=True, zero_division=0)
    ours = scorer.report(logits, gold)
    assert set(ours) == set("abc")
    for number, label in enumerate("abc"):
        assert list(ours[label].values()) == pytest.approx(list(theirs[str(number)].values()))


def test_scores_of_many_labels():
    gold = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0]], dtype=np.float32)
    logits = np.array([[2.0, -1, -9], [0.0, -0.1, -9], [-1e3, -1e3, -1e3]])
    scorer = ClassificationScorer(list("abc"), multi_label=True)
    scores = scorer.scores(logits, gold)
    assert scorer.named(logits) == [["a"], ["a"], []]  # 0.5 is enough
    assert scores["accuracy"] == pytest.approx(2 / 3)
    assert scores["micro_f1"] == pytest.approx(2 * 2 / (2 + 3))
    assert scores["macro_f1"] == pytest.approx((1 + 0) / 2)  # c does not occur
    assert set(scorer.report(logits, gold)) == {"a", "b"}
    assert scorer.scores(logits[2:], gold[2:]) == {"accuracy": 1.0, "macro_f1": 0.0, "micro_f1": 0.0}
    assert np.isfinite(scorer.probabilities(logits)).all()


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=60), st.data(), st.integers(0, 9))
def test_a_sample_has_of_each_stratum_its_share(strata, data, seed):
    count = data.draw(st.integers(0, len(strata)))
    chosen = stratified_sample(strata, count, seed)
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    assert len(chosen) == count
    found, all_of = Counter(strata[row] for row in chosen), Counter(strata)
    for name, number in all_of.items():
        assert abs(found[name] - number * count / len(strata)) < 1 + 1e-9
    assert (stratified_sample(strata, count, seed) == chosen).all()


def test_samples_differ_by_seed():
    assert stratified_sample("ab" * 50, 20, 0).tolist() != stratified_sample("ab" * 50, 20, 1).tolist()
