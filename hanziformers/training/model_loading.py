"""Models with what turns text into their inputs, from a checkpoint or from scratch.

    args = ModelArguments(model_type="glyph_crm", vocab_file="vocab.txt")
    model, processing_class, labels = load_model(args, AutoModel)

`processing_class` is the checkpoint's processor (GlyphCRM: tokenizer and image processor) or, where there is none, its
tokenizer; called on texts it returns the inputs of the model.
"""

from dataclasses import dataclass, field
from inspect import signature
from math import prod
from typing import Any

from transformers import AutoConfig, AutoProcessor, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.processing_utils import ProcessorMixin

from .new_model import get_tokenizer, new_processing_class, render_glyphs, sees_glyphs

FROM_SCRATCH = ("model_type", "tokenizer_type", "vocab_file", "glyph_styles", "vocabulary_bank")


@dataclass
class ModelArguments:
    """Which model: a checkpoint, or one from scratch."""

    model_name_or_path: str | None = field(default=None, metadata={"help": "checkpoint: a folder or a name of the Hub"})
    from_scratch: bool = field(
        default=False,
        metadata={"help": "take sizes, tokenizer and glyph images of the checkpoint, but new random weights"},
    )
    model_type: str | None = field(default=None, metadata={"help": "from scratch: glyph_crm, chinese_bert, bert, ..."})
    tokenizer_type: str | None = field(
        default=None, metadata={"help": "from scratch: the tokenizer of another model type, for baselines"}
    )
    vocab_file: str | None = field(default=None, metadata={"help": "from scratch: vocabulary, one token a line"})
    config_overrides: str = field(default="", metadata={"help": "e.g. hidden_size=128,num_hidden_layers=2"})
    glyph_styles: str | None = field(
        default=None,
        metadata={"help": "from scratch: fonts, e.g. song or fangsong,xingkai,lishu (see hanziformers.fonts())"},
    )
    vocabulary_bank: bool = field(
        default=False,
        metadata={
            "help": "GlyphCRM from scratch: bank of the vocabulary's glyph images only, not of all that fonts render"
        },
    )
    trust_remote_code: bool = field(default=False, metadata={"help": "run the code that a checkpoint carries"})


def load_model(
    args: ModelArguments,
    auto_class: Any,
    labels: list[str] | None = None,
    training: bool = True,
    problem_type: str | None = None,
) -> tuple[PreTrainedModel, ProcessorMixin | PreTrainedTokenizerBase, list[str]]:
    """Loads a checkpoint or makes a model from scratch.

    A checkpoint that knows all the labels keeps its head; another gets a new one, or is refused where nothing is
    trained. New models that see glyphs get the glyph images of their characters.

    Args:
        args: which model.
        auto_class: e.g. `AutoModelForTokenClassification`.
        labels: the labels of a task's head; None for heads without.
        training: whether a head may be new.
        problem_type: as in transformers' configurations.

    Returns:
        The model, its processor or tokenizer, and the labels in the order of its logits (empty without labels).

    Raises:
        ValueError: neither a checkpoint nor type and vocabulary; options of a new model beside a checkpoint; a
            checkpoint without the labels; glyph images that do not fit the model; overrides that are no name=value.
        StrictDataclassError: values that the configuration does not allow.
    """
    checkpoint, remote = args.model_name_or_path, {}
    if checkpoint:
        remote = {"trust_remote_code": args.trust_remote_code}
        config = AutoConfig.from_pretrained(checkpoint, **remote)
        processing_class = AutoProcessor.from_pretrained(checkpoint, **remote)
        _check_options(args, config, processing_class)
        labels = _labels(checkpoint, config, labels, training)
    elif args.model_type and args.vocab_file:
        config, processing_class = AutoConfig.for_model(args.model_type), None
    else:
        raise ValueError("which model? give --model_name_or_path, or both --model_type and --vocab_file")
    _set_fields(args, config, labels, problem_type)
    if processing_class is None:
        processing_class = new_processing_class(config, args.vocab_file, args.tokenizer_type, args.vocabulary_bank)
    if checkpoint and not args.from_scratch:
        # the head's size may have changed with the labels; what does not fit is made new, which transformers logs
        model = auto_class.from_pretrained(checkpoint, config=config, ignore_mismatched_sizes=True, **remote)
    else:
        model = auto_class.from_config(config, **remote)
        if sees_glyphs(config):
            render_glyphs(model, processing_class)
    _fit_tokenizer(get_tokenizer(processing_class), model)
    return model, processing_class, labels or []


