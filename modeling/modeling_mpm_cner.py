"""MPM-CNER (Mai et al., 2022): a semantic encoder that also sees and hears its characters, to find named entities.

    s = dropout(BERT(input_ids))                                          section 2.1, Eq. 1         [B, L, H]
    g, p = bank of Swin(glyph images), bank of Swin(spectrograms)         Eq. 2-4                    [B, L, G]
    f = Att(s, g) + s,  then  Att(f, p) + f                               cross_modality, Eq. 11-13  [B, L, H]
    h = dropout(BiLSTM(f)), then the layers that label, by default a CRF  section 2.4, Eq. 14        [R, W, 2h]

Axes: B batch, L length, H hidden, G width of a modality, N and S rows of the banks of glyphs and sounds, E further
characters of an example, h*w values of a glyph image; R rows of characters, W positions of the longest row.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple

from .auto_map import register
from .bilstm import BiLSTM
from .character_bank import CharacterBank
from .character_model import rate_groups
from .checks import check_ids
from .configuration_mpm_cner import MpmCnerConfig
from .cross_modality import CrossModalityAttention
from .mpm_encoders import load_swin, swin_sizes
from .semantic_model import SemanticPreTrainedModel
from .semantic_weights import load_semantic
from .swin import SwinEncoder, init_swin
from .token_heads import ForTokenClassification
from .token_rows import takes_part

SOUND_HINT = "Pass the text through the processor or tokenizer that was saved with the model"


class SoundBank(CharacterBank):
    """A CharacterBank of spectrograms."""

    blank_hint = (
        "the bank holds no spectrograms: all syllables sound the same. Call model.base_model.set_sounds(images) with "
        "those of the feature extractor, or load a checkpoint, which holds them"
    )


class MpmCnerPreTrainedModel(SemanticPreTrainedModel):
    """What all MPM-CNER models share: how they are initialised, put together from encoders, and optimised."""

    config: MpmCnerConfig
    base_model_prefix = "mpm_cner"
    _no_split_modules = ["CharacterBank", "SoundBank", "BiLSTM"]

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """As BERT; the Swin encoders by their fan-in; no images."""
        if not init_swin(module):
            super()._init_weights(module)

    @classmethod
    def from_encoders(
        cls,
        semantic: str | Path | PreTrainedModel,
        glyph: str | Path | nn.Module | None = None,
        phonetic: str | Path | nn.Module | None = None,
        trust_remote_code: bool = False,
        **fields: Any,
    ) -> Self:
        """Puts a model together from encoders that were trained before; all other weights are new.

        Args:
            semantic: the encoder of the text: a name of the Hub, a folder, or a model that is loaded. A head and a
                pooler are left out.
            glyph: the Swin encoder of glyph images: a folder or a name of the Hub (what run_mpm_pretraining.py saves),
                a safetensors file, or a module that holds a `SwinEncoder`. None: new weights (without pre-training).
                Sizes come from config.json where there is one.
            phonetic: the Swin encoder of spectrograms, likewise.
            trust_remote_code: whether code that the semantic encoder's checkpoint carries may be run.
            fields: of MpmCnerConfig, e.g. id2label, special_token_ids, glyph_vocab_size, num_syllables, dtype.

        Returns:
            A model without glyph images and spectrograms: give it those with `hanziformers.render_glyphs`.

        Raises:
            ValueError: an encoder that does not fit: names it, and what does not; a field that MpmCnerConfig lacks.
            TypeError: an encoder that is neither a name nor a model.
            OSError: nothing is found under a name.

        Example:
            >>> model = MpmCnerForTokenClassification.from_encoders(
            ...     semantic="bert-base-chinese", glyph="glyph_encoder", phonetic="sound_encoder",
            ...     id2label=id2label, special_token_ids=[0, 101, 102],
            ... )
        """
        given = {name: one for name, one in (("glyph", glyph), ("phonetic", phonetic)) if one is not None}
        model = cls._around(semantic, trust_remote_code, {**swin_sizes(given), **fields})
        model.load_encoders(semantic, glyph, phonetic, trust_remote_code)
        return model.eval()

    def load_encoders(
        self,
        semantic: str | Path | PreTrainedModel | None = None,
        glyph: str | Path | nn.Module | None = None,
        phonetic: str | Path | nn.Module | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        """Copies the weights of encoders that were trained before into this model: see `from_encoders`.

        Args:
            semantic: the encoder of the text; None keeps the weights that are there, as of the others.
            glyph: the Swin encoder of glyph images.
            phonetic: the Swin encoder of spectrograms.
            trust_remote_code: whether code that the semantic encoder's checkpoint carries may be run.

        Raises:
            ValueError: an encoder that does not fit: names it, and what does not.
            TypeError: an encoder that is neither a name nor a model.
            OSError: nothing is found under a name.
        """
        base = self.base_model
        parts = (("glyph", glyph, base.glyph_bank, "use_glyphs"), ("phonetic", phonetic, base.sound_bank, "use_sounds"))
        for name, source, bank, switch in parts:
            if source is not None and bank is None:
                raise ValueError(f"{name}={source!r} beside {switch}=False: leave one of them out")
            if source is not None:
                load_swin(bank.encoder, source)
        if semantic is not None:
            load_semantic(base.semantic, semantic, trust_remote_code)

    def parameter_groups(
        self, semantic_lr: float = 3e-5, swin_lr: float = 1e-4, rest_lr: float = 1e-4, weight_decay: float = 0.0
    ) -> list[dict[str, Any]]:
        """The parameters with their learning rates, for an optimiser: see `parameter_groups`."""
        return parameter_groups(self, semantic_lr, swin_lr, rest_lr, weight_decay)


class MpmCnerModel(MpmCnerPreTrainedModel):
    """The encoders and their fusion: one vector for every token."""

    def __init__(self, config: MpmCnerConfig) -> None:
        super().__init__(config)
        self.build_semantic()
        self.dropout = nn.Dropout(config.classifier_dropout)
        width, self.glyph_bank, self.sound_bank = config.modality_size, None, None
        # without stochastic depth, as a bank encodes a character once for all of its copies
        if config.use_glyphs:
            encoder = SwinEncoder(1, **config.swin_sizes)
            self.glyph_bank = CharacterBank(encoder, config.num_glyphs, config.glyph_shape, width)
        if config.use_sounds:
            encoder = SwinEncoder(3, **config.swin_sizes)
            self.sound_bank = SoundBank(encoder, config.num_syllables, config.sound_shape, width)
        asks = [config.cross_modality and used for used in (config.use_glyphs, config.use_sounds)]
        attentions = [CrossModalityAttention(config.hidden_size, width) if one else None for one in asks]
        self.glyph_attention, self.sound_attention = attentions
        self.post_init()

    def set_sounds(self, images: Tensor | np.ndarray, rows: Tensor | Sequence[int] | None = None) -> None:
        """Writes spectrograms uint8 [n, 3, h, w] into their bank; row 0, no sound, is blank.

        Raises:
            ValueError: the shapes do not fit, or the model has no sounds.
        """
        self.get_bank("sound", "use_sounds").set_glyphs(images, rows)

    @can_return_tuple
    def forward(self, input_ids: Tensor | None = None, attention_mask: Tensor | None = None,
                token_type_ids: Tensor | None = None, position_ids: Tensor | None = None,
                inputs_embeds: Tensor | None = None, glyph_ids: Tensor | None = None,
                extra_glyphs: Tensor | None = None, syllable_ids: Tensor | None = None,
                **kwargs: Unpack[TransformersKwargs]) -> tuple[Tensor] | BaseModelOutput:  # fmt: skip
        """Encodes a batch. The inputs are the same for every head.

        Args:
            input_ids: [B, L] int64, 0..V-1.
            attention_mask: [B, L], 1 = token, 0 = padding; None takes all as tokens.
            token_type_ids: [B, L] int64; all 0 where the semantic encoder knows no types. None is all 0.
            position_ids: [B, L] or [1, L] int64, as the semantic encoder counts; None leaves it to it.
            inputs_embeds: [B, L, H] in place of input_ids; special tokens are then known by their glyph_ids.
            glyph_ids: [B, L] int64, row of the glyph bank, 0..N-1, or N + i for image i of the example's
                `extra_glyphs`. Not read where `use_glyphs` is False.
            extra_glyphs: [B, E, h*w] uint8, foreground 255 on background 0: each example's characters that the bank
                does not hold; blank rows are padding. Not read where `use_glyphs` is False.
            syllable_ids: [B, L] int64, row of the sound bank, 0..S-1; 0 = no sound. Not read where `use_sounds` is
                False.
            kwargs: output_hidden_states, output_attentions (eager attention only), return_dict.

        Returns:
            last_hidden_state [B, L, H], the fused vectors: special tokens and padding (`special_token_ids`, and where
            the attention_mask is 0) have no part in the fusion and keep their semantic vectors. Without cross-modality
            attention it is [B, L, H + G + G], with 0 for what special tokens look and sound like. hidden_states and
            attentions are those of the semantic encoder, where they are wanted.

        Raises:
            ValueError: ids and inputs_embeds both or neither; no ids of a modality that the model has; a shape, an id
                or a length that does not fit.
            TypeError: an input that the model does not have.
        """
        texts = {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": token_type_ids,
                 "position_ids": position_ids, "inputs_embeds": inputs_embeds}  # fmt: skip
        out = self.encode_text(texts, kwargs)
        semantic = self.dropout(out.last_hidden_state)  # [B, L, H]
        # the first rows of the glyph bank are those of the vocabulary: glyph_ids tell special tokens as well
        ids = glyph_ids if input_ids is None else input_ids
        shown = semantic.new_zeros(semantic.shape[:2], dtype=torch.long) if ids is None else ids
        special = () if ids is None else self.config.special_token_ids or ()
        mask = takes_part(shown, attention_mask, special)  # [B, L]
        modalities = []
        if self.glyph_bank is not None:
            self._check_ids("glyph_ids", glyph_ids, semantic)
            modalities.append((self.glyph_bank(glyph_ids, extra_glyphs), self.glyph_attention))  # [B, L, G]
        if self.sound_bank is not None:
            self._check_ids("syllable_ids", syllable_ids, semantic)
            check_ids("syllable_ids", syllable_ids, self.config.num_syllables, "rows of the sound bank", SOUND_HINT)
            modalities.append((self.sound_bank(syllable_ids), self.sound_attention))
        fused = self._fuse(semantic, modalities, mask)
        return BaseModelOutput(last_hidden_state=fused, hidden_states=out.hidden_states, attentions=out.attentions)

    def _fuse(self, semantic: Tensor, modalities: list[tuple[Tensor, nn.Module | None]], mask: Tensor) -> Tensor:
        """Semantic [B, L, H], vectors [B, L, G] of each modality with its attention -> [B, L, H], or concatenated."""
        others, fused = ~mask[:, :, None], semantic
        if not self.config.cross_modality:
            vectors = [vectors.to(semantic.dtype).masked_fill(others, 0) for vectors, _ in modalities]
            return torch.cat([semantic, *vectors], dim=-1)
        for vectors, attention in modalities:
            fused = attention(fused, vectors, mask)
        return torch.where(others, semantic, fused)

    def _check_ids(self, name: str, ids: Tensor | None, semantic: Tensor) -> None:
        """Refuses ids of a modality that are missing or have another shape than the text."""
        if ids is None:
            switch = "use_glyphs" if name == "glyph_ids" else "use_sounds"
            raise ValueError(
                f"{name} are missing: pass the text through the processor that was saved with the model, whose batch "
                "has them (a MpmCnerTokenizer has syllable_ids once it knows its syllables); or build the model with "
                f"{switch}=False"
            )
        if ids.shape != semantic.shape[:2]:
            shape = tuple(semantic.shape[:2])
            raise ValueError(f"{name} has the shape {tuple(ids.shape)}; needed is {shape}: one for each token")


class MpmCnerTaskModel(MpmCnerPreTrainedModel):
    """A MpmCnerModel under the name `mpm_cner`, for a task's layers on it."""

    extra_inputs = ("glyph_ids", "extra_glyphs", "syllable_ids")

    def __init__(self, config: MpmCnerConfig) -> None:
        super().__init__(config)
        self.vector_inputs = {"extra_glyphs": config.glyph_size**2}
        self.mpm_cner = MpmCnerModel(config)
        self.dropout = nn.Identity()  # the base model and the BiLSTM have their own


