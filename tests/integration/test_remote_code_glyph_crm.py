"""GlyphCRM folders carry code and fonts: who has only transformers gets the same glyph images, outputs and offsets."""

import json
import shutil

import pytest
import torch
from font_tools import RARE, rare_font
from glyph_crm_tools import build_for
from glyph_tools import SPECIAL
from remote_tools import run_without_package
from transformers import DataCollatorForTokenClassification, Trainer, TrainingArguments, pipeline

import hanziformers
from hanziformers import GlyphCrmTokenizer, HanziGlyphImageProcessor, HanziProcessor

MODEL_CODE = {
    "configuration_glyph_crm.py",
    "modeling_glyph_crm.py",
    "character_bank.py",
    "checks.py",
    "distinct.py",
    "han_glyph.py",
    "task_outputs.py",
}
PROCESSOR_CODE = {
    "processing_glyph_crm.py",
    "image_processing_glyph.py",
    "font_manifest.py",
    "font_source.py",
    "fonts.py",
    "glyph_cache.py",
    "glyph_settings.py",
    "tokenization_glyph_crm.py",
    "glyph_pictures.py",
    "texts.py",
    "vocabulary.py",
}
FONTS = {"song.woff2", "song-OFL.txt", "song-0.ttf"}
HEADS = {
    "AutoModel": "GlyphCrmModel",
    "AutoModelForPreTraining": "GlyphCrmForPreTraining",
    "AutoModelForMaskedLM": "GlyphCrmForMaskedLM",
    "AutoModelForSequenceClassification": "GlyphCrmForSequenceClassification",
    "AutoModelForTokenClassification": "GlyphCrmForTokenClassification",
    "AutoModelForQuestionAnswering": "GlyphCrmForQuestionAnswering",
}
TEXTS = ["银行行长很忙，今天气好。", f"㐀あ가 {RARE}", "[MASK]\n𠀀"]
PIPELINES = [
    ("fill-mask", "AutoModelForMaskedLM", f"银[MASK]{RARE[0]}", {}),
    ("feature-extraction", "AutoModel", [f"{c}好" for c in RARE] + ["银"], {"batch_size": 4}),
    ("text-classification", "AutoModelForSequenceClassification", TEXTS[1:], {"top_k": None}),
    ("zero-shot-classification", "AutoModelForSequenceClassification", RARE, {"candidate_labels": ["㐀", "あ"]}),
    *(
        ("token-classification", "Trainer", [f"{RARE} 银\u200b行㐀", "好"], {**options, "batch_size": 2})
        for options in (
            {"aggregation_strategy": "none"},
            {"aggregation_strategy": "simple"},
            {"aggregation_strategy": "max"},
            {"aggregation_strategy": "simple", "stride": 2},
        )
    ),
]

# What runs without the package. argv: folder of the saved models, folder for what it saves itself.
REMOTE = """
source, target = sys.argv[1:]
task = json.load(open(f"{source}/task.json", encoding="utf-8"))
found = {}
for number, (auto, folder) in enumerate(task["heads"].items()):
    parts = (transformers.AutoConfig, transformers.AutoTokenizer, transformers.AutoProcessor,
             transformers.AutoImageProcessor, getattr(transformers, auto))
    if number == 0:
        for part in parts:
            try:
                part.from_pretrained(f"{source}/{folder}")
            except ValueError as error:
                assert "trust_remote_code" in str(error), error
            else:
                raise AssertionError(f"{part} trusts code without being told to")
    loaded = [part.from_pretrained(f"{source}/{folder}", trust_remote_code=True) for part in parts]
    config, tokenizer, processor, image_processor, model = loaded
    for thing in (*loaded, processor.tokenizer, processor.image_processor, model.base_model):
        assert type(thing).__module__.startswith("transformers_modules."), type(thing)
    assert type(model.config).__name__ == type(config).__name__ == "GlyphCrmConfig"
    found[f"{auto}.name"] = type(model).__name__
    if number == 0:
        found["bank"] = torch.from_numpy(processor.render_bank())
        found["rendered"] = torch.from_numpy(image_processor.render(list(task["rare"])))
    for name, one in (("tokenizer", tokenizer), ("processor", processor)):
        inputs = one(task["texts"], padding=True, return_tensors="pt")
        found |= {f"{auto}.{name}.{key}": value for key, value in inputs.items()}
        with torch.no_grad():
            outputs = model.eval()(**inputs)
        found |= {f"{auto}.{name}.{key}": value for key, value in outputs.items()}
    model.save_pretrained(f"{target}/{folder}")
    processor.save_pretrained(f"{target}/{folder}")
found["pipelines"] = []
for kind, folder, texts, options in task["pipelines"]:
    tool = transformers.pipeline(kind, f"{source}/{folder}", trust_remote_code=True)
    assert type(tool).__module__.startswith("transformers.pipelines."), type(tool)
    found["pipelines"].append(json.loads(json.dumps(tool(texts, **options), default=float)))
torch.save(found, f"{target}/found.pt")
"""


