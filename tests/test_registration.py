"""Importing the package: silent, light, and in every order enough for transformers' auto classes."""

import os
import subprocess
import sys

import pytest

import hanziformers

CHECK = """
import hanziformers
from transformers import AutoConfig, AutoTokenizer
from transformers.models.auto import configuration_auto, modeling_auto, tokenization_auto
tasks = ["", "ForMaskedLM", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering"]
families = {
    "chinese_bert": ("ChineseBert", {"ForPreTraining": "ForMaskedLM", "ForMultipleChoice": "ForMultipleChoice"}),
    "glyph_crm": ("GlyphCrm", {"ForPreTraining": "ForPreTraining"}),
}
for family, (prefix, more) in families.items():
    config = AutoConfig.for_model(family, num_labels=3)
    assert type(config) is getattr(hanziformers, prefix + "Config"), type(config)
    for task, ours in {**dict(zip(tasks, tasks)), **more}.items():
        found = getattr(modeling_auto, "AutoModel" + task)._model_mapping[type(config)]
        assert found is getattr(hanziformers, prefix + (ours or "Model")), (family, task)
config = AutoConfig.for_model("chinese_bert")
found = tokenization_auto.TOKENIZER_MAPPING[type(config)]
assert hanziformers.ChineseBertTokenizer in (found if isinstance(found, tuple) else (found,)), found
"""

# Each starts in a fresh interpreter; CHECK follows.
ORDERS = {
    "hanziformers first": "import hanziformers",
    "auto modules first": "from transformers import AutoModel, AutoTokenizer, AutoConfig; import hanziformers",
    "auto config first": "from transformers import AutoConfig; import hanziformers",
    "a model first": "from hanziformers import ChineseBertModel",
    "another model first": "from hanziformers import GlyphCrmModel",
    "BERT's file later": "import hanziformers; from transformers.models.bert.modeling_bert import BertModel",
    "BERT's file before": "from transformers.models.bert.modeling_bert import BertModel; import hanziformers",
    "a tokenizer first": "from hanziformers import ChineseBertTokenizer",
    "every name": "from hanziformers import *",
}


def run(code, *arguments):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        env=environment | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.parametrize("order", list(ORDERS))
def test_auto_classes_know_the_models_in_every_order(order):
    process = run(f"{ORDERS[order]}\n{CHECK}")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors


def test_import_is_silent_and_light():
    code = (
        "import sys, hanziformers; heavy = {'torch', 'transformers', 'numpy', 'pypinyin', 'datasets', 'tokenizers'}; "
    )
    process = run(code + "found = heavy & set(sys.modules); assert not found, found; dir(hanziformers)")
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert output == errors == ""


def test_configuration_and_tokenizer_do_not_import_the_models():
    code = """
import sys, hanziformers
from transformers import AutoConfig
AutoConfig.for_model("chinese_bert")
assert "hanziformers.modeling.modeling_chinese_bert" not in sys.modules
"""
    process = run(code)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors


def test_every_public_name_resolves():
    assert len(set(hanziformers.__all__)) == len(hanziformers.__all__)
    for name in hanziformers.__all__:
        value = getattr(hanziformers, name)
        assert name == "__version__" or value.__name__ == name
        assert name in dir(hanziformers)


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="ChineseBertForNothing"):
        hanziformers.ChineseBertForNothing  # noqa: B018
    assert not hasattr(hanziformers, "nothing")
    with pytest.raises(ImportError):
        from hanziformers import nothing  # noqa: F401
