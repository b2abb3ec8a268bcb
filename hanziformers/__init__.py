"""Chinese models that see and hear their characters, as Hugging Face transformers models.

`import hanziformers` makes its models known to transformers: from then on `AutoConfig`, `AutoModel*`, `AutoTokenizer`,
`pipeline(...)` and `Trainer` treat them like any other. Nothing heavy is imported before it is needed: classes of this
package come with the first use of their name, and the registration waits until transformers' own auto classes are
imported (or happens at once, if they already are).
"""

from importlib import import_module
from typing import Any

from .registration import register_when_imported
from .version import __version__

# public name -> room and file it lives in
_PLACES = {
    "ChineseBertConfig": "modeling.configuration_chinese_bert",
    "ChineseBertModel": "modeling.modeling_chinese_bert",
    "ChineseBertPreTrainedModel": "modeling.modeling_chinese_bert",
    "ChineseBertForMaskedLM": "modeling.modeling_chinese_bert",
    "ChineseBertForMultipleChoice": "modeling.modeling_chinese_bert",
    "ChineseBertForQuestionAnswering": "modeling.modeling_chinese_bert",
    "ChineseBertForSequenceClassification": "modeling.modeling_chinese_bert",
    "ChineseBertForTokenClassification": "modeling.modeling_chinese_bert",
    "GlyphCrmConfig": "modeling.configuration_glyph_crm",
    "GlyphCrmModel": "modeling.modeling_glyph_crm",
    "GlyphCrmPreTrainedModel": "modeling.modeling_glyph_crm",
    "GlyphCrmForMaskedLM": "modeling.modeling_glyph_crm",
    "GlyphCrmForPreTraining": "modeling.modeling_glyph_crm",
    "GlyphCrmForQuestionAnswering": "modeling.modeling_glyph_crm",
    "GlyphCrmForSequenceClassification": "modeling.modeling_glyph_crm",
    "GlyphCrmForTokenClassification": "modeling.modeling_glyph_crm",
    "ChineseBertTokenizer": "tokenization.tokenization_chinese_bert",
    "GlyphCrmTokenizer": "tokenization.tokenization_glyph_crm",
    "GlyphCrmProcessor": "processors.processing_glyph_crm",
    "HanziGlyphImageProcessor": "processors.image_processing_glyph",
    "contact_sheet": "processors.contact_sheet",
    "fonts": "processors.font_passport",
    "passport_markdown": "processors.font_passport",
    "DataCollatorForMaskedCharacters": "processors.data_collator",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_PLACES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})


register_when_imported()

__all__ = ["__version__", *_PLACES]
