"""Tells transformers' auto classes about the models of this package, as late as can be.

`AutoModel.register` wants the class itself, and importing it imports torch. So every registration waits for the module
of transformers that holds the auto class: who imports only transformers, or only a tokenizer, pays for no more.
"""

from types import ModuleType

import wrapt

AUTO = "transformers.models.auto"


def register_when_imported() -> None:
    """Registers now with the auto modules that are imported already, and with the others when they come."""
    wrapt.register_post_import_hook(_register_configs, f"{AUTO}.configuration_auto")
    wrapt.register_post_import_hook(_register_tokenizers, f"{AUTO}.tokenization_auto")
    wrapt.register_post_import_hook(_register_models, f"{AUTO}.modeling_auto")


def _register_configs(auto: ModuleType) -> None:
    from .modeling.configuration_chinese_bert import ChineseBertConfig

    auto.AutoConfig.register("chinese_bert", ChineseBertConfig, exist_ok=True)


def _register_tokenizers(auto: ModuleType) -> None:
    from .modeling.configuration_chinese_bert import ChineseBertConfig
    from .tokenization.tokenization_chinese_bert import ChineseBertTokenizer

    auto.AutoTokenizer.register(ChineseBertConfig, tokenizer_class=ChineseBertTokenizer, exist_ok=True)


def _register_models(auto: ModuleType) -> None:
    from .modeling import modeling_chinese_bert as chinese_bert
    from .modeling.configuration_chinese_bert import ChineseBertConfig

    heads = {
        "AutoModel": chinese_bert.ChineseBertModel,
        "AutoModelForPreTraining": chinese_bert.ChineseBertForMaskedLM,
        "AutoModelForMaskedLM": chinese_bert.ChineseBertForMaskedLM,
        "AutoModelForSequenceClassification": chinese_bert.ChineseBertForSequenceClassification,
        "AutoModelForTokenClassification": chinese_bert.ChineseBertForTokenClassification,
        "AutoModelForQuestionAnswering": chinese_bert.ChineseBertForQuestionAnswering,
        "AutoModelForMultipleChoice": chinese_bert.ChineseBertForMultipleChoice,
    }
    for name, head in heads.items():
        getattr(auto, name).register(ChineseBertConfig, head, exist_ok=True)
