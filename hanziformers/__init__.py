"""Chinese models that see and hear their characters, as Hugging Face transformers models.

`import hanziformers` registers its models: from then on `AutoConfig`, `AutoModel*`, `AutoTokenizer`, `AutoProcessor`,
`pipeline(...)` and `Trainer` treat them like any other model of transformers.
"""

from pathlib import Path

if not (Path(__file__).parent / "modeling").is_dir():
    # Python runs inside a checkout, whose rooms lie beside this folder: without this line they are not found there,
    # as the working directory goes before an installed package
    __path__.append(str(Path(__file__).parents[1]))

from .confusion_sets import Confusion, common_characters, confusions
from .encoders import encoder_file
from .modeling import (
    configuration_biaffine,
    configuration_bilstm,
    configuration_bimpm,
    configuration_chinese_bert,
    configuration_glyce,
    configuration_glyph_crm,
    configuration_lattice_lstm,
    configuration_mpm_cner,
    configuration_mpm_pretraining,
    configuration_srl,
    modeling_biaffine,
    modeling_bilstm,
    modeling_bimpm,
    modeling_chinese_bert,
    modeling_glyce,
    modeling_glyph_crm,
    modeling_lattice_lstm,
    modeling_mpm_cner,
    modeling_mpm_pretraining,
    modeling_srl,
)
from .modeling.configuration_biaffine import *
from .modeling.configuration_bilstm import *
from .modeling.configuration_bimpm import *
from .modeling.configuration_chinese_bert import *
from .modeling.configuration_glyce import *
from .modeling.configuration_glyph_crm import *
from .modeling.configuration_lattice_lstm import *
from .modeling.configuration_mpm_cner import *
from .modeling.configuration_mpm_pretraining import *
from .modeling.configuration_srl import *
from .modeling.glyce_embeddings import GlyceEmbedding
from .modeling.glyce_words import GlyceWordEmbedding
from .modeling.modeling_biaffine import *
from .modeling.modeling_bilstm import *
from .modeling.modeling_bimpm import *
from .modeling.modeling_chinese_bert import *
from .modeling.modeling_glyce import *
from .modeling.modeling_glyph_crm import *
from .modeling.modeling_lattice_lstm import *
from .modeling.modeling_mpm_cner import *
from .modeling.modeling_mpm_pretraining import *
from .modeling.modeling_srl import *
from .modeling.tianzige import TianzigeCNN
from .parsing import DependencyTree, parse
from .processors.contact_sheet import contact_sheet
from .processors.feature_extraction_syllable import HanziSyllableFeatureExtractor
from .processors.font_manifest import font_manifest_markdown
from .processors.font_report import fonts
from .processors.image_processing_glyph import HanziGlyphImageProcessor
from .processors.processing_hanzi import HanziProcessor
from .processors.sound_manifest import sound_manifest_markdown
from .processors.spectrogram_sheet import spectrogram_sheet
from .question_answering import answer
from .registration import register
from .spelling import correct_spelling
from .tokenization.token_classification_pipeline import WordPieceTokenClassificationPipeline
from .tokenization.tokenization_chinese_bert import ChineseBertTokenizer
from .tokenization.tokenization_glyce import GlyceTokenizer
from .tokenization.tokenization_glyph_crm import GlyphCrmTokenizer
from .tokenization.tokenization_lattice_lstm import LatticeLstmTokenizer
from .tokenization.tokenization_mpm_cner import MpmCnerTokenizer
from .tokenization.tokenization_words import WordTokenizer
from .training.masking_collator import DataCollatorForMaskedCharacters
from .training.new_model import render_glyphs, render_sounds
from .tree_drawing import draw_tree
from .version import __version__

register()

__all__ = [
    *configuration_biaffine.__all__,
    *configuration_bilstm.__all__,
    *configuration_bimpm.__all__,
    *configuration_chinese_bert.__all__,
    *configuration_glyce.__all__,
    *configuration_glyph_crm.__all__,
    *configuration_lattice_lstm.__all__,
    *configuration_mpm_cner.__all__,
    *configuration_mpm_pretraining.__all__,
    *configuration_srl.__all__,
    *modeling_biaffine.__all__,
    *modeling_bilstm.__all__,
    *modeling_bimpm.__all__,
    *modeling_chinese_bert.__all__,
    *modeling_glyce.__all__,
    *modeling_glyph_crm.__all__,
    *modeling_lattice_lstm.__all__,
    *modeling_mpm_cner.__all__,
    *modeling_mpm_pretraining.__all__,
    *modeling_srl.__all__,
    "ChineseBertTokenizer",
    "Confusion",
    "DataCollatorForMaskedCharacters",
    "DependencyTree",
    "GlyceEmbedding",
    "GlyceTokenizer",
    "GlyceWordEmbedding",
    "GlyphCrmTokenizer",
    "HanziGlyphImageProcessor",
    "HanziProcessor",
    "HanziSyllableFeatureExtractor",
    "LatticeLstmTokenizer",
    "MpmCnerTokenizer",
    "TianzigeCNN",
    "WordPieceTokenClassificationPipeline",
    "WordTokenizer",
    "__version__",
    "answer",
    "common_characters",
    "confusions",
    "contact_sheet",
    "correct_spelling",
    "draw_tree",
    "encoder_file",
    "font_manifest_markdown",
    "fonts",
    "parse",
    "render_glyphs",
    "render_sounds",
    "sound_manifest_markdown",
    "spectrogram_sheet",
]
