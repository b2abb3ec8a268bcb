"""The ways of pre-training, one entry of `RECIPES` each: a further family adds its entry and nothing else.

recipe = RECIPES["glyph_crm"]
encode = recipe.encoder(processing_class, length=512)
make = recipe.examples(tokenizer, length=512, short_seq_prob=0.1)
collator = recipe.collator(tokenizer, mlm_probability=0.15, seed=42)
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

import numpy as np
from transformers import AutoModelForMaskedLM, AutoModelForPreTraining, PreTrainedModel, PreTrainedTokenizerBase
from transformers.processing_utils import ProcessorMixin

from ..tokenization.words import token_words
from .causal_collator import DataCollatorForNextCharacters
from .masking_collator import DataCollatorForMaskedCharacters
from .new_model import sees_glyphs
from .pretraining_text import MakeExamples, SentenceEncoder, packs, pairs


@dataclass(frozen=True)
class Recipe:
    """One way of pre-training: tokenizer, examples, masks and loss, with the published settings.

    Args:
        objective: what the model learns, in words; see `describe` for the names in braces.
        model_type: the model that is trained and the tokenizer that is used, unless others are named.
        auto_class: which head the model has.
        segments: of an example: 2 for sentence pairs (with `next_sentence_label`), 1 for text alone.
        make_examples: (tokenizer, length, **options) -> documents to examples.
        example_options: names of the user's options which `make_examples` takes.
        collator_class: makes batches of examples.
        collator_options: names of the user's options which the collator takes.
        collator_settings: what else the collator is given.
        words: numbers the words of a sentence's tokens; None for masks without words.
        presets: published optimizer and schedule, by name. A batch is that of one process: divide it by processes and
            accumulation steps.
        masks: whether tokens are masked, so that losses by what is shown in their place have a meaning.
    """

    objective: str
    model_type: str
    auto_class: Any
    segments: int
    make_examples: Callable[..., MakeExamples]
    example_options: tuple[str, ...] = ()
    collator_class: type[DataCollatorForMaskedCharacters] = DataCollatorForMaskedCharacters
    collator_options: tuple[str, ...] = ()
    collator_settings: dict[str, Any] = field(default_factory=dict)
    words: Callable[[str, np.ndarray], np.ndarray] | None = None
    presets: dict[str, dict[str, Any]] = field(default_factory=dict)
    masks: bool = True

    @property
    def options(self) -> set[str]:
        """The user's options that have an effect with this recipe and not with every other."""
        return {*self.example_options, *self.collator_options}

    @property
    def next_sentence(self) -> bool:
        """Whether examples are pairs, so that the model itself sums two losses."""
        return self.segments == 2

    def takes(self, model: PreTrainedModel) -> bool:
        """Whether a model takes the labels of the recipe's examples."""
        return not self.next_sentence or "next_sentence_label" in signature(model.forward).parameters

    def describe(self, model: PreTrainedModel, whole_word_ratio: float, packed_prob: float, **options: Any) -> str:
        """What a model learns with these options, in words: `objective`, filled in."""
        return self.objective.format(
            glyphs=" on glyph images" if sees_glyphs(model.config) else "",
            masks=_mixture("whole words", "characters", whole_word_ratio),
            texts=_mixture("packed sentences", "single sentences", packed_prob),
        )

    def encoder(self, processing_class: ProcessorMixin | PreTrainedTokenizerBase, length: int) -> SentenceEncoder:
        """Texts to sentences, each so short that `segments` of them fit into `length` tokens."""
        special = 1 + self.segments  # [CLS], and [SEP] after every segment
        return SentenceEncoder(processing_class, longest=(length - special) // self.segments, words=self.words)

    def examples(self, tokenizer: PreTrainedTokenizerBase, length: int, **options: Any) -> MakeExamples:
        """Documents to examples of at most `length` tokens; options of other recipes are left out."""
        return self.make_examples(tokenizer, length, **{name: options[name] for name in self.example_options})

    def collator(
        self,
        tokenizer: PreTrainedTokenizerBase,
        seed: int,
        shown_as: Mapping[int, int] | None = None,
        **options: Any,
    ) -> DataCollatorForMaskedCharacters:
        """Examples to batches; options of other recipes are left out."""
        own = {name: options[name] for name in self.collator_options} | self.collator_settings
        return self.collator_class(tokenizer, seed=seed, shown_as=shown_as, **own)


def _mixture(first: str, second: str, ratio: float) -> str:
    """Two kinds and their percentages; only one kind where there is no other."""
    if ratio in (0, 1):
        return first if ratio else second
    return f"{first} ({100 * ratio:g} % of the examples) and {second} ({100 - 100 * ratio:g} %)"


# GlyphCRM: section 4.1.3. "released" has the values of the authors' code, but not its AdamW without bias correction,
# which torch lacks.
_GLYPH_CRM = {
    "learning_rate": 1e-4,
    "adam_beta2": 0.999,
    "adam_epsilon": 1e-8,
    "weight_decay": 0.01,
    "warmup_steps": 10_000,
    "per_device_train_batch_size": 256,
    "max_seq_length": 512,
}
# ChineseBERT: section 4.3
_CHINESE_BERT = {
    "learning_rate": 1e-4,
    "adam_beta2": 0.98,
    "adam_epsilon": 1e-6,
    "weight_decay": 0.01,
    "warmup_steps": 20_000,
    "max_steps": 500_000,
    "per_device_train_batch_size": 3_200,
    "max_seq_length": 512,
}

RECIPES = {
    "glyph_crm": Recipe(
        objective="masked characters{glyphs}, and next sentence; the loss is the sum of both means",
        model_type="glyph_crm",
        auto_class=AutoModelForPreTraining,
        segments=2,
        make_examples=pairs,
        example_options=("short_seq_prob",),
        collator_options=("mlm_probability",),
        collator_settings={"predict_unknown": True},  # section 3.4.1
        presets={"paper": _GLYPH_CRM, "released": {**_GLYPH_CRM, "adam_beta2": 0.98, "adam_epsilon": 1e-6}},
    ),
    "chinese_bert": Recipe(
        objective="masked {masks}, in {texts}, without next sentence",
        model_type="chinese_bert",
        auto_class=AutoModelForMaskedLM,
        segments=1,
        make_examples=packs,
        example_options=("packed_prob",),
        collator_options=("mlm_probability", "whole_word_ratio"),
        words=token_words,
        presets={
            "paper": _CHINESE_BERT,
            "large": {
                **_CHINESE_BERT,
                "learning_rate": 3e-4,
                "warmup_steps": 90_000,
                "max_steps": 280_000,
                "per_device_train_batch_size": 8_000,
            },
        },
    ),
    # no paper's: a proxy in which models can be compared in fewer steps
    "causal": Recipe(
        objective="the next character from those before it{glyphs}, in {texts}",
        model_type="glyph_crm",
        auto_class=AutoModelForMaskedLM,
        segments=1,
        make_examples=packs,
        example_options=("packed_prob",),
        collator_class=DataCollatorForNextCharacters,
        masks=False,
    ),
}


def check_recipe(name: str, model: PreTrainedModel) -> None:
    """Refuses a model that does not take the labels of a recipe, or would read its attention mask in another way.

    Args:
        name: of the recipe.
        model: not wrapped.

    Raises:
        ValueError: names the recipes that fit, or the attention.
    """
    recipe = RECIPES[name]
    if not recipe.takes(model):
        fitting = " or ".join(f"--recipe {other}" for other, one in RECIPES.items() if one.takes(model))
        raise ValueError(
            f"--recipe {name} does not fit a {type(model).__name__}, which takes no next_sentence_label; give {fitting}"
        )
    attention = model.config._attn_implementation
    # the others add a bool mask to their scores, or ignore it: every position would see what it is to predict
    if not recipe.masks and attention != "sdpa":
        raise ValueError(
            f"--recipe {name} does not work with the attention {attention!r}, which would show what comes later; use "
            "'sdpa', transformers' default"
        )


__all__ = ["RECIPES", "Recipe", "check_recipe"]
