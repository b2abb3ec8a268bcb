"""Importing the package: it registers every family, says nothing, and changes nothing that belongs to others."""

import ast
import importlib
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from process_tools import run_program
from remote_tools import HOOK_TABLES
from transformers import AutoConfig, AutoFeatureExtractor, AutoProcessor, AutoTokenizer
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.feature_extraction_auto import FEATURE_EXTRACTOR_MAPPING
from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING, AutoImageProcessor
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING
from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING

import hanziformers
from hanziformers.registration import FAMILIES

REPOSITORY = Path(__file__).resolve().parents[1]
ROOMS = ("modeling", "tokenization", "processors")
TASKS = ("", "ForPreTraining", "ForMaskedLM", "ForSequenceClassification", "ForTokenClassification")
TASKS += ("ForQuestionAnswering", "ForMultipleChoice")
HEADS = {  # where a family's head has another name than its auto class
    "": "Model",
    ("chinese_bert", "ForPreTraining"): "ForMaskedLM",
    ("biaffine", ""): "ForDependencyParsing",
}
OWN_TASKS = {  # of families that are for less than all tasks
    "mpm_cner": ("", "ForTokenClassification"),
    **dict.fromkeys(("glyce", "bilstm"), tuple(t for t in TASKS if t not in ("ForPreTraining", "ForMaskedLM"))),
    "lattice_lstm": ("", "ForTokenClassification"),
    "bimpm": ("", "ForSequenceClassification"),
    "biaffine": ("",),
    "srl": ("", "ForTokenClassification"),
}
TOKENIZERS = {"bilstm": "GlyceTokenizer", **dict.fromkeys(("bimpm", "biaffine", "srl"), "WordTokenizer")}
SIZES = {"vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "glyph_size": 24}
OWN_SIZES = {"mpm_cner": {"glyph_size": 48, "swin_embed_dim": 6, "swin_depths": [1, 1], "swin_num_heads": [1, 2]}}
OWN_SIZES["mpm_cner"] |= {"num_syllables": 3, "classifier": "linear", "special_token_ids": [0]}
OWN_SIZES["glyce"] = {"glyph_dim": 8, "glyph_groups": 2, "task_num_attention_heads": 2}
OWN_SIZES |= dict.fromkeys(("bilstm", "lattice_lstm", "bimpm", "biaffine", "srl"), {"glyph_dim": 8, "glyph_groups": 2})
NOT_MODELS = {
    AutoTokenizer: TOKENIZER_MAPPING,
    AutoProcessor: PROCESSOR_MAPPING,
    AutoImageProcessor: IMAGE_PROCESSOR_MAPPING,
    AutoFeatureExtractor: FEATURE_EXTRACTOR_MAPPING,
}

# Runs in a fresh interpreter: what belongs to others is the same object before and after.
UNCHANGED = (
    HOOK_TABLES
    + """
import inspect, sys
import torch, transformers
from transformers import AutoModelForTokenClassification, AutoProcessor, PreTrainedTokenizerFast, Trainer, pipeline
from transformers.models.bert import modeling_bert, tokenization_bert
from transformers.pipelines import PIPELINE_REGISTRY

def classes():
    found = {}
    for name in [name for name in sys.modules if name.partition(".")[0] in ("transformers", "torch", "tokenizers")]:
        for value in list(vars(sys.modules[name]).values()):
            if isinstance(value, type) and value.__module__.startswith(("transformers", "torch", "tokenizers")):
                found[value] = dict(vars(value))
    return found

before, hooks, tasks = classes(), hook_tables(), {k: dict(v) for k, v in PIPELINE_REGISTRY.supported_tasks.items()}
assert len(before) > 1000 and hooks
import hanziformers
from hanziformers import *
after = classes()
for cls, attributes in before.items():
    now = after[cls]
    changed = {name for name in attributes.keys() | now.keys() if attributes.get(name) is not now.get(name)}
    assert not changed - {"__abstractmethods__", "_abc_impl", "__annotations_cache__"}, (cls, changed)
assert hook_tables() == hooks
assert PIPELINE_REGISTRY.supported_tasks == tasks
stock = transformers.TokenClassificationPipeline
assert tasks["token-classification"]["impl"] in (stock, stock.__module__ + "." + stock.__name__)  # 5.17 has the class
assert transformers.TokenClassificationPipeline.__module__ == "transformers.pipelines.token_classification"
"""
)

# Each starts in a fresh interpreter; what follows asks transformers for both models.
ORDERS = {
    "hanziformers first": "import hanziformers",
    "auto classes first": "from transformers import AutoModel, AutoTokenizer, AutoConfig; import hanziformers",
    "a model first": "from hanziformers import GlyphCrmModel",
    "a part first": "import hanziformers.tokenization.pinyin",
}
KNOWN = """
from transformers import AutoConfig, AutoModel
for name in ("chinese_bert", "glyce", "glyph_crm", "mpm_cner", "bilstm", "lattice_lstm", "bimpm", "biaffine", "srl"):
    config = AutoConfig.for_model(name)
    assert AutoModel._model_mapping[type(config)].__module__.startswith("hanziformers.")
"""


def run(code):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    environment |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = run_program(code, environment=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_the_import_takes_nothing_that_only_training_needs():
    heavy = ["datasets", "pandas", "sklearn", "matplotlib", "librosa"]
    # transformers 5.17 takes some of them itself
    code = f"""
import sys, transformers.modeling_utils, transformers.processing_utils, transformers.generation.utils
before = set(sys.modules)
import hanziformers
print(sorted((sys.modules.keys() - before) & set({heavy})))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)  # not forked: it starts empty
    assert done.stdout == "[]\n", done.stderr


def package_files():
    """Every Python file that is installed."""
    return [path for room in ROOMS for path in (REPOSITORY / room).rglob("*.py")] + [
        path for path in (REPOSITORY / "hanziformers").rglob("*.py")
    ]


@pytest.mark.parametrize("config", list(FAMILIES), ids=lambda config: config.model_type)
def test_every_auto_class_knows_every_family(config):
    assert type(AutoConfig.for_model(config.model_type)) is config
    prefix = config.__name__.removesuffix("Config")
    for task in OWN_TASKS.get(config.model_type, TASKS):
        found = getattr(hanziformers_auto(), f"AutoModel{task}")._model_mapping[config]
        head = HEADS.get((config.model_type, task)) or HEADS.get(task, task)
        assert found is getattr(hanziformers, prefix + head)
        assert found.config_class is config
    assert TOKENIZER_MAPPING[config].__name__ == TOKENIZERS.get(config.model_type, f"{prefix}Tokenizer")


@pytest.mark.parametrize("config", list(FAMILIES), ids=lambda config: config.model_type)
def test_a_saved_folder_names_what_is_registered(config, tmp_path):
    """One table for both: which auto class finds which class, with the package and without it."""
    family = {auto.__name__: found for auto, found in FAMILIES[config].items() if auto not in NOT_MODELS}
    assert {f"AutoModel{task}" for task in OWN_TASKS.get(config.model_type, TASKS)} <= family.keys()
    sizes = {**SIZES, **OWN_SIZES.get(config.model_type, {})}
    for cls in set(family.values()):
        cls(config(**sizes)).save_pretrained(tmp_path / cls.__name__)
        named = json.loads((tmp_path / cls.__name__ / "config.json").read_text())["auto_map"]
        module = cls.__module__.rpartition(".")[-1]
        expected = {auto: f"{module}.{found.__name__}" for auto, found in family.items()}
        assert named == {**expected, "AutoConfig": f"{config.__module__.rpartition('.')[-1]}.{config.__name__}"}


def hanziformers_auto():
    from transformers.models.auto import modeling_auto

    return modeling_auto


@pytest.mark.parametrize("config", list(FAMILIES), ids=lambda config: config.model_type)
def test_what_a_family_lists_is_registered_and_public(config):
    assert config.__name__ in hanziformers.__all__
    for auto_class, listed in FAMILIES[config].items():
        mapping = NOT_MODELS.get(auto_class) or auto_class._model_mapping
        found = mapping[config]
        assert listed in (found.values() if isinstance(found, dict) else (found,))
        assert listed.__name__ in hanziformers.__all__
        assert getattr(hanziformers, listed.__name__) is listed


@pytest.mark.parametrize("order", list(ORDERS))
def test_models_are_known_in_every_order(order):
    run(f"{ORDERS[order]}\n{KNOWN}")


def test_import_is_silent():
    assert run("import hanziformers") == ""


def test_import_changes_nothing_of_others():
    run(UNCHANGED)


def test_registering_again_changes_nothing():
    def state():
        models = [auto for classes in FAMILIES.values() for auto in classes if auto not in NOT_MODELS]
        mappings = [*NOT_MODELS.values(), *(auto._model_mapping for auto in models)]
        return [dict(CONFIG_MAPPING._extra_content), *(dict(mapping._extra_content) for mapping in mappings)]

    before = state()
    assert all(before)
    hanziformers.register()
    importlib.reload(hanziformers)
    assert state() == before


def test_every_public_name_resolves():
    assert len(set(hanziformers.__all__)) == len(hanziformers.__all__)
    for name in hanziformers.__all__:
        value = getattr(hanziformers, name)
        assert name == "__version__" or value.__name__ == name
        assert name == "__version__" or inspect.getdoc(value)


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="ChineseBertForNothing"):
        hanziformers.ChineseBertForNothing  # noqa: B018


def test_rooms_are_flat_and_file_names_unique():
    """A checkpoint holds the files of all three rooms in one folder."""
    names = [path.name for room in ROOMS for path in (REPOSITORY / room).glob("*.py") if path.name != "__init__.py"]
    assert sorted(names) == sorted(set(names))
    for room in ROOMS:
        assert {path.parent for path in (REPOSITORY / room).rglob("*.py")} == {REPOSITORY / room}


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_siblings_and_no_other_part(room):
    """transformers copies what `from .sibling import name` names, and nothing else, beside a checkpoint's weights."""
    siblings = {path.stem for path in (REPOSITORY / room).glob("*.py")}
    for path in (REPOSITORY / room).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                assert node.level == 1, (path, node.lineno)
                assert node.module in siblings, (path, node.lineno)
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                names = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
                tops = {name.partition(".")[0] for name in names}
                assert not tops & {"hanziformers", "run_scripts", *ROOMS}, (path, node.lineno)


def test_nothing_but_the_registration_asks_for_a_family_by_name():
    """A further family must not need another branch: no comparison with `model_type` or with a family's name."""
    families = {config.model_type for config in FAMILIES}
    compared = []
    for path in package_files():
        if path.name == "registration.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, (ast.Compare, ast.Match)):
                continue
            if any(getattr(part, "attr", None) == "task_layer" for part in ast.walk(node)):
                continue  # layers of Glyce's task have names of families: task_layer == "bilstm"
            for part in ast.walk(node):
                name = getattr(part, "attr", getattr(part, "id", getattr(part, "value", None)))
                if isinstance(name, str) and name in families | {"model_type"}:
                    compared.append((path.name, node.lineno))
    assert not compared
