"""Maps the rooms of the repository into one import name: `hanziformers.modeling` is the folder modeling/, and so on.

Everything else about the package is in pyproject.toml.
"""

from setuptools import setup

ROOMS = ("modeling", "tokenization", "processors")

setup(
    packages=["hanziformers", *(f"hanziformers.{room}" for room in ROOMS)],
    package_dir={"hanziformers": "hanziformers", **{f"hanziformers.{room}": room for room in ROOMS}},
    package_data={"hanziformers": ["py.typed", "font_files/*", "font_files/licenses/*"]},
)
