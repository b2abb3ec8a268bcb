"""Models with what turns text into their inputs, from a checkpoint or from scratch: where the three rooms are joined.

For run_scripts/ and for whoever trains a model of their own:

    model, processing, labels = load_model(ModelArguments(model_type="glyph_crm", vocab_file="vocab.txt"), AutoModel)

`processing_class` is the checkpoint's processor (GlyphCRM: tokenizer and image processor) or, where there is none, its
tokenizer; called on texts it gives what the model takes.
"""

from dataclasses import dataclass, field
from inspect import signature
from math import isqrt, prod
from typing import Any

import torch
from transformers import AutoConfig, AutoProcessor, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING
from transformers.processing_utils import ProcessorMixin

import hanziformers

FROM_SCRATCH = ("model_type", "tokenizer_type", "vocab_file", "glyph_styles", "vocabulary_bank")
PAPER_STYLES = {"glyph_crm": ("song",), "chinese_bert": ("fangsong", "xingkai", "lishu")}


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


def get_tokenizer(processing_class: ProcessorMixin | PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """The tokenizer of a processor; a tokenizer is its own."""
    return getattr(processing_class, "tokenizer", processing_class)


def font_manifest(
    model: PreTrainedModel, processing_class: ProcessorMixin | PreTrainedTokenizerBase
) -> dict[str, Any] | None:
    """Which fonts drew the characters of a model; None for one that has no glyph images, or does not know."""
    image_processor = getattr(processing_class, "image_processor", None)
    if image_processor is not None:
        return image_processor.font_manifest or image_processor.make_font_manifest(
            get_tokenizer(processing_class).bank_tokens()
        )
    return getattr(model.config, "font_manifest", None)


def load_model(
    args: ModelArguments,
    auto_class: Any,
    labels: list[str] | None = None,
    training: bool = True,
    problem_type: str | None = None,
) -> tuple[PreTrainedModel, ProcessorMixin | PreTrainedTokenizerBase, list[str]]:
    """A checkpoint or a model from scratch, its processor or tokenizer, and the labels in the order of its logits.

    A checkpoint that knows all the labels keeps its head; another gets a new one, or is refused where nothing is
    trained. New GlyphCRM and ChineseBERT models get their characters' glyph images rendered.

    Args:
        args: which model.
        auto_class: e.g. `AutoModelForTokenClassification`.
        labels: the labels of a task's head; None for heads without.
        training: whether a head may be new.
        problem_type: as in transformers' configurations.

    Raises:
        ValueError: neither a checkpoint nor type and vocabulary; options of a new model beside a checkpoint; a
            checkpoint without the labels; glyph images that do not fit the model; overrides that are no name=value.
    """
    if args.model_name_or_path:
        remote = {"trust_remote_code": args.trust_remote_code}
        config = AutoConfig.from_pretrained(args.model_name_or_path, **remote)
        _check_options(args, config)
        processing_class = AutoProcessor.from_pretrained(args.model_name_or_path, **remote)
        labels = _labels(args.model_name_or_path, config, labels, training)
    elif args.model_type and args.vocab_file:
        remote, config = {}, AutoConfig.for_model(args.model_type)
        processing_class = None
    else:
        raise ValueError("which model? give --model_name_or_path, or both --model_type and --vocab_file")
    if labels is not None:
        config.id2label, config.label2id = dict(enumerate(labels)), {name: index for index, name in enumerate(labels)}
    if problem_type is not None:
        config.problem_type = problem_type
    if args.config_overrides:
        _override(config, args.config_overrides)
    if processing_class is None:
        processing_class = _new_processing(args, config)
    config.validate()
    if args.model_name_or_path and not args.from_scratch:
        model = auto_class.from_pretrained(
            args.model_name_or_path, config=config, ignore_mismatched_sizes=True, **remote
        )
    else:
        _check_drawing(config, processing_class)
        model = auto_class.from_config(config, **remote)
        _draw(args, model, processing_class)
    tokenizer = get_tokenizer(processing_class)
    _leave_out_inputs(tokenizer, model)
    if model.config.model_type == "glyph_crm":
        _check_bank(model, tokenizer)
    positions = getattr(config, "max_position_embeddings", tokenizer.model_max_length)
    tokenizer.model_max_length = min(tokenizer.model_max_length, positions)
    return model, processing_class, labels or []


def _check_options(args: ModelArguments, config: PreTrainedConfig) -> None:
    """Refuses options that a checkpoint leaves without effect; only ChineseBERT's glyph images are rendered anew."""
    redrawn = args.from_scratch and config.model_type == "chinese_bert"
    given = [name for name in FROM_SCRATCH if getattr(args, name) and not (redrawn and name == "glyph_styles")]
    if given:
        raise ValueError(
            f"{', '.join(f'--{name} {getattr(args, name)}' for name in given)} beside the checkpoint "
            f"{args.model_name_or_path}, which decides that itself: leave it out, or --model_name_or_path"
        )


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


def _check_drawing(config: PreTrainedConfig, processing_class: ProcessorMixin | PreTrainedTokenizerBase) -> None:
    """Refuses to make a GlyphCRM for other glyph images than its image processor renders."""
    image_processor = getattr(processing_class, "image_processor", None)
    if config.model_type != "glyph_crm" or image_processor is None:
        return
    if len(image_processor.styles) != 1:
        raise ValueError(
            f"glyph_styles={','.join(image_processor.styles)} is not allowed: GlyphCRM sees one font; give one"
        )
    if image_processor.size != config.glyph_size:
        raise ValueError(
            f"glyph_size={config.glyph_size} is not allowed: the checkpoint's image processor renders {image_processor.size} "
            f"pixels; leave it out of --config_overrides, or give --model_type and --vocab_file in place of the "
            "checkpoint"
        )


def _leave_out_inputs(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> None:
    """Lets the tokenizer make only what the model takes (BERT: neither glyphs nor pinyin), also when it is reloaded."""
    inputs = signature(model.forward).parameters
    names = [name for name in tokenizer.model_input_names if name in inputs]
    if names != tokenizer.model_input_names:
        tokenizer.model_input_names = tokenizer.init_kwargs["model_input_names"] = names  # init_kwargs are saved


def _check_bank(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuses a tokenizer that numbers or renders characters differently from the model's bank."""
    rows, *shape = model.base_model.get_input_embeddings().glyphs.shape
    if tokenizer.glyph_vocab_size != rows or tokenizer.glyph_values not in (None, prod(shape)):
        raise ValueError(
            f"the model has a bank of {rows} glyph images {shape} ({prod(shape)} values), its tokenizer numbers "
            f"{tokenizer.glyph_vocab_size} and its image processor renders {tokenizer.glyph_values} values; take model "
            "and processor from one folder, as they were saved, or give --from_scratch True"
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


def _new_processing(args: ModelArguments, config: PreTrainedConfig) -> ProcessorMixin | PreTrainedTokenizerBase:
    """Tokenizer or processor on a vocabulary; writes the sizes that follow from it into the configuration."""
    wanted = args.tokenizer_type or args.model_type
    tokenizer = TOKENIZER_MAPPING[type(AutoConfig.for_model(wanted))](args.vocab_file)
    config.vocab_size = len(tokenizer)
    if args.model_type != "glyph_crm":
        return tokenizer
    image_processor = hanziformers.HanziGlyphImageProcessor(
        styles=_styles(args, config), size=config.glyph_size, binary=True
    )
    processor = hanziformers.HanziProcessor(image_processor, tokenizer)
    if not args.vocabulary_bank:
        processor.extend_bank()
    config.glyph_vocab_size = processor.tokenizer.glyph_vocab_size
    return processor


def _styles(args: ModelArguments, config: PreTrainedConfig) -> list[str]:
    """The fonts asked for, else those of the checkpoint's glyph images, else the paper's."""
    if args.glyph_styles:
        return [name.strip() for name in args.glyph_styles.split(",")]
    manifest = getattr(config, "font_manifest", None)
    return [entry["style"] for entry in manifest["styles"]] if manifest else list(PAPER_STYLES[config.model_type])


def _draw(
    args: ModelArguments, model: PreTrainedModel, processing_class: ProcessorMixin | PreTrainedTokenizerBase
) -> None:
    """Gives a new model its glyph images, after its weights were initialised.

    ChineseBERT's values are ink from 0 to 1, not the published 0 to 255: with those the gradient of `glyph_map` is
    some thousand times that of any other weight and rules the clipping of the global norm.
    """
    kind, base = model.config.model_type, model.base_model
    if kind == "glyph_crm":
        base.set_glyphs(torch.from_numpy(processing_class.render_bank()))
    elif kind == "chinese_bert":
        styles = _styles(args, model.config)
        size = isqrt(model.config.glyph_embedding_dim // len(styles))
        if len(styles) * size**2 != model.config.glyph_embedding_dim:
            raise ValueError(
                f"glyph_embedding_dim={model.config.glyph_embedding_dim} holds no square glyph images in {len(styles)} "
                f"fonts ({', '.join(styles)}); allowed are {len(styles)} * size * size, e.g. {len(styles) * 24**2}"
            )
        image_processor = hanziformers.HanziGlyphImageProcessor(styles=styles, size=size, binary=False)
        tokens = processing_class.convert_ids_to_tokens(range(len(processing_class)))
        base.set_glyphs(torch.from_numpy(image_processor.render(tokens)) / 255)
        model.config.font_manifest = image_processor.make_font_manifest(tokens)


__all__ = ["ModelArguments", "font_manifest", "load_model", "get_tokenizer"]
