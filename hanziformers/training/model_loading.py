"""Models with what turns text into their inputs, from a checkpoint or from scratch.

    args = ModelArguments(model_type="glyph_crm", vocab_file="vocab.txt")
    model, processing_class, labels = load_model(args, AutoModel)

`processing_class` is the checkpoint's processor (GlyphCRM: tokenizer and image processor) or, where there is none, its
tokenizer; called on texts it returns the inputs of the model.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from transformers import AutoConfig, AutoProcessor, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.processing_utils import ProcessorMixin
from transformers.utils import logging

from ..registration import FAMILIES
from .config_overrides import check_decided, override_fields, read_overrides
from .encoder_options import NAMES, keep_vocabulary, load_encoders, new_config
from .new_model import (
    GLYPH_SETTINGS,
    check_image_processor,
    get_tokenizer,
    has_bank,
    hears_sounds,
    new_processing_class,
    render_glyphs,
    render_sounds,
    sees_glyphs,
    set_special_tokens,
    tokenizer_class_of,
)
from .tokenizer_fit import fit_tokenizer
from .word_options import NAMES as WORD_NAMES
from .word_options import Text, is_given, new_words, warn_of_words

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*
FROM_SCRATCH = ("model_type", "tokenizer_type", "vocab_file", "glyph_styles", "vocabulary_bank", *NAMES, *WORD_NAMES)


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
    vocab_file: str | None = field(
        default=None,
        metadata={"help": "from scratch: vocabulary, one token per line; models of words count theirs by default"},
    )
    lexicon_file: str | None = field(
        default=None,
        metadata={"help": "Lattice-LSTM from scratch: words, one per line; default: those in the training text"},
    )
    cut: str | None = field(
        default=None, metadata={"help": "models of words from scratch: cut texts into words (default) or characters"}
    )
    min_word_count: int | None = field(
        default=None,
        metadata={"help": "models of words from scratch: rarer words of the training text are [UNK] (default: 2)"},
    )
    config_overrides: str = field(default="", metadata={"help": "e.g. hidden_size=128,num_hidden_layers=2"})
    glyph_styles: str | None = field(
        default=None,
        metadata={"help": "from scratch: fonts, e.g. song or fangsong,xingkai,lishu (see hanziformers.fonts())"},
    )
    vocabulary_bank: bool = field(
        default=False,
        metadata={"help": "from scratch: bank of the vocabulary's glyph images only, not of all that fonts render"},
    )
    semantic_encoder: str | None = field(
        default=None,
        metadata={"help": "MPM-CNER, Glyce from scratch: a checkpoint of BERT or of its kind, with its vocabulary"},
    )
    glyph_encoder: str | None = field(
        default=None,
        metadata={"help": "MPM-CNER from scratch: encoder of glyph images, a folder, shipped (default) or random"},
    )
    phonetic_encoder: str | None = field(
        default=None,
        metadata={"help": "MPM-CNER from scratch: encoder of spectrograms, a folder, shipped (default) or random"},
    )
    trust_remote_code: bool = field(default=False, metadata={"help": "run the code that a checkpoint carries"})


def load_model(
    args: ModelArguments,
    auto_class: Any,
    labels: list[str] | None = None,
    training: bool = True,
    problem_type: str | None = None,
    classifier: str | None = None,
    texts: Iterable[Text] = (),
    **fields: Any,
) -> tuple[PreTrainedModel, ProcessorMixin | PreTrainedTokenizerBase, list[str]]:
    """Loads a checkpoint or makes a model from scratch.

    A checkpoint that knows all the labels keeps its head; another gets a new one, also where it has as many labels of
    other names, or is refused where nothing is trained. What lies below the head comes from the checkpoint, or the
    checkpoint is refused (a pooler may be new). New models that see glyphs get the glyph images of their characters.

    Args:
        args: which model.
        auto_class: e.g. `AutoModelForTokenClassification`.
        labels: the labels of a task's head; None for heads without.
        training: whether a head may be new.
        problem_type: as in transformers' configurations.
        classifier: the layers that label tokens, "linear", "mlp" or "crf"; None is the checkpoint's or the default.
            Where a checkpoint has others, the head is new.
        texts: the training text, from which a new model's words are taken where no file has them.
        fields: further fields of the configuration, such as the parts of speech that a new model reads.

    Returns:
        The model, its processor or tokenizer, and the labels in the order of its logits (empty without labels).

    Raises:
        ValueError: neither a checkpoint nor type and vocabulary; a model without a head for the task; options of a new
            model beside a checkpoint; a checkpoint without the labels, or with another classifier, where nothing is
            trained; weights or glyph images that do not fit the model; overrides that are no name=value, of a field
            that there is not, or that cannot be set; a classifier for a model that has no choice of it; words are to
            be taken from training text, and there is none.
        StrictDataclassError: values that the configuration does not allow.
    """
    checkpoint, remote, own = args.model_name_or_path, {}, labels
    if checkpoint:
        remote = {"trust_remote_code": args.trust_remote_code}
        config = AutoConfig.from_pretrained(checkpoint, **remote)
        processing_class = AutoProcessor.from_pretrained(checkpoint, **remote)
        _check_options(args, config, processing_class)
        set_special_tokens(config, get_tokenizer(processing_class))
        own, saw_glyphs = _own_labels(config), sees_glyphs(config)
        labels = _labels(checkpoint, own, labels, training)
        head = {name: getattr(config, name, None) for name in ("classifier", "crf_scheme")}
    else:
        config, processing_class = new_config(args), None
    _check_head(auto_class, config)
    _set_fields(args, config, labels, problem_type=problem_type, classifier=classifier, **fields)
    if not checkpoint:
        _warn_of_options(args, config)  # overrides may have removed what options are about
    else:
        _check_classifier(args, config, head, training)
    if processing_class is None:
        processing_class = _new_processing_class(args, config, texts)
    elif sees_glyphs(config) and _image_processor(processing_class) is not None:
        _check_rendering(args, config, processing_class.image_processor, saw_glyphs)
    if checkpoint and not args.from_scratch:
        model = _load_weights(args, auto_class, config, new_head=labels not in (None, own))
    else:
        model = _new_model(args, auto_class, config, processing_class)
    fit_tokenizer(get_tokenizer(processing_class), model)
    return model, processing_class, labels or []


def _new_processing_class(
    args: ModelArguments, config: PreTrainedConfig, texts: Iterable[Text]
) -> ProcessorMixin | PreTrainedTokenizerBase:
    """That of a vocabulary, of the vocabulary that the semantic encoder has, or of the words of the training text."""
    rows, padding = config.vocab_size, getattr(config, "pad_token_id", None)
    vocabulary, settings = new_words(args, tokenizer_class_of(config, args.tokenizer_type), texts)
    processing_class = new_processing_class(config, vocabulary, args.tokenizer_type, args.vocabulary_bank, **settings)
    if args.semantic_encoder:
        config.pad_token_id = padding  # positions of a RoBERTa count from there
    keep_vocabulary(args, config, rows, get_tokenizer(processing_class))
    return processing_class


def _new_model(
    args: ModelArguments, auto_class: Any, config: PreTrainedConfig, processing_class: Any
) -> PreTrainedModel:
    """A model with new weights, but for encoders that are named, and with all that it sees and hears."""
    if args.model_name_or_path:
        model = auto_class.from_config(config, trust_remote_code=args.trust_remote_code)
    else:
        model = auto_class.from_config(config)
        load_encoders(args, model)
    if sees_glyphs(config):
        render_glyphs(model, processing_class)
    elif hears_sounds(config):
        render_sounds(model, processing_class)
    return model


def _load_weights(args: ModelArguments, auto_class: Any, config: PreTrainedConfig, new_head: bool) -> PreTrainedModel:
    """Loads the weights of a checkpoint; with `new_head` nothing above the base model is taken from it.

    Raises:
        ValueError: see `_check_weights`.
    """
    remote = {"trust_remote_code": args.trust_remote_code}
    # the head's size may have changed with the labels; what does not fit is made new, which transformers logs
    model, info = auto_class.from_pretrained(
        args.model_name_or_path, config=config, ignore_mismatched_sizes=True, output_loading_info=True, **remote
    )
    _check_weights(args, model, info)
    made_new = {*info["missing_keys"], *(key for key, *_ in info["mismatched_keys"])}
    heads = {name: part for name, part in model.named_children() if part is not model.base_model}
    loaded = any(f"{name}.{key}" not in made_new for name, part in heads.items() for key in part.state_dict())
    if new_head and loaded:  # weights of other labels: those of as many labels would stay under the new names
        fresh = auto_class.from_config(config, **remote)
        for name, part in heads.items():
            part.load_state_dict(getattr(fresh, name).state_dict())
    return model


def _check_weights(args: ModelArguments, model: PreTrainedModel, info: dict[str, Any]) -> None:
    """Refuses a checkpoint of which a part below the head does not fit, and was made new.

    Args:
        args: name the checkpoint.
        model: as it was loaded.
        info: what `from_pretrained` says with `output_loading_info`.

    Raises:
        ValueError: names a weight, both shapes, and the fix.
    """
    prefix = "" if model.base_model is model else f"{model.base_model_prefix}."
    pooler = f"{prefix}pooler."  # belongs to the heads: a model of masked characters alone has none
    found = {key: f"has the shape {list(shape)} there" for key, shape, _ in info["mismatched_keys"]}
    found |= {key: "is not there" for key in info["missing_keys"] if not key.startswith(pooler)}
    found = {key: what for key, what in sorted(found.items()) if key.startswith(prefix)}
    if found:
        key, what = next(iter(found.items()))
        overrides = args.config_overrides
        fix = f"leave --config_overrides {overrides} out" if overrides else "correct its config.json"
        raise ValueError(
            f"the weights of {args.model_name_or_path} do not fit the model: {key} {what}, and the model has "
            f"{list(model.state_dict()[key].shape)} ({len(found)} such weights); {fix}, or give --from_scratch True "
            "for new random weights"
        )


def _image_processor(processing_class: ProcessorMixin | PreTrainedTokenizerBase) -> Any:
    """The image processor of a processor (or of a tokenizer with open glyph ids); None where there is none."""
    return getattr(processing_class, "image_processor", None)


def _warn_of_options(args: ModelArguments, config: PreTrainedConfig) -> None:
    """Warns of options about glyph images that a new model has no use for; models compared may share their options."""
    if args.glyph_styles and not sees_glyphs(config):
        logger.warning(
            f"--glyph_styles {args.glyph_styles} has no effect: a {args.model_type} sees no glyph images of characters"
        )
    if args.vocabulary_bank and not has_bank(config):
        logger.warning(f"--vocabulary_bank True has no effect: a {args.model_type} has no bank of glyph images")
    warn_of_words(args, tokenizer_class_of(config, args.tokenizer_type))


def _check_options(
    args: ModelArguments, config: PreTrainedConfig, processing_class: ProcessorMixin | PreTrainedTokenizerBase
) -> None:
    """Refuses options that a checkpoint leaves without effect.

    Only where glyph images are rendered again and no image processor of the checkpoint decides how, settings of glyph
    images have one.
    """
    decided = _image_processor(processing_class) is not None
    styles_count = args.from_scratch and sees_glyphs(config) and not decided
    given = [name for name in FROM_SCRATCH if is_given(getattr(args, name))]
    given = [name for name in given if not (styles_count and name == "glyph_styles")]
    if given:
        raise ValueError(
            f"{', '.join(f'--{name} {getattr(args, name)}' for name in given)} beside the checkpoint "
            f"{args.model_name_or_path}, which decides that itself: leave it out, or --model_name_or_path"
        )
    overridden = [name for name, _ in read_overrides(args.config_overrides) if name in GLYPH_SETTINGS]
    # an image processor that disagrees is refused later, with both values; see check_image_processor
    if overridden and not decided and not args.from_scratch:
        raise ValueError(
            f"--config_overrides {args.config_overrides} sets {', '.join(overridden)} beside the checkpoint "
            f"{args.model_name_or_path}, whose glyph images are rendered already: leave it out, or give --from_scratch "
            "True"
        )


def _check_rendering(args: ModelArguments, config: PreTrainedConfig, image_processor: Any, saw_glyphs: bool) -> None:
    """Refuses glyph images other than those of the checkpoint, which may have been made for a model without glyphs."""
    try:
        check_image_processor(config, image_processor)
    except ValueError as error:
        if saw_glyphs:
            raise
        raise ValueError(
            f"{args.model_name_or_path} is without glyphs, and its image processor renders {image_processor.styles} "
            f"alone: leave --config_overrides {args.config_overrides} out, or make a new model (--model_type "
            f"{config.model_type}) in place of --model_name_or_path"
        ) from error


def _check_head(auto_class: Any, config: PreTrainedConfig) -> None:
    """Refuses a model that has no head for the task, which transformers answers with all those that have one."""
    in_folder = auto_class.__name__ in (getattr(config, "auto_map", None) or {})
    if type(config) in auto_class._model_mapping or in_folder:
        return
    ours = [kind.model_type for kind in FAMILIES if kind in auto_class._model_mapping]
    raise ValueError(
        f"a {config.model_type} has no head for this task, {auto_class.__name__}; allowed are the models of "
        f"transformers that have one and, of this package, {', '.join(ours) or 'none'}"
    )


def _own_labels(config: PreTrainedConfig) -> list[str]:
    """The labels of a checkpoint, in the order of its logits."""
    return [config.id2label[index] for index in range(config.num_labels)]


def _labels(name: str, own: list[str], labels: list[str] | None, training: bool) -> list[str] | None:
    """The checkpoint's own labels where it knows all of the data's, else the data's."""
    if labels is None:
        return None
    if set(labels) <= set(own):
        return own
    if not training:
        raise ValueError(f"{name} has the labels {own}, the data {labels}: train it on such data first")
    return labels


