"""Registers the models of this package with transformers' auto classes.

One entry of `FAMILIES` a model family; a further family adds its entry and nothing else.
"""

from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForMultipleChoice,
    AutoModelForPreTraining,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoProcessor,
    AutoTokenizer,
)
from transformers.models.auto.image_processing_auto import AutoImageProcessor  # its short name wants torchvision

from .modeling import modeling_chinese_bert as chinese_bert
from .modeling import modeling_glyph_crm as glyph_crm
from .modeling.configuration_chinese_bert import ChineseBertConfig
from .modeling.configuration_glyph_crm import GlyphCrmConfig
from .processors.image_processing_glyph import HanziGlyphImageProcessor
from .processors.processing_hanzi import HanziProcessor
from .tokenization.tokenization_chinese_bert import ChineseBertTokenizer
from .tokenization.tokenization_glyph_crm import GlyphCrmTokenizer

# configuration -> auto class -> what it finds
FAMILIES = {
    ChineseBertConfig: {
        AutoTokenizer: ChineseBertTokenizer,
        AutoModel: chinese_bert.ChineseBertModel,
        AutoModelForPreTraining: chinese_bert.ChineseBertForMaskedLM,
        AutoModelForMaskedLM: chinese_bert.ChineseBertForMaskedLM,
        AutoModelForSequenceClassification: chinese_bert.ChineseBertForSequenceClassification,
        AutoModelForTokenClassification: chinese_bert.ChineseBertForTokenClassification,
        AutoModelForQuestionAnswering: chinese_bert.ChineseBertForQuestionAnswering,
        AutoModelForMultipleChoice: chinese_bert.ChineseBertForMultipleChoice,
    },
    GlyphCrmConfig: {
        AutoTokenizer: GlyphCrmTokenizer,
        AutoImageProcessor: HanziGlyphImageProcessor,
        AutoProcessor: HanziProcessor,
        AutoModel: glyph_crm.GlyphCrmModel,
        AutoModelForPreTraining: glyph_crm.GlyphCrmForPreTraining,
        AutoModelForMaskedLM: glyph_crm.GlyphCrmForMaskedLM,
        AutoModelForSequenceClassification: glyph_crm.GlyphCrmForSequenceClassification,
        AutoModelForTokenClassification: glyph_crm.GlyphCrmForTokenClassification,
        AutoModelForQuestionAnswering: glyph_crm.GlyphCrmForQuestionAnswering,
    },
}


def register() -> None:
    """Registers every family; doing it again changes nothing."""
    for config, classes in FAMILIES.items():
        AutoConfig.register(config.model_type, config, exist_ok=True)
        for auto_class, found in classes.items():
            if auto_class is AutoTokenizer:
                auto_class.register(config, tokenizer_class=found, exist_ok=True)
            elif auto_class is AutoImageProcessor:
                auto_class.register(config, image_processor_classes={"pil": found}, exist_ok=True)
            else:
                auto_class.register(config, found, exist_ok=True)


__all__ = ["FAMILIES", "register"]
