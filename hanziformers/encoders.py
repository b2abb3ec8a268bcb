"""The pre-trained encoders of glyphs and sounds that are shipped; encoder_files/README.md says how they were made."""

from pathlib import Path

from safetensors.torch import save

from .modeling.swin import SwinEncoder

FOLDER = Path(__file__).parent / "encoder_files"
MODALITIES = ("glyph", "phonetic")


def encoder_file(modality: str) -> str:
    """The file of a shipped encoder.

    Args:
        modality: "glyph" or "phonetic".

    Raises:
        ValueError: another modality.

    Example:
        >>> MpmCnerForTokenClassification.from_encoders(
        ...     semantic="bert-base-chinese", glyph=encoder_file("glyph"), phonetic=encoder_file("phonetic")
        ... )
    """
    if modality not in MODALITIES:
        raise ValueError(f"there is no encoder {modality!r}; shipped are {' and '.join(MODALITIES)}")
    return str(FOLDER / f"{modality}.safetensors")


def save_encoder(encoder: SwinEncoder, path: str | Path) -> None:
    """Writes the weights of an encoder in half precision, for `MpmCnerForTokenClassification.from_encoders`.

    Raises:
        ValueError: half precision cannot hold a weight; names it.
    """
    weights = {name: weight.detach().half().cpu().contiguous() for name, weight in encoder.state_dict().items()}
    for name, weight in weights.items():
        if not weight.isfinite().all():
            raise ValueError(f"{name} holds values beyond 65504, or none; half precision cannot hold this encoder")
    Path(path).write_bytes(save(weights, {"format": "pt"}))


__all__ = ["MODALITIES", "encoder_file", "save_encoder"]
