"""Maps the rooms of the repository into one import name: `hanziformers.modeling` is the folder modeling/, and so on.

Everything else about the package is in pyproject.toml.
"""

from setuptools import setup

ROOMS = ("modeling", "tokenization", "processors")
FONTS = ("hanziformers.font_files", "hanziformers.font_files.licenses")

setup(
    packages=["hanziformers", "hanziformers.training", *FONTS, *(f"hanziformers.{room}" for room in ROOMS)],
    package_dir={"hanziformers": "hanziformers", **{f"hanziformers.{room}": room for room in ROOMS}},
    package_data={"hanziformers": ["py.typed"], **{folder: ["*"] for folder in FONTS}},
)
