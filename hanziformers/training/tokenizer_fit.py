"""A tokenizer and the model that reads what it makes: whether they fit, and what of it the model takes."""

from collections.abc import Container
from inspect import signature

from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from .new_model import hears_sounds, sees_glyphs

GLYPHS = ("glyph_ids", "extra_glyphs")


def fit_tokenizer(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> None:
    """Lets the tokenizer make only what the model takes, also when it is reloaded, and not more tokens than it takes.

    Raises:
        ValueError: the model does not take the tokenizer's ids, or knows another number of characters, syllables or
            words.
    """
    inputs = signature(model.forward).parameters
    # heads name input_ids for models of words too, and pass them on
    if (main := tokenizer.model_input_names[0]) not in signature(model.base_model.forward).parameters:
        raise ValueError(
            f"a {type(tokenizer).__name__} makes {main}, which a {type(model).__name__} does not take: leave "
            "--tokenizer_type out"
        )
    bank = "extra_glyphs" in inputs
    names = _names(tokenizer, inputs, bank and sees_glyphs(model.config))
    if names != tokenizer.model_input_names:
        tokenizer.model_input_names = tokenizer.init_kwargs["model_input_names"] = names  # init_kwargs are saved
    if bank:
        _check_bank(model.config, tokenizer)
    _check_lexicon(model.config, tokenizer)
    positions = getattr(model.config, "max_position_embeddings", None)  # some encoders set no limit
    tokenizer.model_max_length = min(tokenizer.model_max_length, positions or tokenizer.model_max_length)


def _names(tokenizer: PreTrainedTokenizerBase, inputs: Container[str], looks: bool) -> list[str]:
    """What the tokenizer is to make.

    Args:
        tokenizer: as it was made or loaded, also with a model that took less.
        inputs: what the model takes.
        looks: whether the model has a bank of glyph images, and reads it.
    """
    names = list(tokenizer.model_input_names)
    if not looks:
        return [name for name in names if name in inputs and name not in GLYPHS]
    if "glyph_ids" in type(tokenizer).model_input_names:  # left out where an earlier model saw no glyphs
        names += GLYPHS if tokenizer.glyph_values is not None else GLYPHS[:1]
    return [name for name in dict.fromkeys(names) if name in inputs]


def _check_bank(config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuses a tokenizer that numbers characters or syllables differently from the model's banks.

    Raises:
        ValueError: names the sizes of both.
    """
    numbered = getattr(tokenizer, "glyph_vocab_size", None)
    if numbered != config.num_glyphs:
        raise ValueError(
            f"the model has a bank of {config.num_glyphs} glyph images, its tokenizer numbers {numbered}; take model "
            "and processor from one folder, as they were saved, or give --from_scratch True"
        )
    sounds = 1 + len(getattr(tokenizer, "syllables", None) or ())  # row 0 is no sound
    if hears_sounds(config) and sounds != config.num_syllables:
        raise ValueError(
            f"the model has a bank of {config.num_syllables} sounds, its tokenizer numbers {sounds}; take model and "
            "processor from one folder, as they were saved, or give --from_scratch True"
        )


def _check_lexicon(config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuses a tokenizer that numbers other words than the model knows."""
    words = len(getattr(tokenizer, "lexicon", ()))
    known = getattr(config, "num_words", words)
    if words != known:
        raise ValueError(
            f"the model knows {known} words, the lexicon of its tokenizer has {words}; take model and tokenizer from "
            "one folder, as they were saved"
        )


__all__ = ["fit_tokenizer"]
