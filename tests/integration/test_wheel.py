"""The wheel holds the package, whole and alone, and works where the repository is not."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from process_tools import run_program

REPOSITORY = Path(__file__).parents[2]
ROOMS = ("modeling", "tokenization", "processors")
CODE = """
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in str(finder).lower()]
sys.path[:] = [r"{folder}"] + [path for path in sys.path if "{repository}" != path]
import hanziformers
assert hanziformers.__file__.startswith(r"{folder}"), hanziformers.__file__
from hanziformers.training.model_loading import load_model
from transformers import AutoConfig, AutoModel
for name in hanziformers.__all__:
    getattr(hanziformers, name)
tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"银行长"]
tokenizer = hanziformers.ChineseBertTokenizer(dict(zip(tokens, range(9))))
config = AutoConfig.for_model("chinese_bert", vocab_size=8, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                              intermediate_size=16, glyph_size=8, pinyin_embedding_size=4)
from hanziformers.processors.shipped_fonts import shipped_folder, shipped_paths
assert str(shipped_folder()).startswith(r"{folder}"), shipped_folder()
for style in ("song", "kai", "seal", "bronze"):
    image_processor = hanziformers.HanziGlyphImageProcessor(styles=[style], size=24, fallback=False)
    assert shipped_paths(style) and all(path.startswith(r"{folder}") for path in shipped_paths(style))
    images = image_processor.render(["人", "山"])
    assert images.any((1, 2, 3)).all() and (images[0] != images[1]).any(), style
print(tuple(AutoModel.from_config(config)(**tokenizer("银行行长", return_tensors="pt")).last_hidden_state.shape))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from what git tracks or would track, as from a clean clone: stale build folders do not take part."""
    folder = tmp_path_factory.mktemp("wheel")
    listed = ["git", "ls-files", "-co", "--exclude-standard"]
    names = subprocess.run(listed, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.splitlines()
    for name in names:
        if (REPOSITORY / name).is_file():
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "source" / name).write_bytes((REPOSITORY / name).read_bytes())
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([*build, str(folder / "source")], check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_it_holds_every_file_of_the_package_and_no_other(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"hanziformers"}
    package = (REPOSITORY / "hanziformers").rglob("*.py")
    expected = {path.relative_to(REPOSITORY).as_posix() for path in package}
    expected |= {f"hanziformers/{room}/{path.name}" for room in ROOMS for path in (REPOSITORY / room).glob("*.py")}
    assert {name for name in names if name.endswith(".py")} == expected
    assert "hanziformers/training/model_loading.py" in expected
    assert "hanziformers/py.typed" in names
    folders = ("font_files", "sound_files", "encoder_files")
    files = (path for folder in folders for path in (REPOSITORY / "hanziformers" / folder).rglob("*.*"))
    expected = {path.relative_to(REPOSITORY).as_posix() for path in files}
    assert {name for name in names if name.split("/")[1] in folders} == expected
    assert any(name.endswith(".woff2") for name in expected)
    assert any(name.endswith("-OFL.txt") for name in expected)
    assert any(name.endswith("LICENSE") for name in names)


def test_it_works_unpacked_elsewhere(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = CODE.format(folder=tmp_path / "site", repository=REPOSITORY)
    environment = os.environ | {"HANZIFORMERS_CACHE": str(tmp_path / "cache")}  # nothing rendered by another version
    done = run_program(code, folder=tmp_path, environment=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "(1, 6, 16)"


def test_it_can_be_imported_inside_a_checkout(wheel, tmp_path):
    """The working directory goes before an installed package, and a checkout keeps the rooms elsewhere than a wheel."""
    checkout = wheel.parent / "source"
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = CODE.replace('[r"{folder}"]', f'["", r"{tmp_path / "site"}"]')
    environment = os.environ | {"HANZIFORMERS_CACHE": str(tmp_path / "cache")}
    code = code.format(folder=checkout, repository=REPOSITORY)
    done = run_program(code, folder=checkout, environment=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "(1, 6, 16)"
