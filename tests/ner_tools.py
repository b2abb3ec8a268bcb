"""Small texts with entities, and a vocabulary for them."""

from datasets import Dataset

from hanziformers import ChineseBertTokenizer
from hanziformers.training.ner_data import FEATURES
from hanziformers.training.tag_schemes import Entity

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["apple", "##s", "2018", "，", "。", "e"]


def make_tokenizer():
    tokens = SPECIAL + WORDS + list("我在北京上海银行长江大桥看书")
    return ChineseBertTokenizer({token: index for index, token in enumerate(dict.fromkeys(tokens))})


def dataset(*rows):
    """Of pairs of a text and its entities, each a tuple (start, end, label)."""
    made = [{"text": text, "entities": [Entity(*entity)._asdict() for entity in found]} for text, found in rows]
    return Dataset.from_list(made, features=FEATURES)
