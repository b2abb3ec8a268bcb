"""What transformers' own common tests run on: one entry a model family, its tokenizer and its processor."""

import torch
import transformers
from packaging.version import Version


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
    "glyph_size": 3,
    "pinyin_embedding_size": 12,
}

GLYPH_CRM_SIZES = {
    "vocab_size": 99,
    "glyph_size": 24,
    "first_block_channels": 4,
    "second_block_channels": 6,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 37,
    "max_position_embeddings": 64,
}


MPM_CNER_SIZES = {
    "vocab_size": 99,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 37,
    "max_position_embeddings": 64,
    "num_syllables": 12,
    "swin_embed_dim": 6,
    "swin_depths": [1, 1],
    "swin_num_heads": [1, 2],
    "lstm_hidden_size": 8,
    "special_token_ids": [0],
    "classifier": "linear",
}


GLYCE_SIZES = {
    "vocab_size": 99,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 37,
    "max_position_embeddings": 64,
    "glyph_styles": ["song", "kai"],
    "glyph_size": 8,
    "glyph_dim": 16,
    "glyph_groups": 2,
    "num_task_layers": 1,
    "task_num_attention_heads": 4,
    "task_intermediate_size": 37,
}


def glyph_crm_inputs(config, batch, length):
    lengths = torch.arange(length, length - batch, -1).clamp(min=2)
    ids, extras = torch.randint(1, config.vocab_size, (batch, length)), 4
    further = config.num_glyphs + torch.randint(0, extras, (batch, length))
    return {
        "input_ids": ids,
        "token_type_ids": torch.randint(0, config.type_vocab_size, (batch, length)),
        "attention_mask": (torch.arange(length)[None] < lengths[:, None]).long(),
        "glyph_ids": torch.where(torch.rand(batch, length) < 0.7, further, ids),  # the bank of a new model is blank
        "extra_glyphs": torch.randint(1, 256, (batch, extras, config.glyph_size**2), dtype=torch.uint8),
    }


def glyce_inputs(config, batch, length):
    lengths, ids = torch.arange(length, length - batch, -1).clamp(min=2), (batch, length)
    tokens, extras = torch.randint(1, config.vocab_size, ids), 4
    further = config.num_glyphs + torch.randint(0, extras, ids)
    values = len(config.glyph_styles) * config.glyph_size**2
    return {
        "input_ids": tokens,
        "token_type_ids": torch.randint(0, 2, ids),
        "attention_mask": (torch.arange(length)[None] < lengths[:, None]).long(),
        "glyph_ids": torch.where(torch.rand(ids) < 0.7, further, tokens),  # the bank of a new model is blank
        "extra_glyphs": torch.randint(1, 256, (batch, extras, values), dtype=torch.uint8),
    }


def mpm_cner_inputs(config, batch, length):
    syllables = torch.randint(0, config.num_syllables, (batch, length))
    return {**glyce_inputs(config, batch, length), "syllable_ids": syllables}


BILSTM_SIZES = {
    "vocab_size": 99,
    "embedding_dim": 16,  # with glyph_dim the hidden size, which the tests want of all hidden states
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "glyph_styles": ["song", "kai"],
    "glyph_size": 8,
    "glyph_dim": 16,
    "glyph_groups": 2,
}


LATTICE_LSTM_SIZES = {
    "vocab_size": 99,
    "embedding_dim": 16,
    "hidden_size": 32,
    "num_words": 20,
    "word_size": 6,
    "glyph_styles": ["song", "kai"],
    "glyph_size": 8,
    "glyph_dim": 16,
    "glyph_groups": 2,
}


def lattice_lstm_inputs(config, batch, length):
    inputs = glyce_inputs(config, batch, length)
    starts = torch.arange(3) % max(length - batch, 1)  # inside of the shortest text
    spans = torch.stack([starts, starts + 1], dim=-1).expand(batch, 3, 2)
    return {**inputs, "lexicon_ids": torch.randint(1, config.num_words + 1, (batch, 3)), "lexicon_spans": spans}


