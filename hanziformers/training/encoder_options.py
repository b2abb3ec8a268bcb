"""Encoders that were trained before, for a new model that is put together from several (MPM-CNER, Glyce)."""

from typing import Protocol

from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from ..encoders import MODALITIES, encoder_file
from ..modeling.mpm_encoders import swin_sizes
from ..modeling.semantic_weights import semantic_config
from .new_model import tokenizer_class_of
from .word_options import counts_words

SHIPPED, RANDOM = "shipped", "random"
NAMES = ("semantic_encoder", *(f"{modality}_encoder" for modality in MODALITIES))
_SWITCHES = dict(zip(MODALITIES, ("use_glyphs", "use_sounds"), strict=True))


class EncoderOptions(Protocol):
    """Those of ModelArguments that are read here."""

    model_name_or_path: str | None
    model_type: str | None
    tokenizer_type: str | None
    vocab_file: str | None
    semantic_encoder: str | None
    glyph_encoder: str | None
    phonetic_encoder: str | None
    trust_remote_code: bool


def new_config(args: EncoderOptions) -> PreTrainedConfig:
    """The configuration of a new model: around that of the semantic encoder, with the sizes of the others, where named.

    Args:
        args: the options.

    Raises:
        ValueError: no type, or no vocabulary; an encoder is named, and models of this type have none; the encoders of
            glyphs and sounds have different sizes.
    """
    config = AutoConfig.for_model(args.model_type) if args.model_type else None
    has_vocabulary = args.vocab_file or args.semantic_encoder
    if config is None or not (has_vocabulary or counts_words(tokenizer_class_of(config, args.tokenizer_type))):
        raise ValueError(
            "which model? give --model_name_or_path, or both --model_type and --vocab_file (MPM-CNER, Glyce: or "
            "both --model_type and --semantic_encoder; models of words: --model_type alone)"
        )
    given, own = [name for name in NAMES if getattr(args, name)], _own_encoders(config)
    if refused := [f"--{name} {getattr(args, name)}" for name in given if name not in own]:
        known = f" (but from --{', --'.join(own)})" if own else ""
        raise ValueError(
            f"{', '.join(refused)} beside --model_type {args.model_type}, which is not put together from encoders"
            f"{known}: leave it out, or name the checkpoint itself: --model_name_or_path"
        )
    if not given:
        return config
    named = {modality: getattr(args, f"{modality}_encoder") for modality in MODALITIES}
    fields = swin_sizes({name: source for name, source in named.items() if source not in (None, SHIPPED, RANDOM)})
    if args.semantic_encoder:
        fields["semantic_config"] = semantic_config(args.semantic_encoder, args.trust_remote_code)
    return AutoConfig.for_model(args.model_type, **fields)


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
    if not _own_encoders(model.config):
        return
    sources = _swin_sources(args, model.config)
    try:
        model.load_encoders(args.semantic_encoder, **sources, trust_remote_code=args.trust_remote_code)
    except ValueError as error:
        hint = " (For new weights give --glyph_encoder random or --phonetic_encoder random.)" if sources else ""
        raise ValueError(f"{error}{hint}") from error


def origin(args: EncoderOptions, config: PreTrainedConfig) -> str:
    """What the card of a new model says of where it comes from.

    Args:
        args: the options.
        config: of the model.
    """
    if args.model_name_or_path or not _own_encoders(config):  # a checkpoint gives sizes alone
        return "trained from scratch"
    names = {name: "the shipped one" if _is_shipped(args, name) else None for name in _swin_sources(args, config)}
    names = {name: text or f"`{getattr(args, f'{name}_encoder')}`" for name, text in names.items()}
    names = {"semantic": f"`{args.semantic_encoder}`" if args.semantic_encoder else None, **names}
    named = [f"{name}: {text}" for name, text in names.items() if text]
    if not named:
        return "trained from scratch"
    return f"put together from encoders ({', '.join(named)}), all else new, and trained"


def parts(config: PreTrainedConfig) -> str:
    """What the card of a model says of the parts that its switches removed; empty where it is whole."""
    fields = config.to_dict()  # in models of LSTMs `use_glyphs` is read from the field `glyce`
    switches = (*_SWITCHES.values(), "cross_modality", "glyce")
    removed = [f"{name}=False" for name in switches if fields.get(name) is False]
    return f" without some of its parts (`{', '.join(removed)}`)" if removed else ""


def _swin_sources(args: EncoderOptions, config: PreTrainedConfig) -> dict[str, str]:
    """Modality -> the file or name of its encoder, for those that are not new."""
    sources = {}
    for modality in MODALITIES:
        named, is_own = getattr(args, f"{modality}_encoder"), f"{modality}_encoder" in _own_encoders(config)
        if not is_own or named == RANDOM or (named is None and not getattr(config, _SWITCHES[modality])):
            continue
        sources[modality] = encoder_file(modality) if _is_shipped(args, modality) else named
    return sources


def _is_shipped(args: EncoderOptions, modality: str) -> bool:
    return getattr(args, f"{modality}_encoder") in (None, SHIPPED)


def _own_encoders(config: PreTrainedConfig) -> tuple[str, ...]:
    """Those of `NAMES` that a model is put together from: Glyce has no Swin encoders."""
    if not hasattr(config, "semantic_config"):
        return ()
    return NAMES if hasattr(config, "swin_sizes") else NAMES[:1]


__all__ = ["NAMES", "RANDOM", "SHIPPED", "keep_vocabulary", "load_encoders", "new_config", "origin", "parts"]
