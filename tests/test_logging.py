"""What the package logs obeys transformers' own switches, whoever imported it and under which name."""

import re

import pytest
from process_tools import run_program
from remote_tools import REPOSITORY

LOGGERS = [
    path
    for room in ("hanziformers", "modeling", "tokenization", "processors", "run_scripts")
    for path in sorted((REPOSITORY / room).rglob("*.py"))
    if "get_logger(" in path.read_text(encoding="utf-8")
]

ASK = """
import transformers, hanziformers
from hanziformers import GlyphCrmConfig, GlyphCrmModel
import torch
transformers.logging.{call}()
sizes = dict(vocab_size=8, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
model = GlyphCrmModel(GlyphCrmConfig(**sizes))
model(torch.zeros(1, 4, dtype=torch.long))
"""


@pytest.mark.parametrize("path", LOGGERS, ids=lambda path: path.name)
def test_every_logger_is_below_that_of_transformers(path):
    names = re.findall(r"get_logger\((.*?)\)  #|get_logger\((.*?)\)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert names
    for name in names:
        assert "".join(name).startswith(('f"transformers.', '"transformers.'))


@pytest.mark.parametrize(("call", "shown"), [("set_verbosity_error", False), ("set_verbosity_warning", True)])
def test_the_verbosity_of_transformers_is_obeyed(call, shown):
    run = run_program(ASK.format(call=call), folder=REPOSITORY.parent)
    assert run.returncode == 0, run.stderr
    assert ("the bank holds no glyph images" in run.stderr) is shown, run.stderr