BIMPM_SIZES = {
    "vocab_size": 99,
    "embedding_dim": 16,  # with glyph_dim the hidden size, which the tests want of all hidden states
    "hidden_size": 32,
    "num_perspectives": 3,
    "glyph_vocab_size": 60,
    "glyph_styles": ["song", "kai"],
    "glyph_size": 8,
    "glyph_dim": 16,
    "glyph_groups": 2,
}


def word_inputs(config, batch, length):
    """Words of two characters, of which one is of the example's own: the bank of a new model is blank."""
    lengths, extras = torch.arange(length, length - batch, -1).clamp(min=2)[:, None], 4
    steps, values = torch.arange(length)[None], len(config.glyph_styles) * config.glyph_size**2
    rows = torch.randint(1, config.num_glyphs, (batch, length, 2))
    rows[..., 0] = config.num_glyphs + torch.randint(0, extras, (batch, length))
    return {
        "word_ids": torch.randint(1, config.vocab_size, (batch, length)),
        "token_type_ids": (steps >= lengths // 2).long().expand(batch, length).contiguous(),
        "attention_mask": (steps < lengths).long(),
        "glyph_ids": rows,
        "extra_glyphs": torch.randint(1, 256, (batch, extras, values), dtype=torch.uint8),
    }


BIAFFINE_SIZES = {
    "vocab_size": 99,
    "embedding_dim": 12,  # with glyph_dim and tag_dim the hidden size, which the tests want of all hidden states
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "arc_size": 10,
    "relation_size": 6,
    "pos_tags": ["NOUN", "VERB"],
    "tag_dim": 4,
    "glyph_vocab_size": 60,
    "glyph_styles": ["song", "kai"],
    "glyph_size": 8,
    "glyph_dim": 16,
    "glyph_groups": 2,
}


def biaffine_inputs(config, batch, length):
    return {**word_inputs(config, batch, length), "tag_ids": torch.randint(0, 3, (batch, length))}


def biaffine_labels(config, batch, length):
    """Every word hangs on the first one, which all sentences have."""
    heads = torch.ones(batch, length, dtype=torch.long)
    heads[:, 0] = 0
    return {"head_labels": heads, "relation_labels": torch.zeros_like(heads)}


SRL_SIZES = {
    "vocab_size": 99,
    "embedding_dim": 8,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "glyph_vocab_size": 60,
    "glyph_styles": ["song", "kai"],
    "glyph_size": 8,
    "glyph_dim": 16,
    "glyph_groups": 2,
    "pruning_order": 1,
    "predicate_dim": 4,
    "tag_dim": 4,
    "pos_tags": ["NOUN", "VERB"],
    "id2label": {"0": "O", "1": "A0", "2": "A1"},
    "label2id": {"O": 0, "A0": 1, "A1": 2},
}


def srl_inputs(config, batch, length):
    """Every word hangs on one before it; the predicate is one of the first two."""
    heads = (torch.rand(batch, length) * torch.arange(length)).long() + 1
    heads[:, 0] = 0
    return {
        **word_inputs(config, batch, length),
        "predicate": torch.arange(batch) // 2 % 2,
        "heads": heads,
        "tag_ids": torch.randint(0, 3, (batch, length)),
    }


def glyph_crm_pair_labels(config, batch, length):
    return {"labels": torch.ones(batch, length, dtype=torch.long), "next_sentence_label": torch.arange(batch) % 2}


def without_glyph_ids(test):
    """The test on input_ids alone: it takes their vectors for inputs_embeds, which stand for glyph_ids too."""

    def run(self):
        def inputs(*sizes):
            return {k: v for k, v in glyph_crm_inputs(*sizes).items() if k not in ("glyph_ids", "extra_glyphs")}

        self.model_tester.family = {**self.family, "inputs": inputs}
        getattr(super(type(self), self), test)()

    return run


NOT_A_TABLE = (
    "wants the weight of an nn.Embedding; the input embeddings are glyph images and the network that reads them"
)

# The pooler is part of every published checkpoint; heads that do not read it hold it frozen. Newer tests leave frozen
# parameters alone, those of 5.17 unfreeze them and then want a gradient.
UNREAD_POOLER = "unfreezes the pooler that most heads do not read, and wants its gradient"
UNFREEZES = Version(transformers.__version__) < Version("5.23")

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
        "skip": {"test_training_gradient_checkpointing*": UNREAD_POOLER} if UNFREEZES else {},
    },
    {
        "name": "glyph_crm",
        "setup": "hanziformers",
        "config": "hanziformers:GlyphCrmConfig",
        "config_kwargs": GLYPH_CRM_SIZES,
        "heads": {
            "base": "hanziformers:GlyphCrmModel",
            "pretraining": "hanziformers:GlyphCrmForPreTraining",
            "masked_lm": "hanziformers:GlyphCrmForMaskedLM",
            "token_classification": "hanziformers:GlyphCrmForTokenClassification",
            "sequence_classification": "hanziformers:GlyphCrmForSequenceClassification",
            "question_answering": "hanziformers:GlyphCrmForQuestionAnswering",
            "multiple_choice": "hanziformers:GlyphCrmForMultipleChoice",
        },
        "inputs": glyph_crm_inputs,
        "extra_inputs": ["glyph_ids", "extra_glyphs"],
        "labels": {"pretraining": glyph_crm_pair_labels},
        "flags": {"test_resize_embeddings": False},  # characters are an open set: a new one needs no row
        "overrides": {
            test: without_glyph_ids(test) for test in ("test_inputs_embeds", "test_inputs_embeds_matches_input_ids")
        },
        "skip": {
            "test_model_get_set_embeddings": NOT_A_TABLE,
            "test_enable_input_require_grads_with_gradient_checkpointing": NOT_A_TABLE,
            "test_tied_weights_keys": "ties the decoder to a table of words; there is none, and the config refuses it",
        },
        "may_skip": {"test_*resize*": "test_resize_embeddings"},
    },
]


