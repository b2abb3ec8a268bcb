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
    "ChineseBertTokenizer": "tokenization.tokenization_chinese_bert",
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
