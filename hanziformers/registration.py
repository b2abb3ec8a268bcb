"""Registers the models of this package with transformers' auto classes.

One entry of `FAMILIES` a model family; a further family adds its entry and nothing else.
"""

from typing import Any

import transformers
from transformers import AutoConfig, AutoFeatureExtractor, AutoProcessor, AutoTokenizer
from transformers.models.auto.image_processing_auto import AutoImageProcessor  # its short name wants torchvision

from .modeling import modeling_biaffine as biaffine
from .modeling import modeling_bilstm as bilstm
from .modeling import modeling_bimpm as bimpm
from .modeling import modeling_chinese_bert as chinese_bert
from .modeling import modeling_glyce as glyce
from .modeling import modeling_glyph_crm as glyph_crm
from .modeling import modeling_lattice_lstm as lattice_lstm
from .modeling import modeling_mpm_cner as mpm_cner
from .modeling import modeling_mpm_pretraining as mpm_pretraining
from .modeling import modeling_srl as srl
from .modeling.configuration_biaffine import BiaffineConfig
from .modeling.configuration_bilstm import BiLstmConfig
from .modeling.configuration_bimpm import BiMpmConfig
from .modeling.configuration_chinese_bert import ChineseBertConfig
from .modeling.configuration_glyce import GlyceConfig
from .modeling.configuration_glyph_crm import GlyphCrmConfig
from .modeling.configuration_lattice_lstm import LatticeLstmConfig
from .modeling.configuration_mpm_cner import MpmCnerConfig
from .modeling.configuration_mpm_pretraining import MpmPretrainingConfig
from .modeling.configuration_srl import SrlConfig
from .processors.feature_extraction_syllable import HanziSyllableFeatureExtractor
from .processors.image_processing_glyph import HanziGlyphImageProcessor
from .processors.processing_hanzi import HanziProcessor
from .tokenization.tokenization_chinese_bert import ChineseBertTokenizer
from .tokenization.tokenization_glyce import GlyceTokenizer
from .tokenization.tokenization_glyph_crm import GlyphCrmTokenizer
from .tokenization.tokenization_lattice_lstm import LatticeLstmTokenizer
from .tokenization.tokenization_mpm_cner import MpmCnerTokenizer
from .tokenization.tokenization_words import WordTokenizer


def _models(modeling_file: Any) -> dict[Any, type]:
    """Auto class -> model class, as the modeling file lists them; its saved folders name the same ones."""
    return {getattr(transformers, name): found for name, found in modeling_file.AUTO_CLASSES.items()}


# configuration -> auto class -> what it finds
FAMILIES = {
    ChineseBertConfig: {AutoTokenizer: ChineseBertTokenizer, **_models(chinese_bert)},
    GlyphCrmConfig: {
        AutoTokenizer: GlyphCrmTokenizer,
        AutoImageProcessor: HanziGlyphImageProcessor,
        AutoProcessor: HanziProcessor,
        **_models(glyph_crm),
    },
    GlyceConfig: {
        AutoTokenizer: GlyceTokenizer,
        AutoImageProcessor: HanziGlyphImageProcessor,
        AutoProcessor: HanziProcessor,
        **_models(glyce),
    },
    BiLstmConfig: {
        AutoTokenizer: GlyceTokenizer,
        AutoImageProcessor: HanziGlyphImageProcessor,
        AutoProcessor: HanziProcessor,
        **_models(bilstm),
    },
    LatticeLstmConfig: {
        AutoTokenizer: LatticeLstmTokenizer,
        AutoImageProcessor: HanziGlyphImageProcessor,
        AutoProcessor: HanziProcessor,
        **_models(lattice_lstm),
    },
    BiMpmConfig: {
        AutoTokenizer: WordTokenizer,
        AutoImageProcessor: HanziGlyphImageProcessor,
        AutoProcessor: HanziProcessor,
        **_models(bimpm),
    },
    BiaffineConfig: {
        AutoTokenizer: WordTokenizer,
        AutoImageProcessor: HanziGlyphImageProcessor,
        AutoProcessor: HanziProcessor,
        **_models(biaffine),
    },
    SrlConfig: {
        AutoTokenizer: WordTokenizer,
        AutoImageProcessor: HanziGlyphImageProcessor,
        AutoProcessor: HanziProcessor,
        **_models(srl),
    },
    MpmCnerConfig: {
        AutoTokenizer: MpmCnerTokenizer,
        AutoImageProcessor: HanziGlyphImageProcessor,
        AutoFeatureExtractor: HanziSyllableFeatureExtractor,
        AutoProcessor: HanziProcessor,
        **_models(mpm_cner),
    },
}
# models that read no text: parts of a family, trained by themselves
PARTS = {MpmPretrainingConfig: _models(mpm_pretraining)}


def register() -> None:
    """Registers every family and its parts; doing it again changes nothing."""
    for config, classes in {**FAMILIES, **PARTS}.items():
        AutoConfig.register(config.model_type, config, exist_ok=True)
        for auto_class, found in classes.items():
            if auto_class is AutoTokenizer:
                auto_class.register(config, tokenizer_class=found, exist_ok=True)
            elif auto_class is AutoImageProcessor:
                auto_class.register(config, image_processor_classes={"pil": found}, exist_ok=True)
            else:
                auto_class.register(config, found, exist_ok=True)


__all__ = ["FAMILIES", "register"]