def with_rows_of_the_vocabulary(test):
    """The test on characters of the bank alone: it resizes the vocabulary, and with it the bank, behind the inputs."""

    def run(self):
        make = self.model_tester.family["inputs"]

        def inputs(config, *sizes):
            found = make(config, *sizes)
            return {**found, "glyph_ids": found["input_ids"].clamp(max=60)}

        self.model_tester.family = {**self.family, "inputs": inputs}
        getattr(super(type(self), self), test)()

    return run


def on_what_is_seen(self):
    """The sound bank of a new model is blank: test_modeling_mpm_cner.py tests that syllables matter."""
    self.family = {**self.family, "extra_inputs": ["glyph_ids", "extra_glyphs"]}
    super(type(self), self).test_oot_extra_inputs_matter()


OF_SEMANTIC = "the semantic encoder records its own, and the models hand them on"
MPM_CNER = {
    "name": "mpm_cner",
    "setup": "hanziformers",
    "config": "hanziformers:MpmCnerConfig",
    "config_kwargs": MPM_CNER_SIZES,
    "heads": {
        "base": "hanziformers:MpmCnerModel",
        "token_classification": "hanziformers:MpmCnerForTokenClassification",
    },
    "inputs": mpm_cner_inputs,
    "extra_inputs": ["glyph_ids", "extra_glyphs", "syllable_ids"],
    "undeclared": {"_can_record_outputs": OF_SEMANTIC},
    "overrides": {
        test: with_rows_of_the_vocabulary(test)
        for test in ("test_resize_tokens_embeddings", "test_resize_embeddings_untied", "test_oot_resize_then_reload")
    }
    | {"test_oot_extra_inputs_matter": on_what_is_seen},
    "skip": {
        "test_config_config_to_json_string": "BERT's sizes are saved in the configuration of the semantic encoder"
    },
}