def make_processor(font):
    characters = dict.fromkeys([*SPECIAL, *"银行长很忙，今天气好。重庆"])
    image_processor = HanziGlyphImageProcessor(styles=["song"], size=24, fonts={"song": [str(font)]}, save_fonts=True)
    return HanziProcessor(
        image_processor, GlyphCrmTokenizer({token: row for row, token in enumerate(characters)}, "龘")
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with a model and processor a head, another that a Trainer saved; and what they give in this process."""
    folder = tmp_path_factory.mktemp("saved")
    processor = make_processor(rare_font(folder / "rare.ttf"))
    tokenizer = processor.tokenizer
    tokenizer.model_max_length = 12
    torch.manual_seed(0)
    labels = {0: "B-entailment", 1: "I-contradiction"}
    fields = {"id2label": labels, "label2id": {label: row for row, label in labels.items()}}
    models = {auto: build_for(processor, getattr(hanziformers, name), **fields) for auto, name in HEADS.items()}
    for auto, model in models.items():
        model.save_pretrained(folder / auto)
        processor.save_pretrained(folder / auto)
    arguments = TrainingArguments(str(folder / "run"), max_steps=1, report_to=[], use_cpu=True, save_steps=1)
    data = [{**processor(text), "labels": [0, *[1] * len(text), 0]} for text in ("银行㐀", RARE[:3])]
    collator = DataCollatorForTokenClassification(tokenizer)
    model = models["AutoModelForTokenClassification"]
    Trainer(model, arguments, train_dataset=data, processing_class=processor, data_collator=collator).train()
    shutil.move(folder / "run" / "checkpoint-1", folder / "Trainer")
    wanted = {"bank": torch.from_numpy(processor.render_bank())}
    wanted["rendered"] = torch.from_numpy(processor.image_processor.render(list(RARE)))
    inputs = processor(TEXTS, padding=True, return_tensors="pt")
    for auto, name in HEADS.items():
        wanted[f"{auto}.name"] = name
        with torch.no_grad():
            outputs = models[auto].eval()(**inputs)
        wanted |= {f"{auto}.{one}.{k}": v for one in ("tokenizer", "processor") for k, v in (inputs | outputs).items()}
    wanted["pipelines"] = [
        json.loads(json.dumps(pipeline(kind, str(folder / name))(texts, **options), default=float))
        for kind, name, texts, options in PIPELINES
    ]
    (folder / "rare.ttf").unlink()
    return folder, wanted


def run_remote(source, target, cache):
    heads = {auto: "Trainer" if auto.endswith("TokenClassification") else auto for auto in HEADS}
    task = {"texts": TEXTS, "heads": heads, "rare": RARE, "pipelines": PIPELINES}
    (source / "task.json").write_text(json.dumps(task), encoding="utf-8")
    target.mkdir()
    log = run_without_package(REMOTE, source, target, folder=cache)
    assert "have no glyph image" not in log
    return torch.load(target / "found.pt")


def assert_equal(found, wanted, name=""):
    """Numbers to 1e-5, all else exactly."""
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys(), name
        for key, value in wanted.items():
            assert_equal(found[key], value, f"{name}.{key}")
    elif isinstance(wanted, list):
        assert len(found) == len(wanted), name
        for index, (one, other) in enumerate(zip(found, wanted, strict=True)):
            assert_equal(one, other, f"{name}[{index}]")
    elif isinstance(wanted, (float, torch.Tensor)):
        one, other = torch.as_tensor(found), torch.as_tensor(wanted)
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0, msg=lambda text: f"{name}: {text}")
    else:
        assert found == wanted, name


@pytest.mark.parametrize("auto", [*HEADS, "Trainer"])
def test_saved_folders_hold_their_code_and_fonts(saved, auto):
    folder = saved[0] / auto
    assert {path.name for path in folder.glob("*.py")} == MODEL_CODE | PROCESSOR_CODE
    assert {path.name for path in (folder / "fonts").iterdir()} == FONTS
    maps = json.loads((folder / "config.json").read_text())["auto_map"]
    head = auto.replace("Trainer", "AutoModelForTokenClassification")
    assert maps[head] == f"modeling_glyph_crm.{HEADS[head]}"
    assert maps["AutoConfig"] == "configuration_glyph_crm.GlyphCrmConfig"
    processor = json.loads((folder / "processor_config.json").read_text())
    assert processor["auto_map"]["AutoProcessor"] == "processing_glyph_crm.HanziProcessor"
    assert str(saved[0]) not in (folder / "processor_config.json").read_text()  # no path of this machine


def test_everything_loads_saves_and_gives_the_same_without_the_package(saved, tmp_path):
    folder, wanted = saved
    assert_equal(run_remote(folder, tmp_path / "first", tmp_path / "cache_1"), wanted)
    for path in (tmp_path / "first").iterdir():
        if path.is_dir():
            assert {file.name for file in path.glob("*.py")} == MODEL_CODE | PROCESSOR_CODE
            assert {file.name for file in (path / "fonts").iterdir()} == FONTS
    assert_equal(run_remote(tmp_path / "first", tmp_path / "second", tmp_path / "cache_2"), wanted)


def test_what_both_give_is_right(saved):
    """Unseen characters have vectors of their own; entities have true offsets, in one window and in several."""
    features, tags = saved[1]["pipelines"][1], saved[1]["pipelines"][4:]
    vectors = torch.tensor([text[0][1] for text in features])
    assert (torch.cdist(vectors, vectors) + torch.eye(len(vectors))).min() > 1e-4
    for (*_, texts, options), outputs in zip(PIPELINES[4:], tags, strict=True):
        places = [range(entity["start"], entity["end"]) for entity in outputs[0]]
        whole = [place for span in places for place in span]
        assert whole == sorted(whole)
        assert whole[0] >= 0
        assert whole[-1] < len(texts[0])
        if options["aggregation_strategy"] == "none":
            seen = [place for place, character in enumerate(texts[0][:10]) if character not in " \u200b"]
            assert places == [range(place, place + 1) for place in seen]