def _check_options(
    args: ModelArguments, config: PreTrainedConfig, processing_class: ProcessorMixin | PreTrainedTokenizerBase
) -> None:
    """Refuses options that a checkpoint leaves without effect.

    Only where glyph images are rendered again and no image processor of the checkpoint decides how, styles have one.
    """
    styles_count = (
        args.from_scratch and sees_glyphs(config) and getattr(processing_class, "image_processor", None) is None
    )
    given = [name for name in FROM_SCRATCH if getattr(args, name) and not (styles_count and name == "glyph_styles")]
    if given:
        raise ValueError(
            f"{', '.join(f'--{name} {getattr(args, name)}' for name in given)} beside the checkpoint "
            f"{args.model_name_or_path}, which decides that itself: leave it out, or --model_name_or_path"
        )


def _labels(name: str, config: PreTrainedConfig, labels: list[str] | None, training: bool) -> list[str] | None:
    """The checkpoint's own labels where it knows all of the data's, else the data's."""
    if labels is None:
        return None
    own = [config.id2label[index] for index in range(config.num_labels)]
    if set(labels) <= set(own):
        return own
    if not training:
        raise ValueError(f"{name} has the labels {own}, the data {labels}: train it on such data first")
    return labels


def _set_fields(
    args: ModelArguments, config: PreTrainedConfig, labels: list[str] | None, problem_type: str | None
) -> None:
    """Writes what the options say into the configuration, and checks it."""
    if labels is not None:
        config.id2label, config.label2id = dict(enumerate(labels)), {name: index for index, name in enumerate(labels)}
    if problem_type is not None:
        config.problem_type = problem_type
    if args.config_overrides:
        _override(config, args.config_overrides)
    if args.glyph_styles and sees_glyphs(config):
        config.glyph_styles = [name.strip() for name in args.glyph_styles.split(",")]
    config.validate()  # fields that are set one by one are not checked together


def _override(config: PreTrainedConfig, overrides: str) -> None:
    """Sets fields of a configuration: `hidden_size=128, num_hidden_layers=2`."""
    pairs = [[part.strip() for part in piece.split("=")] for piece in overrides.split(",")]
    for pair in pairs:
        if len(pair) != 2 or not all(pair):
            raise ValueError(
                f"config_overrides={overrides!r}: {'='.join(pair)!r} is not allowed; give name=value, separated by "
                "commas, e.g. hidden_size=128,num_hidden_layers=2"
            )
    config.update_from_string(",".join(map("=".join, pairs)))


def _fit_tokenizer(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> None:
    """Lets the tokenizer make only what the model takes, also when it is reloaded, and not more tokens than it takes.

    Raises:
        ValueError: see `_check_bank`.
    """
    inputs = signature(model.forward).parameters
    has_bank = "extra_glyphs" in inputs
    # BERT takes neither glyphs nor pinyin; open glyph_ids mean nothing to a model that takes no glyph images with them
    left_out = set() if has_bank else {"glyph_ids"}
    names = [name for name in tokenizer.model_input_names if name in inputs and name not in left_out]
    if names != tokenizer.model_input_names:
        tokenizer.model_input_names = tokenizer.init_kwargs["model_input_names"] = names  # init_kwargs are saved
    if has_bank:
        _check_bank(model.config, tokenizer)
    positions = getattr(model.config, "max_position_embeddings", tokenizer.model_max_length)
    tokenizer.model_max_length = min(tokenizer.model_max_length, positions)


def _check_bank(config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuses a tokenizer that numbers or renders characters differently from the model's bank.

    Raises:
        ValueError: names the sizes of both.
    """
    numbered, values = (getattr(tokenizer, name, None) for name in ("glyph_vocab_size", "glyph_values"))
    expected = prod(config.glyph_shape)
    if numbered != config.num_glyphs or values not in (None, expected):
        raise ValueError(
            f"the model has a bank of {config.num_glyphs} glyph images {list(config.glyph_shape)} ({expected} values), "
            f"its tokenizer numbers {numbered} and its image processor renders {values} values; take model and "
            "processor from one folder, as they were saved, or give --from_scratch True"
        )


__all__ = ["ModelArguments", "get_tokenizer", "load_model"]