FAMILIES.append(  # with an id table beside the glyph images, as the published checkpoint most likely has it
    {**FAMILIES[-1], "name": "glyph_crm_hybrid", "config_kwargs": {**GLYPH_CRM_SIZES, "id_embeddings": True}}
)


FAMILIES.append(MPM_CNER)
GLYCE = {
    **{key: value for key, value in MPM_CNER.items() if key != "overrides"},
    "name": "glyce",
    "config": "hanziformers:GlyceConfig",
    "config_kwargs": GLYCE_SIZES,
    "heads": {
        "base": "hanziformers:GlyceModel",
        "token_classification": "hanziformers:GlyceForTokenClassification",
        "sequence_classification": "hanziformers:GlyceForSequenceClassification",
        "question_answering": "hanziformers:GlyceForQuestionAnswering",
        "multiple_choice": "hanziformers:GlyceForMultipleChoice",
    },
    "inputs": glyce_inputs,
    "extra_inputs": ["glyph_ids", "extra_glyphs"],
    "overrides": {
        test: with_rows_of_the_vocabulary(test)
        for test in ("test_resize_tokens_embeddings", "test_resize_embeddings_untied", "test_oot_resize_then_reload")
    },
}
FAMILIES.append(GLYCE)
NO_LAYERS_OF_TRANSFORMERS = "an LSTM is no layer of transformers whose outputs it records, and runs once only"
HOST = {  # what Glyce's hosts without BERT lack
    "flags": {"has_attentions": False},
    "undeclared": {
        **dict.fromkeys(
            ("_supports_sdpa", "_supports_flash_attn", "_supports_flex_attn", "_supports_attention_backend"),
            "there is no attention",
        ),
        "supports_gradient_checkpointing": NO_LAYERS_OF_TRANSFORMERS,
        "_can_record_outputs": NO_LAYERS_OF_TRANSFORMERS,
    },
    "may_skip": {
        "test_capture_outputs_decorator": "No usage of the `capture_outputs` decorator",
        "test_can_capture_specific_layers_hidden_states": "Cannot capture hidden states",
        "test_enable_input_require_grads_with_gradient_checkpointing": "No model with a differentiable loss",
    },
    "skip": {"test_config_config_common_properties": "wants num_attention_heads, and there is no attention"},
}
WORD_HOST = {  # and those that read words
    **HOST,
    "skip": {
        **HOST["skip"],
        **dict.fromkeys(
            ("test_inputs_embeds", "test_inputs_embeds_matches_input_ids", "test_resize_tokens_embeddings"),
            "looks for input_ids by that name; the ids are word_ids",
        ),
        "test_load_with_mismatched_shapes": "calls the model with ids alone; words have characters too",
    },
}
BIMPM = {
    **WORD_HOST,
    "name": "bimpm",
    "setup": "hanziformers",
    "config": "hanziformers:BiMpmConfig",
    "config_kwargs": BIMPM_SIZES,
    "heads": {
        "base": "hanziformers:BiMpmModel",
        "sequence_classification": "hanziformers:BiMpmForSequenceClassification",
    },
    "inputs": word_inputs,
    "extra_inputs": ["word_ids", "token_type_ids", "glyph_ids", "extra_glyphs"],
}
FAMILIES.append(BIMPM)
BILSTM = {
    **HOST,
    "name": "bilstm",
    "setup": "hanziformers",
    "config": "hanziformers:BiLstmConfig",
    "config_kwargs": BILSTM_SIZES,
    "heads": {name: path.replace("Glyce", "BiLstm") for name, path in GLYCE["heads"].items()},
    "inputs": glyce_inputs,
    "extra_inputs": ["glyph_ids", "extra_glyphs"],
    "overrides": GLYCE["overrides"],
}
FAMILIES.append(BILSTM)
LATTICE_LSTM = {
    **HOST,
    "name": "lattice_lstm",
    "setup": "hanziformers",
    "config": "hanziformers:LatticeLstmConfig",
    "config_kwargs": LATTICE_LSTM_SIZES,
    "heads": {
        "base": "hanziformers:LatticeLstmModel",
        "token_classification": "hanziformers:LatticeLstmForTokenClassification",
    },
    "inputs": lattice_lstm_inputs,
    "extra_inputs": ["glyph_ids", "extra_glyphs", "lexicon_ids"],
    "overrides": GLYCE["overrides"],
}
FAMILIES.append(LATTICE_LSTM)
BIAFFINE = {
    **WORD_HOST,
    "name": "biaffine",
    "setup": "hanziformers",
    "config": "hanziformers:BiaffineConfig",
    "config_kwargs": BIAFFINE_SIZES,
    "heads": {"base": "hanziformers:BiaffineModel", "other": "hanziformers:BiaffineForDependencyParsing"},
    "inputs": biaffine_inputs,
    "extra_inputs": ["word_ids", "glyph_ids", "extra_glyphs", "tag_ids"],
    "labels": {"other": biaffine_labels},
    "skip": {
        **WORD_HOST["skip"],
        "test_oot_auto_classes": "wants the base model from AutoModel, which makes the parser: no auto class is one of "
        "parsers (test_registration.py tests it)",
    },
}
FAMILIES.append(BIAFFINE)
SRL = {
    **WORD_HOST,
    "name": "srl",
    "setup": "hanziformers",
    "config": "hanziformers:SrlConfig",
    "config_kwargs": SRL_SIZES,
    "heads": {"base": "hanziformers:SrlModel", "token_classification": "hanziformers:SrlForTokenClassification"},
    "inputs": srl_inputs,
    "extra_inputs": ["word_ids", "glyph_ids", "extra_glyphs", "predicate", "heads", "tag_ids"],
    "skip": {
        **WORD_HOST["skip"],
        "test_retain_grad_hidden_states_attentions": "hidden states are given at the places of all words, and the "
        "model goes on with those that pruning keeps",
    },
}
FAMILIES.append(SRL)
CRF = {  # keys as JSON has them
    "classifier": "crf",
    "special_token_ids": [0],
    "id2label": {"0": "O", "1": "B-LOC"},
    "label2id": {"O": 0, "B-LOC": 1},
}
FAMILIES.append(
    {
        **FAMILIES[0],
        "name": "chinese_bert_crf",
        "config_kwargs": {**CHINESE_BERT_SIZES, **CRF},
        "heads": {head: FAMILIES[0]["heads"][head] for head in ("base", "token_classification")},
    }
)


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


