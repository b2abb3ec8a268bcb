"""The embeddings of ChineseBERT: character id, glyph and pinyin, fused (section 3.2, Figures 2 to 4 of the paper).

Axes: B batch, L length, H hidden, V vocabulary, P pinyin slots, U distinct keys, G glyph values (F * h * w).

    word    = E_word[id]                                                   [B, L, H]
    pinyin  = max over windows of conv(E_symbol[pinyin_ids])               [B, L, H]
    glyph   = W_G image[glyph_id] + b_G                                    [B, L, H]
    fused   = W_F [word; pinyin; glyph] + b_F                              [B, L, H]
    output  = dropout(LayerNorm(fused + position + token type))            [B, L, H]

The fusion depends on a character and its reading alone, so it is computed once for every distinct pair in the batch. In
eval mode without gradients its linearity saves more: word and glyph of the whole vocabulary, fused, are kept in one
table [V, H], to which the part of every distinct reading is added. The numbers are those of the published code, with
the token types that the paper leaves out. With `ChineseBertConfig.feature_norm` the images are normed before W_G.
"""

import torch
from torch import Tensor, nn
from transformers.utils import logging

from .bert_parts import PositionedEmbeddings
from .checks import check_ids
from .configuration_chinese_bert import ChineseBertConfig
from .feature_norm import FeatureNorm, KeepsStatistics, fold, make_norm, project, spread
from .tracing import is_traced
from .unique import encode_unique
from .vector_table import VectorTable, has_hooks, tensors_of

logger = logging.get_logger(f"transformers.{__name__}")  # obeys transformers.logging.set_verbosity_*

TABLE_CHUNK = 4096  # rows of the table that are computed at a time


class PinyinEmbedding(nn.Module):
    """A reading's vector: symbols -> convolution of width 2 -> maximum over the windows (Figure 3).

    Empty slots (0) take part like letters, as in the published code.
    """

    def __init__(self, config: ChineseBertConfig) -> None:
        super().__init__()
        size = config.pinyin_embedding_size
        self.embedding = nn.Embedding(config.pinyin_vocab_size, size)
        self.conv = PinyinConv(size, config.hidden_size, kernel_size=config.pinyin_kernel_size)

    def forward(self, pinyin_ids: Tensor) -> Tensor:
        """pinyin_ids [U, P] int64 -> vectors [U, H]."""
        letters = self.embedding(pinyin_ids).transpose(1, 2)  # [U, size, P]
        return self.conv(letters).amax(dim=-1)  # [U, H, windows] -> [U, H]


class PinyinConv(nn.Conv1d):
    """A class of its own: the published model leaves this convolution at torch's default initialisation."""


