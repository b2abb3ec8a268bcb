"""Graphs of torch.export and torch.jit.trace serve other numbers of texts, tokens, characters and extra_glyphs."""

import warnings

import pytest
import torch
from chinese_bert_tools import ChineseBertForMultipleChoice, ChineseBertModel
from export_tools import EVERY, EXAMPLE, assert_serves, axes_of, batch_of, build, needs_newer_torch
from glyph_crm_tools import GlyphCrmForMultipleChoice, GlyphCrmForTokenClassification, GlyphCrmModel
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.export import Dim

LONGEST = 40  # positions of the tiny models
EXPORTED = [  # class, extra_glyphs or none, fields of the configuration, whether the open axes have names
    (GlyphCrmModel, True, {}, True),
    (GlyphCrmModel, True, {}, False),
    (GlyphCrmModel, None, {}, True),
    (GlyphCrmModel, True, {"id_embeddings": True}, True),
    (GlyphCrmModel, True, {"feature_norm": "whiten"}, True),
    (GlyphCrmForTokenClassification, True, {}, True),
    (GlyphCrmForMultipleChoice, True, {}, True),
    (ChineseBertModel, None, {}, True),
    (ChineseBertModel, None, {"feature_norm": "whiten"}, True),
    (ChineseBertForMultipleChoice, None, {}, False),
]


@needs_newer_torch
@pytest.mark.parametrize(("cls", "extras", "fields", "named"), EXPORTED)
def test_exported_with_open_sizes(cls, extras, fields, named):
    torch._dynamo.reset()
    model = build(cls, **fields)
    batch = batch_of(cls, *EXAMPLE[:2], EXAMPLE[2] if extras else None)
    dims = {name: Dim(name) for name in ("batch", "choices", "extras")} | {"length": Dim("length", max=LONGEST)}
    shapes = {
        key: {axis: dims[name] if named else Dim.DYNAMIC for axis, name in axes.items()}
        for key, axes in axes_of(batch).items()
    }
    with torch.no_grad():
        program = torch.export.export(model, (), batch, dynamic_shapes=shapes, strict=False).module()
    assert_serves(lambda inputs: program(**inputs), model, cls, extras)


def test_an_exported_graph_follows_its_weights():
    """It holds no vector that was kept for the model."""
    model = build(GlyphCrmModel)
    batch = batch_of(GlyphCrmModel, *EXAMPLE)
    with torch.no_grad():
        program = torch.export.export(model, (), batch, strict=False).module()
        for one in (model, program):
            for name, parameter in one.named_parameters():
                if "characters" in name:
                    parameter.mul_(1.5)
        torch.testing.assert_close(program(**batch)[0], model(**batch)[0])


@pytest.mark.parametrize(("cls", "example"), [*((cls, EXAMPLE) for cls in EVERY), (GlyphCrmModel, (2, 7, 0))])
def test_traced(cls, example):
    model = build(cls)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        # a trace of a dict of outputs needs strict=False, as with every model of transformers
        traced = torch.jit.trace(model, example_kwarg_inputs=batch_of(cls, *example), strict=False, check_trace=False)
    assert_serves(lambda inputs: traced(**inputs), model, cls)


@pytest.mark.parametrize("cls", [GlyphCrmForTokenClassification, ChineseBertModel])
def test_fake_tensors(cls):
    """They have shapes and no values."""
    model, batch = build(cls), batch_of(cls, *EXAMPLE)
    with torch.no_grad():
        wanted = [value.shape for value in model(**batch).values()]
        with FakeTensorMode(allow_non_fake_inputs=True) as mode:
            found = model(**{name: mode.from_tensor(value) for name, value in batch.items()})
    assert [value.shape for value in found.values()] == wanted
