"""Maps the rooms of the repository into one import name: `hanziformers.modeling` is the folder modeling/, and so on.

Everything else about the package is in pyproject.toml.
"""

from setuptools import setup

ROOMS = ("modeling", "tokenization", "processors")
DATA = tuple(
    f"hanziformers.{folder}" for folder in ("font_files", "font_files.licenses", "sound_files", "encoder_files")
)

setup(
    packages=["hanziformers", "hanziformers.training", *DATA, *(f"hanziformers.{room}" for room in ROOMS)],
    package_dir={"hanziformers": "hanziformers", **{f"hanziformers.{room}": room for room in ROOMS}},
    package_data={"hanziformers": ["py.typed"], **{folder: ["*"] for folder in DATA}},
)