class GlyphEmbedding(nn.Module):
    """The flattened glyph images of every token, [V, G]; trainable like the rest, as in the published model."""

    def __init__(self, config: ChineseBertConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(config.num_glyphs, config.glyph_embedding_dim)

    def forward(self, glyph_ids: Tensor) -> Tensor:
        """glyph_ids [...] int64 -> glyph images [..., G]."""
        return self.embedding(glyph_ids)


class ChineseBertEmbeddings(KeepsStatistics, PositionedEmbeddings):
    """Fuses the three views of every character and adds position and token type."""

    def __init__(self, config: ChineseBertConfig) -> None:
        super().__init__()
        self.config = config
        hidden = config.hidden_size
        self.word_embeddings = nn.Embedding(config.vocab_size, hidden, padding_idx=config.pad_token_id)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, hidden)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, hidden)
        self.pinyin_embeddings = PinyinEmbedding(config)
        self.glyph_embeddings = GlyphEmbedding(config)
        self.glyph_map = nn.Linear(config.glyph_embedding_dim, hidden)
        self.map_fc = nn.Linear(3 * hidden, hidden)
        self.LayerNorm = nn.LayerNorm(hidden, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.glyph_norm = make_norm(config.glyph_embedding_dim, config)
        self.count_positions()
        self._warned = False  # whether the lack of pinyin was told of
        self._table = VectorTable(self._table_parts())

    def train(self, mode: bool = True) -> "ChineseBertEmbeddings":
        """Drops the table of characters: weights are about to change."""
        self._table.drop()
        return super().train(mode)

    def forward(
        self,
        input_ids: Tensor | None = None,
        pinyin_ids: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        glyph_ids: Tensor | None = None,
    ) -> Tensor:
        """Embeds a batch. Shapes and errors: see `ChineseBertModel.forward`.

        Returns:
            [B, L, H].
        """
        self._check(input_ids, pinyin_ids, inputs_embeds, glyph_ids)
        self.keep_statistics(input_ids if glyph_ids is None else glyph_ids)
        if pinyin_ids is None:
            self._warn_without_pinyin(inputs_embeds)
            source = input_ids if inputs_embeds is None else inputs_embeds
            pinyin_ids = torch.zeros((1, 1, self.config.pinyin_length), dtype=torch.long, device=source.device)
        fused = self._fused(input_ids, self._keys(pinyin_ids), inputs_embeds, glyph_ids)
        return self.dropout(self.LayerNorm(self.add_positions(fused, token_type_ids, position_ids)))

    def glyph_vectors(self, ids: Tensor) -> Tensor:
        """Ids [U] -> W_G of their glyph images, [U, H]."""
        # the weight takes the norm in where that is cheaper than norming the images
        folds = self.glyph_norm is not None and not is_traced(ids) and ids.numel() >= self.config.hidden_size
        folded = fold(self.glyph_map, self.glyph_norm) if folds else None
        return project(self.glyph_embeddings(ids), self.glyph_map, self.glyph_norm, folded)

    # ---- statistics of the glyph images, see feature_norm.py

    def list_norms(self) -> list[FeatureNorm]:
        """The norm of the glyph images, if there is one."""
        return [] if self.glyph_norm is None else [self.glyph_norm]

    def list_sources(self) -> list[Tensor]:
        """See `KeepsStatistics`."""
        return list(tensors_of(self.glyph_embeddings.modules()))

    def describe_features(self) -> tuple[bool, torch.dtype, int]:
        """See `KeepsStatistics`: the table is trained like the rest."""
        tables = self.list_sources()
        return any(table.requires_grad for table in tables), tables[0].dtype, self.config.feature_norm_interval

    def estimate_statistics(self) -> bool:
        """Over at most `feature_norm_images` rows of the glyph table that are not blank, evenly spaced."""
        rows = torch.arange(self.config.num_glyphs, device=self.glyph_norm.age.device)
        with torch.no_grad():
            rows = rows[torch.cat([self.glyph_embeddings(some).any(-1) for some in rows.split(TABLE_CHUNK)])]
            rows = spread(rows, self.config.feature_norm_images)
            if len(rows):
                self.glyph_norm.estimate(self.glyph_embeddings(rows))
        return len(rows) > 0

    def _fused(
        self, input_ids: Tensor | None, readings: Tensor, inputs_embeds: Tensor | None, glyph_ids: Tensor | None
    ) -> Tensor:
        """Word, pinyin and glyph through W_F: [B, L, H]. `readings` [B, L] (or [1, 1]) are keys of `_keys`."""
        if glyph_ids is not None or has_hooks([self.word_embeddings]):
            # a hook (NEFTune's noise, attributions) may give equal ids different vectors, so it sees every position
            words = self.word_embeddings(input_ids) if inputs_embeds is None else inputs_embeds
            pinyin = encode_unique(readings, self._pinyin).expand_as(words)
            return self._fuse(
                words, pinyin, encode_unique(input_ids if glyph_ids is None else glyph_ids, self.glyph_vectors)
            )
        characters = self._look_up(input_ids)
        if characters is not None:
            # W_F is linear, so the part of the readings may be added to what was fused without them
            return characters + self._part_of_readings(readings)
        count = self.config.pinyin_vocab_size**self.config.pinyin_length

        def rows(keys: Tensor) -> Tensor:  # [U] -> [U, H]
            ids = keys // count
            words = self.word_embeddings(ids[None])[0]  # as [1, U]: hooks on all modules expect a batch of sequences
            return self._fuse(words, self._pinyin(keys % count), self.glyph_vectors(ids))

        # one key for each pair of character and reading; it would not fit into the int32 that ids may be
        return encode_unique(input_ids.long() * count + readings, rows)

    def _look_up(self, input_ids: Tensor) -> Tensor | None:
        """Word and glyph, fused without pinyin, from the table: [B, L, H]; None where it may not be used."""

        def without_pinyin(ids: Tensor) -> Tensor:  # [U] -> [U, H]
            words = self.word_embeddings(ids)
            return self._fuse(words, torch.zeros_like(words), self.glyph_vectors(ids))

        def encode(ids: Tensor) -> Tensor:  # [U] -> [U, H]
            return torch.cat([without_pinyin(some) for some in ids.split(TABLE_CHUNK)])

        parts = self._table_parts()
        rows = [part.weight for part in parts[:2] if isinstance(part, nn.Embedding)]  # the word and the glyph table
        return self._table.look_up(input_ids, encode, parts, rows, self.training, whole=True)

    def _table_parts(self) -> list[nn.Module]:
        # the two tables come first, see `_look_up`; `glyph_embeddings` around the second may be hooked or replaced too,
        # by a module that has no `embedding`
        glyphs = self.glyph_embeddings
        tables = [self.word_embeddings, getattr(glyphs, "embedding", glyphs), glyphs]
        return [*tables, self.glyph_map, self.map_fc, *self.list_norms()]

    def _part_of_readings(self, readings: Tensor) -> Tensor:
        """What the readings add to characters that were fused without one: [B, L] -> [B, L, H]."""

        def rows(keys: Tensor) -> Tensor:  # [U] -> [U, H]; a linear map's part is its difference to that of nothing
            pinyin = self._pinyin(keys)
            none = torch.zeros_like(pinyin)
            return self._fuse(none, pinyin, none) - self._fuse(none[:1], none[:1], none[:1])

        return encode_unique(readings, rows)

    def _fuse(self, words: Tensor, pinyin: Tensor, glyphs: Tensor) -> Tensor:
        return self.map_fc(torch.cat([words, pinyin, glyphs], dim=-1))  # [..., 3H] -> [..., H]

    def _keys(self, pinyin_ids: Tensor) -> Tensor:
        """Packs every reading into one int64: [B, L, P] -> [B, L]."""
        return (pinyin_ids * self._scale(pinyin_ids.device)).sum(-1)

    def _scale(self, device: torch.device) -> Tensor:
        return self.config.pinyin_vocab_size ** torch.arange(self.config.pinyin_length, device=device)  # [P]

    def _pinyin(self, keys: Tensor) -> Tensor:
        """Keys of readings [U] -> vectors [U, H]; unpacks what `_keys` packed."""
        return self.pinyin_embeddings(keys[:, None] // self._scale(keys.device) % self.config.pinyin_vocab_size)

    def _warn_without_pinyin(self, inputs_embeds: Tensor | None) -> None:
        """Warns, once, of text without pinyin: the tokenizer always makes it, so that its lack was hardly wanted."""
        if inputs_embeds is not None or self._warned or torch.compiler.is_compiling():
            return
        self._warned = True
        logger.warning(
            "ChineseBERT was given input_ids without pinyin_ids, and takes every token for one without a reading: its "
            "outputs differ. ChineseBertTokenizer makes them (AutoTokenizer finds it unless tokenizer_config.json has "
            "another); no step between may drop them. To leave pinyin out, pass zeros: "
            f"pinyin_ids=torch.zeros(*input_ids.shape, {self.config.pinyin_length}, dtype=torch.long)"
        )

    def _check(
        self,
        input_ids: Tensor | None,
        pinyin_ids: Tensor | None,
        inputs_embeds: Tensor | None,
        glyph_ids: Tensor | None,
    ) -> None:
        name, source = ("input_ids", input_ids) if inputs_embeds is None else ("inputs_embeds", inputs_embeds)
        axes = "[B, L]" if inputs_embeds is None else "[B, L, H]"
        if source.dim() != axes.count(",") + 1:
            raise ValueError(f"{name} has the shape {tuple(source.shape)}; needed is {axes}: one text is {name}[None]")
        (batch, length), slots = source.shape[:2], self.config.pinyin_length
        if input_ids is None and glyph_ids is None:
            raise ValueError(
                "inputs_embeds replaces the word vectors only; ChineseBERT also looks up every character's glyph "
                "image: pass glyph_ids [B, L] (the input_ids that the vectors were made from)"
            )
        if glyph_ids is not None and tuple(glyph_ids.shape) != (batch, length):
            raise ValueError(
                f"glyph_ids has the shape {tuple(glyph_ids.shape)}; needed is {(batch, length)}, one for each token"
            )
        if pinyin_ids is not None and tuple(pinyin_ids.shape) != (batch, length, slots):
            raise ValueError(
                f"pinyin_ids has the shape {tuple(pinyin_ids.shape)}; needed is {(batch, length, slots)}: {slots} "
                f"symbols for each token; a flat [B, L * {slots}] tensor becomes one by .view({batch}, -1, {slots})"
            )
        check_ids("input_ids", input_ids, self.config.vocab_size, "the vocabulary of the model")
        check_ids("glyph_ids", glyph_ids, self.config.num_glyphs, "the glyph table")
        check_ids("pinyin_ids", pinyin_ids, self.config.pinyin_vocab_size, "0 none, 1-5 tones, 6-31 letters")


__all__ = ["ChineseBertEmbeddings", "PinyinConv"]