RARE_TEXTS = ["银行很忙，龘天𠀀好。", "行长𰻝"]


def glyph_crm_tokenizer():
    from common_tokenizer_tests import english_vocab

    from hanziformers import GlyphCrmTokenizer

    return GlyphCrmTokenizer(vocab=english_vocab(*TEXTS))


def glyph_crm_extra_tokenizer():
    tokenizer = glyph_crm_tokenizer()
    tokenizer.set_extra_characters("龘")
    return tokenizer


def glyph_crm_model(name):
    def make(tokenizer):
        import hanziformers

        sizes = {**GLYPH_CRM_SIZES, "vocab_size": len(tokenizer), "glyph_vocab_size": tokenizer.glyph_vocab_size}
        return getattr(hanziformers, name)(hanziformers.GlyphCrmConfig(**sizes))

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
    },
    {
        "name": "glyph_crm",
        "setup": "hanziformers",
        "tokenizer": "hanziformers:GlyphCrmTokenizer",
        "make": glyph_crm_tokenizer,
        "texts": RARE_TEXTS,
        "extra": {"glyph_ids": ()},
        "pipelines": {
            "fill-mask": glyph_crm_model("GlyphCrmForMaskedLM"),
            "token-classification": glyph_crm_model("GlyphCrmForTokenClassification"),
            "text-classification": glyph_crm_model("GlyphCrmForSequenceClassification"),
            "feature-extraction": glyph_crm_model("GlyphCrmModel"),
        },
        # characters are the words, and no spaces are written between them
        "overrides": {"get_input_output_texts": lambda self, tokenizer: ("hello world", "helloworld")},
        "skip": {
            "test_alignment_methods": "counts the words between spaces; here every character is a word",
            "test_training_new_tokenizer*": "wants spaces in decoded English; Chinese is decoded without",
        },
    },
]