def _check_classifier(args: ModelArguments, config: PreTrainedConfig, own: dict[str, Any], training: bool) -> None:
    """Refuses another classifier than the checkpoint's own where it would stay random."""
    for name, value in own.items():
        if not training and getattr(config, name, None) != value:
            raise ValueError(
                f"{args.model_name_or_path} labels tokens with {name}={value!r}; {getattr(config, name)!r} would have "
                "new weights, and nothing is trained: leave it out, or train (--do_train)"
            )


def _set_fields(args: ModelArguments, config: PreTrainedConfig, labels: list[str] | None, **fields: Any) -> None:
    """Writes what the options say into the configuration, and checks it; of `fields` those that are not None."""
    if labels is not None:
        config.id2label, config.label2id = dict(enumerate(labels)), {name: index for index, name in enumerate(labels)}
    for name, value in fields.items():
        if value is not None and not hasattr(config, name):
            raise ValueError(
                f"--{name} {value}: a {config.model_type} has no choice of it; leave it out, or take a model of this "
                "package (--model_type chinese_bert, glyph_crm ...)"
            )
        if value is not None:
            setattr(config, name, value)
    if args.config_overrides:
        check_decided(config, args.config_overrides, is_new=not args.model_name_or_path, labelled=labels is not None)
        override_fields(config, args.config_overrides)
    if args.glyph_styles and sees_glyphs(config):
        config.glyph_styles = [name.strip() for name in args.glyph_styles.split(",")]
    config.validate()  # fields that are set one by one are not checked together


__all__ = ["ModelArguments", "Text", "get_tokenizer", "load_model"]
