"""Tells transformers' auto classes about the models of this package, as late as can be.

`AutoModel.register` wants the class itself, and importing it imports torch. So our files are imported when the module
of transformers that holds the auto class is, and register themselves once they are complete: who imports only
transformers, or only a tokenizer, pays for no more. (The two steps are apart because our files themselves import
transformers' auto classes: whichever of both comes first, each is complete when they meet.)
"""

from collections.abc import Callable
from importlib import import_module
from types import ModuleType

import wrapt

AUTO = "transformers.models.auto"


def register_when_imported() -> None:
    """Registers now with the auto modules that are imported already, and with the others when they come."""
    parts: list[tuple[str, str, Callable[[ModuleType], None]]] = [
        (f"{AUTO}.configuration_auto", "modeling.configuration_chinese_bert", _register_config),
        (f"{AUTO}.modeling_auto", "modeling.modeling_chinese_bert", _register_models),
        (f"{AUTO}.tokenization_auto", "tokenization.tokenization_chinese_bert", _register_tokenizer),
        ("transformers.pipelines", "processors.token_classification_pipeline", _register_pipeline),
    ]
    for theirs, ours, register in parts:
        wrapt.register_post_import_hook(register, f"{__package__}.{ours}")
        wrapt.register_post_import_hook(lambda _, ours=ours: import_module(f".{ours}", __package__), theirs)


def _register_config(ours: ModuleType) -> None:
    from transformers.models.auto.configuration_auto import AutoConfig

    AutoConfig.register("chinese_bert", ours.ChineseBertConfig, exist_ok=True)


def _register_models(ours: ModuleType) -> None:
    from transformers.models.auto import modeling_auto as auto

    heads = {
        "AutoModel": ours.ChineseBertModel,
        "AutoModelForPreTraining": ours.ChineseBertForMaskedLM,
        "AutoModelForMaskedLM": ours.ChineseBertForMaskedLM,
        "AutoModelForSequenceClassification": ours.ChineseBertForSequenceClassification,
        "AutoModelForTokenClassification": ours.ChineseBertForTokenClassification,
        "AutoModelForQuestionAnswering": ours.ChineseBertForQuestionAnswering,
        "AutoModelForMultipleChoice": ours.ChineseBertForMultipleChoice,
    }
    for name, head in heads.items():
        getattr(auto, name).register(ours.ChineseBertConfig, head, exist_ok=True)


def _register_tokenizer(ours: ModuleType) -> None:
    from transformers.models.auto.tokenization_auto import AutoTokenizer

    from .modeling.configuration_chinese_bert import ChineseBertConfig

    AutoTokenizer.register(ChineseBertConfig, tokenizer_class=ours.ChineseBertTokenizer, exist_ok=True)


def _register_pipeline(ours: ModuleType) -> None:
    from transformers.pipelines import PIPELINE_REGISTRY

    task = PIPELINE_REGISTRY.supported_tasks["token-classification"]
    task["impl"] = ours.WordPieceTokenClassificationPipeline
