"""What transformers' own common tests run on: one entry a model family, its tokenizer and its processor."""

import torch


def chinese_bert_inputs(config, batch, length):
    lengths = torch.arange(length, length - batch, -1).clamp(min=2)
    return {
        "input_ids": torch.randint(1, config.vocab_size, (batch, length)),
        "token_type_ids": torch.randint(0, config.type_vocab_size, (batch, length)),
        "attention_mask": (torch.arange(length)[None] < lengths[:, None]).long(),
        "pinyin_ids": torch.randint(0, config.pinyin_vocab_size, (batch, length, config.pinyin_length)),
        "glyph_ids": torch.randint(
            1, 64, (batch, length)
        ),  # few, as tests that shrink the vocabulary clamp input_ids only
    }


CHINESE_BERT_SIZES = {
    "vocab_size": 99,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 37,
    "max_position_embeddings": 64,
    "glyph_embedding_dim": 27,
    "pinyin_embedding_size": 12,
}

FAMILIES = [
    {
        "name": "chinese_bert",
        "setup": "hanziformers",
        "config": "hanziformers:ChineseBertConfig",
        "config_kwargs": CHINESE_BERT_SIZES,
        "heads": {
            "base": "hanziformers:ChineseBertModel",
            "masked_lm": "hanziformers:ChineseBertForMaskedLM",
            "token_classification": "hanziformers:ChineseBertForTokenClassification",
            "sequence_classification": "hanziformers:ChineseBertForSequenceClassification",
            "question_answering": "hanziformers:ChineseBertForQuestionAnswering",
            "multiple_choice": "hanziformers:ChineseBertForMultipleChoice",
        },
        "inputs": chinese_bert_inputs,
        "extra_inputs": ["pinyin_ids", "glyph_ids"],
    }
]


TEXTS = ["银行很忙，今天天气好。", "行长"]


def chinese_bert_tokenizer():
    from common_tokenizer_tests import english_vocab

    from hanziformers import ChineseBertTokenizer

    return ChineseBertTokenizer(vocab=english_vocab(*TEXTS))


def chinese_bert_model(name):
    def make(tokenizer):
        import hanziformers

        config = hanziformers.ChineseBertConfig(**{**CHINESE_BERT_SIZES, "vocab_size": len(tokenizer)})
        return getattr(hanziformers, name)(config)

    return make


TOKENIZERS = [
    {
        "name": "chinese_bert",
        "setup": "hanziformers",
        "tokenizer": "hanziformers:ChineseBertTokenizer",
        "make": chinese_bert_tokenizer,
        "texts": TEXTS,
        "extra": {"pinyin_ids": (8,)},
        "pipelines": {
            "fill-mask": chinese_bert_model("ChineseBertForMaskedLM"),
            "token-classification": chinese_bert_model("ChineseBertForTokenClassification"),
            "text-classification": chinese_bert_model("ChineseBertForSequenceClassification"),
            "feature-extraction": chinese_bert_model("ChineseBertModel"),
        },
    }
]
