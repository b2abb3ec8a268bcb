"""The code that a saved folder carries, and which Auto class finds which class in it (`auto_map` of config.json).

A modeling file ends with its table `AUTO_CLASSES`; a folder names all of it, so that where the package is not installed
a checkpoint becomes any model of its family, not only the one that was saved.
"""

import shutil
import sys
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel
from transformers.dynamic_module_utils import get_relative_import_files


def register(classes: dict[str, type[PreTrainedModel]]) -> None:
    """Registers the table of a modeling file: name of the Auto class -> model class.

    A class may stand under several names; the last one is that under which transformers itself saves it.
    """
    for name, cls in classes.items():
        cls.register_for_auto_class(name)


def written_class(cls: type) -> type:
    """The class whose source file is the model's: FSDP2 gives a sharded model a class of its own in a file of torch."""
    return next(base for base in cls.__mro__ if not base.__module__.startswith("torch."))


def model_auto_map(cls: type[PreTrainedModel]) -> dict[str, str]:
    """What the folder of a model names: the classes of its modeling file, as {"AutoModel": "modeling_x.XModel"}.

    A class from another file, such as a user's subclass, is named alone: its file is the one that is saved.
    """
    cls = written_class(cls)
    classes = dict(getattr(sys.modules[cls.__module__], "AUTO_CLASSES", {}))
    if cls._auto_class is not None and cls not in classes.values():
        classes[cls._auto_class] = cls
    return {name: f"{found.__module__.rpartition('.')[-1]}.{found.__name__}" for name, found in classes.items()}


def copy_code(cls: type, folder: str | Path) -> None:
    """Copies the file of a class, and those that it imports as siblings, into an existing folder."""
    file = sys.modules[cls.__module__].__file__
    for needed in (file, *get_relative_import_files(file)):
        shutil.copyfile(needed, Path(folder) / Path(needed).name)


def named_files(auto_map: dict[str, Any], folder: str | Path) -> dict[str, Any]:
    """The entries of an `auto_map` whose file is in a folder (or in another repository: "owner/name--file.Class")."""

    def exists(name: str) -> bool:
        return "--" in name or (Path(folder) / f"{name.split('.')[0]}.py").is_file()

    # a tokenizer has a list of two names, of which one may be null
    names = {auto: value if isinstance(value, (list, tuple)) else [value] for auto, value in auto_map.items()}
    return {auto: auto_map[auto] for auto, found in names.items() if all(exists(name) for name in found if name)}


__all__ = ["copy_code", "model_auto_map", "named_files", "register", "written_class"]
