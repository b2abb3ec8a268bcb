"""What models around an encoder of text share beside their configuration: MPM-CNER and Glyce."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from .character_model import CharacterPreTrainedModel
from .checks import check_inputs
from .configuration_semantic import SemanticConfig
from .semantic_encoder import build_encoder, call_encoder
from .semantic_weights import semantic_config


class SemanticPreTrainedModel(CharacterPreTrainedModel):
    """Base of models around an encoder of text. A family's base model calls `build_semantic`."""

    config: SemanticConfig
    sizes_hint = "; a model around another encoder is made by from_encoders(semantic=...)"

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


__all__ = ["SemanticPreTrainedModel"]
