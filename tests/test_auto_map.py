"""The code that a saved folder carries, and what its config.json says of it."""

import json
import sys

import pytest
from glyph_crm_tools import SIZES
from torch import distributed
from transformers import AutoConfig, AutoModel, AutoModelForTokenClassification, Trainer, TrainingArguments

from hanziformers import GlyphCrmConfig, GlyphCrmForMaskedLM, GlyphCrmForTokenClassification, GlyphCrmModel
from hanziformers.modeling import modeling_glyph_crm
from hanziformers.modeling.auto_map import model_auto_map, named_files

FAMILY = {name: f"modeling_glyph_crm.{cls.__name__}" for name, cls in modeling_glyph_crm.AUTO_CLASSES.items()}
FAMILY["AutoConfig"] = "configuration_glyph_crm.GlyphCrmConfig"
OWN = """
from hanziformers import GlyphCrmForTokenClassification

class OwnTagger(GlyphCrmForTokenClassification):
    pass

class OtherTagger(GlyphCrmForTokenClassification):
    pass
"""


def make(cls=GlyphCrmForMaskedLM, **more):
    return cls(GlyphCrmConfig(**{**SIZES, **more}))


def auto_map(folder):
    """What the folder names; every file is there."""
    named = json.loads((folder / "config.json").read_text())["auto_map"]
    for reference in named.values():
        assert (folder / f"{reference.split('.')[0]}.py").is_file(), reference
    return named


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module of a user's own, with two subclasses of a head."""
    (tmp_path / "own_models.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    import own_models

    yield own_models
    del sys.modules["own_models"]


def test_every_way_of_saving_names_the_family(tmp_path):
    model = make()
    model.save_pretrained(tmp_path / "plain")
    assert auto_map(tmp_path / "plain") == FAMILY
    again = AutoModelForTokenClassification.from_pretrained(tmp_path / "plain")  # a head that was not saved
    arguments = TrainingArguments(str(tmp_path / "run"), max_steps=2, save_steps=1, use_cpu=True, report_to="none")
    rows = [{"input_ids": [5, 6], "glyph_ids": [5, 6], "labels": [0, 1]}] * 8
    Trainer(again, arguments, train_dataset=rows).train()
    for checkpoint in ("checkpoint-1", "checkpoint-2"):
        assert auto_map(tmp_path / "run" / checkpoint) == FAMILY
    model.save_pretrained(tmp_path / "other", is_main_process=False, state_dict={})
    assert not list((tmp_path / "other").glob("*.py"))
    model.save_pretrained(tmp_path / "accelerate", is_main_process=True, state_dict=model.state_dict())
    assert auto_map(tmp_path / "accelerate") == FAMILY


def test_an_adapter_that_is_merged_names_the_family(tmp_path):
    peft = pytest.importorskip("peft")
    model = peft.get_peft_model(make(), peft.LoraConfig(target_modules=["query"]))
    model.save_pretrained(tmp_path / "adapter")
    assert not list((tmp_path / "adapter").glob("*.py"))
    model.merge_and_unload().save_pretrained(tmp_path / "merged")
    assert auto_map(tmp_path / "merged") == FAMILY


def test_a_configuration_alone_names_no_models(tmp_path):
    make().save_pretrained(tmp_path / "model")
    config = AutoConfig.from_pretrained(tmp_path / "model")
    config.save_pretrained(tmp_path / "config")
    assert auto_map(tmp_path / "config") == {"AutoConfig": FAMILY["AutoConfig"]}
    assert config.auto_map == FAMILY  # the configuration in memory still knows them
    AutoModel.from_config(config).save_pretrained(tmp_path / "again")
    assert auto_map(tmp_path / "again") == FAMILY


def test_a_class_of_ones_own_is_named_alone(own, tmp_path):
    make().save_pretrained(tmp_path / "model")
    mine = own.OwnTagger.from_pretrained(tmp_path / "model")  # its configuration names the family's files
    mine.save_pretrained(tmp_path / "mine")
    expected = {"AutoConfig": FAMILY["AutoConfig"], "AutoModelForTokenClassification": "own_models.OwnTagger"}
    assert auto_map(tmp_path / "mine") == expected
    assert (tmp_path / "mine" / "own_models.py").read_text() == OWN
    GlyphCrmModel.from_pretrained(tmp_path / "mine").save_pretrained(tmp_path / "back")
    assert auto_map(tmp_path / "back") == FAMILY


def test_a_class_without_a_file_is_not_named(tmp_path):
    cls = type("Tagger", (GlyphCrmForTokenClassification,), {"__module__": "__main__"})
    cls.from_pretrained(save(tmp_path / "model")).save_pretrained(tmp_path / "mine")
    assert auto_map(tmp_path / "mine") == {"AutoConfig": FAMILY["AutoConfig"]}


def save(folder):
    make().save_pretrained(folder)
    return folder


def test_a_model_that_fsdp_shards_carries_its_own_code(tmp_path, monkeypatch):
    """FSDP2 gives it a class of its own, whose file is torch's."""
    fsdp = pytest.importorskip("torch.distributed.fsdp")
    if not hasattr(fsdp, "fully_shard") or not distributed.is_available():
        pytest.skip("this torch has no FSDP2")
    store = distributed.FileStore(str(tmp_path / "store"), 1)
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        model = make()
        weights = {name: weight.clone() for name, weight in model.state_dict().items()}
        fsdp.fully_shard(model, mesh=distributed.init_device_mesh("cpu", (1,)))
        assert type(model) is not GlyphCrmForMaskedLM
        model.save_pretrained(tmp_path / "model", state_dict=weights)
    finally:
        distributed.destroy_process_group()
    assert auto_map(tmp_path / "model") == FAMILY
    assert not list((tmp_path / "model").glob("_fsdp*"))
    plain = save(tmp_path / "plain")
    files = [{path.name for path in folder.glob("*.py")} for folder in (tmp_path / "model", plain)]
    assert files[0] == files[1]


def test_entries_whose_file_is_not_there_are_left_out(tmp_path):
    (tmp_path / "here.py").write_text("")
    entries = {"AutoModel": "here.A", "AutoConfig": "gone.B", "AutoModelForMaskedLM": "owner/name--gone.C"}
    entries |= {"AutoTokenizer": ["here.D", None], "AutoProcessor": [None, "gone.E"]}
    assert list(named_files(entries, tmp_path)) == ["AutoModel", "AutoModelForMaskedLM", "AutoTokenizer"]


def test_a_class_for_two_auto_classes_stands_under_both():
    from hanziformers import ChineseBertForTokenClassification

    named = model_auto_map(ChineseBertForTokenClassification)
    assert (
        named["AutoModelForPreTraining"]
        == named["AutoModelForMaskedLM"]
        == "modeling_chinese_bert.ChineseBertForMaskedLM"
    )
