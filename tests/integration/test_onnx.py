"""ONNX files of every head agree with their models in onnxruntime, at other sizes than those of the example."""

import warnings

import pytest
import torch
from chinese_bert_tools import ChineseBertForTokenClassification
from export_tools import EVERY, EXAMPLE, assert_serves, axes_of, batch_of, build, needs_newer_torch
from glyph_crm_tools import GlyphCrmForMultipleChoice, GlyphCrmForTokenClassification, GlyphCrmModel

pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
onnxruntime = pytest.importorskip("onnxruntime")

TOLERANCE = 1e-4


def session(source):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(source, options)


def runner(file):
    def run(batch):
        # an input that the graph does not read may be missing in the file
        given = {one.name: batch[one.name].numpy() for one in file.get_inputs()}
        return [torch.from_numpy(found) for found in file.run(None, given)]

    return run


@needs_newer_torch
@pytest.mark.parametrize("cls", [GlyphCrmForTokenClassification, ChineseBertForTokenClassification])
def test_exported(cls, tmp_path):
    """With the exporter that torch takes by default; its graph is that of torch.export, which has tests for all."""
    model, batch = build(cls), batch_of(cls, *EXAMPLE)
    torch.onnx.export(model, (), tmp_path / "model.onnx", kwargs=batch, dynamic_shapes=axes_of(batch), verbose=False)
    file = session(tmp_path / "model.onnx")
    assert {one.name for one in file.get_inputs()} == set(batch)
    assert_serves(runner(file), model, cls, tolerance=TOLERANCE)


@needs_newer_torch
@pytest.mark.parametrize(
    ("cls", "example"),
    [*((cls, EXAMPLE) for cls in EVERY), (GlyphCrmModel, (2, 7, 0)), (GlyphCrmModel, (1, 7, None))],
)
def test_exported_from_a_trace(cls, example, tmp_path):
    model, batch = build(cls), batch_of(cls, *example)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing, and that the exporter is the older one
        torch.onnx.export(
            model, (), tmp_path / "model.onnx", kwargs=batch, input_names=list(batch), dynamic_axes=axes_of(batch),
            dynamo=False, opset_version=18,
        )  # fmt: skip
    extras = True if example[2] is not None else None
    # a Reshape of this exporter takes an empty axis for one to copy, so that choices without extra_glyphs are refused
    empty = cls is not GlyphCrmForMultipleChoice
    assert_serves(runner(session(tmp_path / "model.onnx")), model, cls, extras, TOLERANCE, empty)