ADDS_TOKENS = "adds tokens, which would move the rows of the extra characters and is refused"
TOKENIZERS.append(
    {
        **TOKENIZERS[-1],
        "name": "glyph_crm_extra",
        "make": glyph_crm_extra_tokenizer,
        "skip": {
            **TOKENIZERS[-1]["skip"],
            "test_added_tokens_serialization": ADDS_TOKENS,
            "test_bos_token_with_add_bos_token*": ADDS_TOKENS,
            "test_get_vocab": ADDS_TOKENS,
            "test_save_and_load_tokenizer": ADDS_TOKENS,
            "test_tokenize_special_tokens": ADDS_TOKENS,
        },
    }
)

SYLLABLES = ["hang2", "xing2", "yin2", "zhang3", "hen3", "mang2", "tian1", "qi4"]


def mpm_cner_tokenizer():
    from common_tokenizer_tests import english_vocab

    from hanziformers import MpmCnerTokenizer

    return MpmCnerTokenizer(vocab=english_vocab(*TEXTS), syllables=SYLLABLES, readings={"忙": "mang2"})


def mpm_cner_model(name):
    def make(tokenizer):
        import hanziformers

        sizes = {"vocab_size": len(tokenizer), "glyph_vocab_size": tokenizer.glyph_vocab_size}
        sizes |= {"num_syllables": 1 + len(SYLLABLES), "special_token_ids": [0], "classifier": "linear"}
        return getattr(hanziformers, name)(hanziformers.MpmCnerConfig(**{**MPM_CNER_SIZES, **sizes}))

    return make


TOKENIZERS.append(
    {
        **TOKENIZERS[1],
        "name": "mpm_cner",
        "tokenizer": "hanziformers:MpmCnerTokenizer",
        "make": mpm_cner_tokenizer,
        "extra": {"glyph_ids": (), "syllable_ids": ()},
        "pipelines": {
            "token-classification": mpm_cner_model("MpmCnerForTokenClassification"),
            "feature-extraction": mpm_cner_model("MpmCnerModel"),
        },
    }
)


def glyce_tokenizer():
    from common_tokenizer_tests import english_vocab

    from hanziformers import GlyceTokenizer

    return GlyceTokenizer(vocab=english_vocab(*TEXTS))


def glyce_model(name):
    def make(tokenizer):
        import hanziformers

        sizes = {**GLYCE_SIZES, "vocab_size": len(tokenizer), "glyph_vocab_size": tokenizer.glyph_vocab_size}
        return getattr(hanziformers, name)(hanziformers.GlyceConfig(**sizes))

    return make


TOKENIZERS.append(
    {
        **TOKENIZERS[0],
        "name": "glyce",
        "tokenizer": "hanziformers:GlyceTokenizer",
        "make": glyce_tokenizer,
        "extra": {"glyph_ids": ()},
        "pipelines": {
            "token-classification": glyce_model("GlyceForTokenClassification"),
            "text-classification": glyce_model("GlyceForSequenceClassification"),
            "feature-extraction": glyce_model("GlyceModel"),
        },
    }
)


