"""Encoders that were trained before, for a new model that is put together from several (MPM-CNER)."""

from typing import Any, Protocol

from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from ..encoders import MODALITIES, encoder_file

SHIPPED, RANDOM = "shipped", "random"
NAMES = ("semantic_encoder", *(f"{modality}_encoder" for modality in MODALITIES))
_SWITCHES = dict(zip(MODALITIES, ("use_glyphs", "use_sounds"), strict=True))


class EncoderOptions(Protocol):
    """Those of ModelArguments that are read here."""

    model_type: str | None
    vocab_file: str | None
    semantic_encoder: str | None
    trust_remote_code: bool


def new_config(args: EncoderOptions) -> PreTrainedConfig:
    """The configuration of a new model, around that of the semantic encoder if one is named.

    Args:
        args: the options.

    Raises:
        ValueError: no type, or no vocabulary; an encoder is named, and models of this type have none.
    """
    if not args.model_type or not (args.vocab_file or args.semantic_encoder):
        raise ValueError(
            "which model? give --model_name_or_path, or both --model_type and --vocab_file (MPM-CNER: or both "
            "--model_type and --semantic_encoder)"
        )
    config = AutoConfig.for_model(args.model_type)
    given = [f"--{name} {getattr(args, name)}" for name in NAMES if getattr(args, name)]
    if given and not _is_made_of_encoders(config):
        raise ValueError(
            f"{', '.join(given)} beside --model_type {args.model_type}, which is not put together from encoders: leave "
            "it out, or name the checkpoint itself: --model_name_or_path"
        )
    if args.semantic_encoder:
        semantic = AutoConfig.from_pretrained(args.semantic_encoder, trust_remote_code=args.trust_remote_code)
        config = AutoConfig.for_model(args.model_type, semantic_config=semantic)
    return config


def keep_vocabulary(
    args: EncoderOptions, config: PreTrainedConfig, rows: int, tokenizer: PreTrainedTokenizerBase
) -> None:
    """Gives a configuration back the size of its semantic encoder's vocabulary, which may have unused rows at its end.

    Args:
        args: the options.
        config: of the new model.
        rows: of the word table in the semantic encoder.
        tokenizer: of the new model.

    Raises:
        ValueError: the tokenizer has more tokens than the encoder, or the glyph bank fewer rows.
    """
    if not args.semantic_encoder:
        return
    if len(tokenizer) > rows:
        raise ValueError(
            f"the tokenizer has {len(tokenizer)} tokens, --semantic_encoder {args.semantic_encoder} {rows} rows for "
            "them: leave --vocab_file out, which takes the tokenizer of that folder, or name the one that belongs to it"
        )
    if config.num_glyphs < rows:
        raise ValueError(
            f"--vocabulary_bank True gives the glyph bank {config.num_glyphs} rows, and --semantic_encoder "
            f"{args.semantic_encoder} has {rows} for tokens: leave --vocabulary_bank out"
        )
    config.vocab_size = rows


def load_encoders(args: EncoderOptions, model: PreTrainedModel) -> None:
    """Gives a new model the encoders that the options name; by default those of glyphs and sounds that are shipped.

    Args:
        args: the options. "shipped" (also where nothing is said) is the package's own, "random" new weights; else a
            folder, a file, or a name of the Hub.
        model: with new weights; one that is not put together from encoders is left alone.

    Raises:
        ValueError: an encoder that does not fit, or of a modality that the model does not have.
    """
    if not _is_made_of_encoders(model.config):
        return
    sources: dict[str, Any] = {}
    for modality in MODALITIES:
        named = getattr(args, f"{modality}_encoder")
        if named == RANDOM or (named is None and not getattr(model.config, _SWITCHES[modality])):
            continue
        sources[modality] = encoder_file(modality) if named in (None, SHIPPED) else named
    try:
        model.load_encoders(args.semantic_encoder, **sources, trust_remote_code=args.trust_remote_code)
    except ValueError as error:
        raise ValueError(
            f"{error} (For new weights give --glyph_encoder random or --phonetic_encoder random.)"
        ) from error


def _is_made_of_encoders(config: PreTrainedConfig) -> bool:
    return hasattr(config, "semantic_config")


__all__ = ["NAMES", "RANDOM", "SHIPPED", "keep_vocabulary", "load_encoders", "new_config"]
