"""Tells transformers' auto classes about the models of this package, as late as can be.

`AutoModel.register` wants the class itself, and importing it imports torch. So our files are imported when the module
of transformers that holds the auto class is, and register themselves once they are complete: who imports only
transformers, or only a tokenizer, pays for no more. (The two steps are apart because our files themselves import
transformers' auto classes: whichever of both comes first, each is complete when they meet.)
"""

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType

import wrapt

AUTO = "transformers.models.auto"
BERT = "transformers.models.bert.modeling_bert"

# model type (our files end in it) -> the class that each auto class finds
FAMILIES = {
    "chinese_bert": {
        "AutoConfig": "ChineseBertConfig",
        "AutoTokenizer": "ChineseBertTokenizer",
        "AutoModel": "ChineseBertModel",
        "AutoModelForPreTraining": "ChineseBertForMaskedLM",
        "AutoModelForMaskedLM": "ChineseBertForMaskedLM",
        "AutoModelForSequenceClassification": "ChineseBertForSequenceClassification",
        "AutoModelForTokenClassification": "ChineseBertForTokenClassification",
        "AutoModelForQuestionAnswering": "ChineseBertForQuestionAnswering",
        "AutoModelForMultipleChoice": "ChineseBertForMultipleChoice",
    },
    "glyph_crm": {
        "AutoConfig": "GlyphCrmConfig",
        "AutoTokenizer": "GlyphCrmTokenizer",
        "AutoProcessor": "GlyphCrmProcessor",
        "AutoModel": "GlyphCrmModel",
        "AutoModelForPreTraining": "GlyphCrmForPreTraining",
        "AutoModelForMaskedLM": "GlyphCrmForMaskedLM",
        "AutoModelForSequenceClassification": "GlyphCrmForSequenceClassification",
        "AutoModelForTokenClassification": "GlyphCrmForTokenClassification",
        "AutoModelForQuestionAnswering": "GlyphCrmForQuestionAnswering",
    },
}


def register_when_imported() -> None:
    """Registers now with the auto modules that are imported already, and with the others when they come."""
    _meet("transformers.pipelines", "processors.token_classification_pipeline", _register_pipeline)
    _meet(f"{AUTO}.image_processing_auto", "processors.image_processing_glyph", _register_image_processor)
    for family, classes in FAMILIES.items():
        _meet(f"{AUTO}.configuration_auto", f"modeling.configuration_{family}", _register_config)
        _meet(f"{AUTO}.modeling_auto", f"modeling.modeling_{family}", _register_models, BERT)
        if "AutoTokenizer" in classes:
            _meet(f"{AUTO}.tokenization_auto", f"tokenization.tokenization_{family}", _register_tokenizer)
        if "AutoProcessor" in classes:
            _meet(f"{AUTO}.processing_auto", f"processors.processing_{family}", _register_processor)


def _meet(theirs: str, ours: str, register: Callable[[ModuleType], None], base: str | None = None) -> None:
    """Imports our file when theirs is imported; when ours is complete, it is registered.

    Where ours builds on a `base` that itself imports theirs, and that import is going on, ours waits for its end.
    """
    wrapt.register_post_import_hook(register, f"{__package__}.{ours}")

    def bring(trigger: ModuleType) -> None:
        spec = getattr(sys.modules.get(base), "__spec__", None)
        if trigger.__name__ == base or not getattr(spec, "_initializing", False):
            import_module(f".{ours}", __package__)

    for name in filter(None, (theirs, base)):
        wrapt.register_post_import_hook(bring, name)


def _family(ours: ModuleType) -> tuple[str, dict[str, str], type]:
    """Model type, classes and configuration of the family that a file of ours belongs to."""
    name = ours.__name__.rpartition(".")[2].partition("_")[2]
    place = import_module(f".modeling.configuration_{name}", __package__)
    return name, FAMILIES[name], getattr(place, FAMILIES[name]["AutoConfig"])


def _register_config(ours: ModuleType) -> None:
    from transformers.models.auto.configuration_auto import AutoConfig

    name, _, config = _family(ours)
    AutoConfig.register(name, config, exist_ok=True)


def _register_models(ours: ModuleType) -> None:
    from transformers.models.auto import modeling_auto

    _, classes, config = _family(ours)
    for auto, model in classes.items():
        if auto.startswith("AutoModel"):
            getattr(modeling_auto, auto).register(config, getattr(ours, model), exist_ok=True)


def _register_tokenizer(ours: ModuleType) -> None:
    from transformers.models.auto.tokenization_auto import AutoTokenizer

    _, classes, config = _family(ours)
    AutoTokenizer.register(config, tokenizer_class=getattr(ours, classes["AutoTokenizer"]), exist_ok=True)


def _register_processor(ours: ModuleType) -> None:
    from transformers.models.auto.processing_auto import AutoProcessor

    _, classes, config = _family(ours)
    AutoProcessor.register(config, getattr(ours, classes["AutoProcessor"]), exist_ok=True)


def _register_image_processor(ours: ModuleType) -> None:
    from transformers.models.auto.image_processing_auto import AutoImageProcessor

    from .modeling.configuration_glyph_crm import GlyphCrmConfig

    AutoImageProcessor.register(
        GlyphCrmConfig, image_processor_classes={"pil": ours.HanziGlyphImageProcessor}, exist_ok=True
    )


def _register_pipeline(ours: ModuleType) -> None:
    from transformers.pipelines import PIPELINE_REGISTRY

    task = PIPELINE_REGISTRY.supported_tasks["token-classification"]
    task["impl"] = ours.WordPieceTokenClassificationPipeline