def lattice_lstm_tokenizer():
    from common_tokenizer_tests import english_vocab

    from hanziformers import LatticeLstmTokenizer

    return LatticeLstmTokenizer(vocab=english_vocab(*TEXTS), lexicon_file=["银行", "行长"])


def lattice_lstm_model(name):
    def make(tokenizer):
        import hanziformers

        sizes = {"vocab_size": len(tokenizer), "glyph_vocab_size": tokenizer.glyph_vocab_size, "num_words": 2}
        return getattr(hanziformers, name)(hanziformers.LatticeLstmConfig(**{**LATTICE_LSTM_SIZES, **sizes}))

    return make


TOKENIZERS.append(
    {
        **TOKENIZERS[0],
        "name": "lattice_lstm",
        "tokenizer": "hanziformers:LatticeLstmTokenizer",
        "make": lattice_lstm_tokenizer,
        "extra": {"glyph_ids": ()},
        "pipelines": {"token-classification": lattice_lstm_model("LatticeLstmForTokenClassification")},
        "skip": {
            "test_batch_encode_dynamic_overflowing": "wants one value a token; words have an axis of their own",
            "test_padding_to_multiple_of": "wants all keys as long as the tokens; words have an axis of their own",
        },
    }
)

MASKING = (
    "wants transformers' masking collator to leave pinyin_ids and glyph_ids alone, so that they tell what is masked; "
    "test_character_batch.py tests what of them collators and pad must keep, and what masking must change"
)
for entry in TOKENIZERS:
    entry["skip"] = {**entry.get("skip", {}), "test_oot_pad_and_collators_keep_extra_keys": MASKING}


def glyph_image_processor():
    from hanziformers import HanziGlyphImageProcessor

    return HanziGlyphImageProcessor(styles=["song"], size=24)


def syllable_feature_extractor():
    import numpy as np

    from hanziformers import HanziSyllableFeatureExtractor
    from hanziformers.processors.sound_bank import SoundBank

    source = {"source": "recording", "voice": "noise", "file": "", "made_with": "", "sha256": ""}
    log_mels = np.full((len(SYLLABLES), 48, 48), 7, np.uint8)
    bank = SoundBank(SYLLABLES, log_mels, [{**source, "syllables": " ".join(SYLLABLES)}])
    return HanziSyllableFeatureExtractor(saved_sounds=bank)


PROCESSORS = [
    {
        "name": "glyph_crm",
        "setup": "hanziformers",
        "processor": "hanziformers:HanziProcessor",
        "components": {"tokenizer": glyph_crm_extra_tokenizer, "image_processor": glyph_image_processor},
        "flags": {"images_input_name": "extra_glyphs"},
        "skip": {
            # its input is text; the glyph images are rendered from that, never given
            "test_kwargs_overrides_default_subprocessor_kwargs_0_images": "takes no images",
            "test_structured_kwargs_nested_from_dict_0_images": "takes no images",
            "test_subprocessor_defaults*_images": "takes no images",
            "test_unstructured_kwargs*_images": "takes no images",
            "test_save_load_pretrained_additional_features": "new special tokens have no glyph image and are refused",
        },
    }
]

PROCESSORS.append(
    {
        **PROCESSORS[0],
        "name": "mpm_cner",
        "components": {
            "tokenizer": mpm_cner_tokenizer,
            "image_processor": glyph_image_processor,
            "feature_extractor": syllable_feature_extractor,
        },
    }
)

PROCESSORS.append(
    {
        **PROCESSORS[0],
        "name": "lattice_lstm",
        "components": {"tokenizer": lattice_lstm_tokenizer, "image_processor": glyph_image_processor},
    }
)

PROCESSORS.append(
    {
        **PROCESSORS[0],
        "name": "glyce",
        "components": {"tokenizer": glyce_tokenizer, "image_processor": glyph_image_processor},
    }
)
