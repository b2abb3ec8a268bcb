"""What models around a bank of glyph images share, whatever reads the vectors: MPM-CNER, Glyce and Glyce's hosts.

Axes: F scripts, h and w the glyph image's height and width, N rows of the glyph bank.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from transformers import initialization as init

from .bert_parts import BertLikePreTrainedModel
from .character_bank import CharacterBank

_RUNNING = ("running_mean", "running_var", "num_batches_tracked")  # what a batch norm notes in training


class CharacterPreTrainedModel(BertLikePreTrainedModel):
    """Base of models around a bank of glyph images.

    A family's base model has `glyph_bank`, a CharacterBank or None, and may have `image_classification`.
    """

    glyph_switch = "use_glyphs"  # the field of the configuration that removes the bank
    ids_are_rows = True  # whether the first rows of the bank are those of the vocabulary
    sizes_hint = ""  # what else to do about weights of other sizes

    @property
    def _ddp_params_and_buffers_to_ignore(self) -> list[str]:
        """Buffers that do not change in training (the images, 60 MB): every process has its own, equal ones."""
        # a property, as the names differ with the prefix of each head; DDP reads it when it wraps the model
        return [name for name, _ in self.named_buffers() if not name.endswith(_RUNNING)]

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path | None,
        *model_args: Any,
        ignore_mismatched_sizes: bool = False,
        output_loading_info: bool = False,
        **kwargs: Any,
    ) -> Self | tuple[Self, dict[str, Any]]:
        """As in transformers, with an error that says which weights have other shapes.

        Raises:
            RuntimeError: as transformers raises, but naming a weight, both of its shapes and the fix.
        """
        loaded, info = super().from_pretrained(
            pretrained_model_name_or_path,
            *model_args,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            **kwargs,
        )
        if info["mismatched_keys"] and not ignore_mismatched_sizes:
            name, found, wanted = min(info["mismatched_keys"])
            raise RuntimeError(
                f"the weights in {pretrained_model_name_or_path} do not fit the configuration: {name} has the shape "
                f"{tuple(found)} there and {tuple(wanted)} in the model ({len(info['mismatched_keys'])} such weights). "
                f"Leave sizes out of the keywords: they are those of the checkpoint{cls.sizes_hint}. With "
                "ignore_mismatched_sizes=True those weights would be new"
            )
        return (loaded, info) if output_loading_info else loaded

    def post_init(self) -> None:
        """As in transformers; of the classes of modules that are not to be split, those stay that the model has."""
        super().post_init()
        # a switch, or an encoder without an embedding layer to keep whole, removes some: FSDP refuses names of nothing
        self._no_split_modules &= {type(part).__name__ for part in self.modules()}

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """As BERT; no images."""
        super()._init_weights(module)
        if isinstance(module, CharacterBank):
            init.zeros_(module.glyphs)

    def resize_token_embeddings(
        self, new_num_tokens: int | None = None, pad_to_multiple_of: int | None = None, mean_resizing: bool = True
    ) -> nn.Module:
        """As in transformers; a bank of the vocabulary's glyph images keeps one row a token, and new ones are blank.

        A bank of words' characters (`ids_are_rows` is False) stays as it is.

        Raises:
            ValueError: the bank holds characters beyond the vocabulary, whose rows new tokens would take.
        """
        config, old = self.config, self.config.vocab_size
        rows = old if new_num_tokens is None else new_num_tokens
        rows += -rows % (pad_to_multiple_of or 1)
        if rows != old and not self.ids_are_rows:
            config.glyph_vocab_size = config.num_glyphs  # by default it follows the vocabulary, and the bank does not
        if rows == old or not self.ids_are_rows:
            return super().resize_token_embeddings(new_num_tokens, pad_to_multiple_of, mean_resizing)
        if config.num_glyphs != old:
            raise ValueError(
                f"the vocabulary cannot be resized from {old} to {rows} tokens: the rows of the glyph bank "
                f"from {old} to {config.num_glyphs} are those of further characters. Characters outside of the "
                "vocabulary need no token: they are seen and heard; add tokens before the processor's extend_bank()"
            )
        table = super().resize_token_embeddings(new_num_tokens, pad_to_multiple_of, mean_resizing)
        config.glyph_vocab_size = None
        if config.use_glyphs:
            self.base_model.resize_glyphs(config.vocab_size)
        return table

    # ---- of base models

    def set_glyphs(self, images: Tensor | np.ndarray, rows: Tensor | Sequence[int] | None = None) -> None:
        """Writes glyph images uint8 [n, F, h, w] into their bank, see `CharacterBank.set_glyphs`.

        Raises:
            ValueError: the shapes do not fit, or the model has no glyphs.
        """
        self.get_bank("glyph", self.glyph_switch).set_glyphs(images, rows)

    def resize_glyphs(self, rows: int) -> None:
        """Cuts the bank of glyph images to so many rows, or adds blank ones; a classifier of images keeps one a row."""
        self.glyph_bank.resize(rows)
        classification = getattr(self, "image_classification", None)
        if classification is not None:
            classification.dense = self._get_resized_lm_head(classification.dense, rows, mean_resizing=False)

    def get_bank(self, name: str, switch: str) -> CharacterBank:
        """The bank of a modality.

        Raises:
            ValueError: the model has none, as the field `switch` of its configuration says.
        """
        bank = getattr(self, f"{name}_bank")
        if bank is None:
            raise ValueError(f"this model has no bank of {name}s, as its configuration says {switch}=False")
        return bank


def rate_groups(
    model: nn.Module,
    parts: Mapping[str, Sequence[nn.Module]],
    rates: Mapping[str, float],
    weight_decay: float,
) -> list[dict[str, Any]]:
    """The parameters of a model with their learning rates, for any optimiser.

    Args:
        model: may be wrapped, by DistributedDataParallel, PEFT, torch.compile, ...
        parts: name -> modules whose parameters belong to it; all other parameters belong to "rest".
        rates: name -> learning rate, "rest" too. A rate of 0 freezes its part (`requires_grad`).
        weight_decay: of matrices; biases, LayerNorm and other vectors have none.

    Returns:
        Groups with the keys name, params, lr and weight_decay; those without a parameter to train are left out.

    Raises:
        ValueError: there is no parameter to train.
    """
    owners = {id(one): name for name, modules in parts.items() for part in modules for one in part.parameters()}
    groups: dict[tuple[str, bool], dict[str, Any]] = {}
    for parameter in model.parameters():
        part = owners.get(id(parameter), "rest")
        parameter.requires_grad_(parameter.requires_grad and rates[part] > 0)
        if parameter.requires_grad:
            decay = weight_decay if parameter.dim() > 1 else 0.0
            group = {"name": part, "params": [], "lr": rates[part], "weight_decay": decay}
            groups.setdefault((part, decay), group)["params"].append(parameter)
    if not groups:
        raise ValueError(
            f"no parameter is trained: the learning rates are {dict(rates)}, and 0 freezes a part; give one above 0, "
            "or leave the training out"
        )
    return list(groups.values())


__all__ = ["CharacterPreTrainedModel", "rate_groups"]
