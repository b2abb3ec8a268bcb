"""Fields of a configuration from a command line: `--config_overrides hidden_size=128,num_hidden_layers=2`."""

from difflib import get_close_matches

from transformers import PreTrainedConfig

from .new_model import sees_glyphs

# fields that follow from the labels of the data, and from the tokenizer of a new model
OF_LABELS = ("num_labels", "id2label", "label2id", "problem_type")
OF_TOKENIZER = ("vocab_size", "pad_token_id", "glyph_vocab_size", "num_words", "num_syllables")
_ALLOWED = {int: "an integer", float: "a number", bool: "true or false"}  # by the type of a field's value
_TRUTHS = ("true", "1", "y", "yes", "false", "0", "n", "no")  # which transformers reads


def check_decided(config: PreTrainedConfig, overrides: str, is_new: bool, labelled: bool) -> None:
    """Refuses overrides of fields that the data or the tokenizer decide: they would be lost, or fit nothing.

    Args:
        config: of the model.
        overrides: see `read_overrides`.
        is_new: whether the model is from scratch, so that its sizes are those of the tokenizer.
        labelled: whether the data have labels.

    Raises:
        ValueError: names the fields and what decides them.
    """
    decided = dict.fromkeys(OF_LABELS, "the labels of the data decide") if labelled else {}
    if is_new:
        decided |= dict.fromkeys(OF_TOKENIZER, "the tokenizer decides")
    for name, value in read_overrides(overrides):
        if name in decided and hasattr(config, name):
            raise ValueError(
                f"config_overrides={overrides!r}: {name}={value} cannot be set, as {decided[name]}; leave it out"
            )


def override_fields(config: PreTrainedConfig, overrides: str) -> None:
    """Sets fields of a configuration.

    Args:
        config: is changed.
        overrides: see `read_overrides`.

    Raises:
        ValueError: see `read_overrides`; a name that the configuration lacks, or works out from other fields; a value
            of another type.
    """
    pairs = read_overrides(overrides)
    for name, value in pairs:
        _check_name(config, name, value, overrides)
    # transformers sets no field that is None: there is no value whose type it could take
    empty = [name for name, _ in pairs if getattr(config, name) is None]
    for name, value in pairs:
        if name in empty:
            setattr(config, name, int(value) if value.removeprefix("-").isdecimal() else value)
            continue
        _check_value(type(getattr(config, name)), name, value, overrides)
        config.update_from_string(f"{name}={value}")


def read_overrides(overrides: str) -> list[list[str]]:
    """Reads `hidden_size=128, num_hidden_layers=2`: a list of [name, value].

    Raises:
        ValueError: a piece is no name=value.
    """
    pairs = [[part.strip() for part in piece.split("=")] for piece in overrides.split(",")] if overrides else []
    for pair in pairs:
        if len(pair) != 2 or not all(pair):
            raise ValueError(
                f"config_overrides={overrides!r}: {'='.join(pair)!r} is not allowed; give name=value, separated by "
                "commas, e.g. hidden_size=128,num_hidden_layers=2"
            )
    return pairs


def _check_name(config: PreTrainedConfig, name: str, value: str, overrides: str) -> None:
    """Refuses a field that a configuration lacks, or works out from others."""
    if not hasattr(config, name):
        near = get_close_matches(name, dir(config), n=1)
        raise ValueError(
            f"config_overrides={overrides!r}: a {type(config).__name__} has no field {name}"
            + (f"; did you mean {near[0]}?" if near else "; leave it out, or see its documentation for those it has")
        )
    field_of_class = getattr(type(config), name, None)
    if isinstance(field_of_class, property) and field_of_class.fset is None:
        fix = "set glyph_size and glyph_styles, from which it follows" if sees_glyphs(config) else "leave it out"
        raise ValueError(f"config_overrides={overrides!r}: {name}={value} cannot be set: {fix}")


def _check_value(kind: type, name: str, value: str, overrides: str) -> None:
    """Refuses a value that transformers cannot turn into the type `kind` of a field."""
    try:
        fine = value.lower() in _TRUTHS if kind is bool else kind in (int, float, str) and kind(value) is not None
    except ValueError:
        fine = False
    if not fine:
        allowed = _ALLOWED.get(kind, f"none here, as it is a {kind.__name__}: leave it out")
        raise ValueError(f"config_overrides={overrides!r}: {name}={value} is not allowed; allowed is {allowed}")


__all__ = ["check_decided", "override_fields", "read_overrides"]
