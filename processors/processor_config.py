"""processor_config.json, which holds the settings of the parts of a processor that are no tokenizer."""

import json
from pathlib import Path

from transformers.utils import IMAGE_PROCESSOR_NAME, PROCESSOR_NAME


def add_part(folder: str | Path, part: str) -> tuple[Path, Path]:
    """Moves the settings of a part that was saved alone into processor_config.json, beside the other parts.

    Image processors and feature extractors write their settings to a file of one name, preprocessor_config.json.

    Args:
        folder: of the checkpoint.
        part: "image_processor" or "feature_extractor".

    Returns:
        The file that is gone, and processor_config.json.
    """
    settings = Path(folder) / IMAGE_PROCESSOR_NAME
    whole = settings.with_name(PROCESSOR_NAME)
    parts = json.loads(whole.read_text(encoding="utf-8")) if whole.is_file() else {}
    parts[part] = json.loads(settings.read_text(encoding="utf-8"))
    whole.write_text(json.dumps(parts, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    settings.unlink()
    return settings, whole


__all__ = ["add_part"]
