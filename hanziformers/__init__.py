"""Chinese models that see and hear their characters, as Hugging Face transformers models.

`import hanziformers` registers its models: from then on `AutoConfig`, `AutoModel*`, `AutoTokenizer`, `AutoProcessor`,
`pipeline(...)` and `Trainer` treat them like any other model of transformers.
"""

from pathlib import Path

if not (Path(__file__).parent / "modeling").is_dir():
    # Python runs inside a checkout, whose rooms lie beside this folder: without this line they are not found there,
    # as the working directory goes before an installed package
    __path__.append(str(Path(__file__).parents[1]))

from .modeling import configuration_chinese_bert, configuration_glyph_crm, modeling_chinese_bert, modeling_glyph_crm
from .modeling.configuration_chinese_bert import *
from .modeling.configuration_glyph_crm import *
from .modeling.modeling_chinese_bert import *
from .modeling.modeling_glyph_crm import *
from .processors.contact_sheet import contact_sheet
from .processors.font_manifest import font_manifest_markdown
from .processors.font_report import fonts
from .processors.image_processing_glyph import HanziGlyphImageProcessor
from .processors.processing_hanzi import HanziProcessor
from .registration import register
from .tokenization.token_classification_pipeline import WordPieceTokenClassificationPipeline
from .tokenization.tokenization_chinese_bert import ChineseBertTokenizer
from .tokenization.tokenization_glyph_crm import GlyphCrmTokenizer
from .training.masking_collator import DataCollatorForMaskedCharacters
from .training.new_model import render_glyphs
from .version import __version__

register()

__all__ = [
    *configuration_chinese_bert.__all__,
    *configuration_glyph_crm.__all__,
    *modeling_chinese_bert.__all__,
    *modeling_glyph_crm.__all__,
    "ChineseBertTokenizer",
    "DataCollatorForMaskedCharacters",
    "GlyphCrmTokenizer",
    "HanziGlyphImageProcessor",
    "HanziProcessor",
    "WordPieceTokenClassificationPipeline",
    "__version__",
    "contact_sheet",
    "font_manifest_markdown",
    "fonts",
    "render_glyphs",
]
