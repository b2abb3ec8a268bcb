"""What models around an encoder of text share beside their configuration: MPM-CNER and Glyce.

Axes: B batch, L length, H hidden, N rows of the glyph bank.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutput

from .bert_parts import BertLikePreTrainedModel
from .character_bank import CharacterBank
from .checks import check_inputs
from .configuration_semantic import SemanticConfig
from .semantic_encoder import build_encoder, call_encoder
from .semantic_weights import semantic_config

_RUNNING = ("running_mean", "running_var", "num_batches_tracked")  # what a batch norm notes in training


class SemanticPreTrainedModel(BertLikePreTrainedModel):
    """Base of models around an encoder of text.

    A family's base model calls `build_semantic`, and has `glyph_bank`, a CharacterBank or None.
    """

    config: SemanticConfig

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
                "Leave sizes out of the keywords: they are those of the checkpoint; a model around another encoder is "
                "made by from_encoders(semantic=...). With ignore_mismatched_sizes=True those weights would be new"
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

    @classmethod
    def _around(
        cls, semantic: str | Path | PreTrainedModel, trust_remote_code: bool, fields: Mapping[str, Any]
    ) -> Self:
        """A model with new weights around an encoder of the sizes of `semantic`.

        Raises:
            ValueError: a field that the configuration lacks, or that no model can be built from.
            TypeError: `semantic` is neither a name nor a model.
        """
        cls.config_class.check_names(fields)
        config = cls.config_class(semantic_config=semantic_config(semantic, trust_remote_code), **fields)
        return cls._from_config(config)  # in config.dtype

    def get_input_embeddings(self) -> nn.Module:
        """The word table of the semantic encoder."""
        return self.base_model.semantic.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replaces the word table of the semantic encoder."""
        self.base_model.semantic.set_input_embeddings(value)

    def resize_token_embeddings(
        self, new_num_tokens: int | None = None, pad_to_multiple_of: int | None = None, mean_resizing: bool = True
    ) -> nn.Module:
        """As in transformers; the bank of glyph images keeps one row a token, and new ones are blank.

        Raises:
            ValueError: the bank holds characters beyond the vocabulary, whose rows new tokens would take.
        """
        config, old = self.config, self.config.vocab_size
        rows = old if new_num_tokens is None else new_num_tokens
        rows += -rows % (pad_to_multiple_of or 1)
        if rows != old and config.num_glyphs != old:
            raise ValueError(
                f"the vocabulary cannot be resized from {old} to {rows} tokens: the rows of the glyph bank "
                f"from {old} to {config.num_glyphs} are those of further characters. Characters outside of the "
                "vocabulary need no token: they are seen and heard; add tokens before the processor's extend_bank()"
            )
        table = super().resize_token_embeddings(new_num_tokens, pad_to_multiple_of, mean_resizing)
        if rows != old:
            config.glyph_vocab_size = None
            if config.use_glyphs:
                self.base_model.resize_glyphs(config.vocab_size)
        return table

    # ---- of base models

    def build_semantic(self) -> None:
        """Sets `semantic`, the encoder of text, and `positions`, the tokens that a text may have."""
        self.semantic = build_encoder(self.config.semantic_config)
        self.positions = self.config.max_position_embeddings

    def encode_text(self, texts: dict[str, Tensor | None], options: dict[str, Any]) -> BaseModelOutput:
        """The semantic encoder's output for BERT's five inputs, by name.

        Args:
            texts: see `call_encoder`.
            options: of `forward`; output_hidden_states and output_attentions are the configuration's where they are not
                said.

        Raises:
            ValueError: see `call_encoder`.
            TypeError: an input that the model does not have.
        """
        check_inputs(self, options)
        for name in ("output_hidden_states", "output_attentions"):
            if options.get(name) is None:
                options[name] = getattr(self.config, name)
        return call_encoder(self.semantic, self.positions, texts, **options)

    def set_glyphs(self, images: Tensor | np.ndarray, rows: Tensor | Sequence[int] | None = None) -> None:
        """Writes glyph images uint8 [n, F, h, w] into their bank, see `CharacterBank.set_glyphs`.

        Raises:
            ValueError: the shapes do not fit, or the model has no glyphs.
        """
        self.get_bank("glyph", "use_glyphs").set_glyphs(images, rows)

    def resize_glyphs(self, rows: int) -> None:
        """Cuts the bank of glyph images to so many rows, or adds blank ones."""
        self.glyph_bank.resize(rows)

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


__all__ = ["SemanticPreTrainedModel", "rate_groups"]