class MpmCnerForTokenClassification(ForTokenClassification, MpmCnerTaskModel):
    """Labels every character: the fused vectors of a text go through a BiLSTM to the layers that label."""

    reads_rows = True

    def build_token_layers(self) -> int:
        """The BiLSTM and the dropout behind it; returns 2h."""
        self.bilstm = BiLSTM(self.config.fused_size, self.config.lstm_hidden_size)
        self.bilstm_dropout = nn.Dropout(self.config.classifier_dropout)
        return self.bilstm.width

    def token_features(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """Fused vectors [R, W, H], mask bool [R, W] -> [R, W, 2h]."""
        return self.bilstm_dropout(self.bilstm(vectors, mask))


def parameter_groups(
    model: nn.Module,
    semantic_lr: float = 3e-5,
    swin_lr: float = 1e-4,
    rest_lr: float = 1e-4,
    weight_decay: float = 0.0,
) -> list[dict[str, Any]]:
    """The parameters of an MPM-CNER with their learning rates, for any optimiser: the paper takes Adam.

    Args:
        model: with a head or without; may be wrapped, by DistributedDataParallel, PEFT, torch.compile, ...
        semantic_lr: of the semantic encoder.
        swin_lr: of both Swin encoders. A rate of 0 freezes its part (`requires_grad`); frozen Swin encoders cost
            nothing in training, as their vectors are then looked up.
        rest_lr: of attention, BiLSTM and the layers that label, for which the paper names no rate; 1e-3 is another
            common reading.
        weight_decay: of matrices; biases, LayerNorm and other vectors have none.

    Returns:
        Groups with the keys name, params, lr and weight_decay; those without a parameter to train are left out.

    Raises:
        ValueError: the model holds no MpmCnerModel.

    Example:
        >>> optimizer = torch.optim.AdamW(parameter_groups(model))
        >>> model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    """
    bases = [module for module in model.modules() if isinstance(module, MpmCnerModel)]
    if not bases:
        raise ValueError(f"a {type(model).__name__} holds no MpmCnerModel: give its optimiser model.parameters()")
    banks = [bank for bank in (bases[0].glyph_bank, bases[0].sound_bank) if bank is not None]
    parts = {"semantic": [bases[0].semantic], "swin": [bank.encoder for bank in banks]}
    return rate_groups(model, parts, {"semantic": semantic_lr, "swin": swin_lr, "rest": rest_lr}, weight_decay)


AUTO_CLASSES = {"AutoModel": MpmCnerModel, "AutoModelForTokenClassification": MpmCnerForTokenClassification}
register(AUTO_CLASSES)

__all__ = [
    "MpmCnerForTokenClassification",
    "MpmCnerModel",
    "MpmCnerPreTrainedModel",
    "parameter_groups",
]
