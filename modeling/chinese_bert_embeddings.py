"""The embeddings of ChineseBERT: character id, glyph and pinyin, fused (section 3.2, Figures 2 to 4 of the paper).

Axes: B batch, L length, H hidden, V vocabulary, P pinyin slots, U distinct keys, G glyph values (fonts * height *
width).

    word    = E_word[id]                                                   [B, L, H]
    pinyin  = max over windows of conv(E_symbol[pinyin_ids])               [B, L, H]
    glyph   = W_G glyph image[glyph_id] + b_G                                  [B, L, H]
    fused   = W_F [word; pinyin; glyph] + b_F                              [B, L, H]
    output  = dropout(LayerNorm(fused + position + token type))            [B, L, H]

The fusion depends on a character and its reading alone, so it is computed once for every distinct pair in the batch. In
eval mode without gradients its linearity saves more: word and glyph of the whole vocabulary, fused, stand in one table
[V, H], to which the share of every distinct reading is added. The numbers are those of the published code, with the
token types that the paper leaves out.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .checks import check_ids, check_length
from .configuration_chinese_bert import ChineseBertConfig
from .unique import WeightCache, encode_unique, has_hooks


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
    """The flat glyph images of every token, [V, G]; trainable like the rest, as in the published model."""

    def __init__(self, config: ChineseBertConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(config.vocab_size, config.glyph_embedding_dim)

    def forward(self, glyph_ids: Tensor) -> Tensor:
        """glyph_ids [...] int64 -> glyph images [..., G]."""
        return self.embedding(glyph_ids)


class ChineseBertEmbeddings(nn.Module):
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
        self.register_buffer(
            "position_ids", torch.arange(config.max_position_embeddings).expand((1, -1)), persistent=False
        )
        self._table = WeightCache()

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
        source = input_ids if inputs_embeds is None else inputs_embeds
        if source.dim() != (2 if inputs_embeds is None else 3):
            name, needed = ("input_ids", "[B, L]") if inputs_embeds is None else ("inputs_embeds", "[B, L, H]")
            raise ValueError(
                f"{name} has the shape {tuple(source.shape)}; needed is {needed}: one text is {name}[None]"
            )
        batch, length = source.shape[:2]
        self._check(batch, length, input_ids, pinyin_ids, token_type_ids, position_ids, glyph_ids)
        if pinyin_ids is None:
            pinyin_ids = torch.zeros((1, 1, self.config.pinyin_length), dtype=torch.long, device=source.device)
        if position_ids is None:
            position_ids = self.position_ids[:, :length]
        if token_type_ids is None:
            token_type_ids = torch.zeros((1, 1), dtype=torch.long, device=source.device)
        fused = self._fused(input_ids, self._keys(pinyin_ids), inputs_embeds, glyph_ids)
        fused = fused + self.position_embeddings(position_ids) + self.token_type_embeddings(token_type_ids)
        return self.dropout(self.LayerNorm(fused))

    def _fused(
        self, input_ids: Tensor | None, readings: Tensor, inputs_embeds: Tensor | None, glyph_ids: Tensor | None
    ) -> Tensor:
        """Word, pinyin and glyph through W_F: [B, L, H]. `readings` [B, L] (or [1, 1]) are keys of `_keys`."""
        if glyph_ids is not None:
            words = self.word_embeddings(input_ids) if inputs_embeds is None else inputs_embeds
            pinyin = encode_unique(readings, self._pinyin).expand_as(words)
            return self._fuse(words, pinyin, encode_unique(glyph_ids, self._glyphs))
        if self._may_use_table():
            return F.embedding(input_ids, self._table_of_characters(input_ids.device)) + self._share_of(readings)
        count = self.config.pinyin_vocab_size**self.config.pinyin_length

        def rows(keys: Tensor) -> Tensor:  # [U] -> [U, H]
            ids = keys // count
            return self._fuse(self.word_embeddings(ids), self._pinyin(keys % count), self._glyphs(ids))

        return encode_unique(input_ids * count + readings, rows)

    def _may_use_table(self) -> bool:
        """Not while weights may change, nor where a part was wrapped (by an adapter, say) or hooked."""
        if self.training or torch.is_grad_enabled() or torch.compiler.is_compiling():
            return False
        plain = all(type(part) in (nn.Linear, nn.Embedding) for part in self._table_parts())
        return plain and not has_hooks(self._table_parts())

    def _table_parts(self) -> tuple[nn.Module, ...]:
        return self.word_embeddings, self.glyph_embeddings.embedding, self.glyph_map, self.map_fc

    def _fuse(self, words: Tensor, pinyin: Tensor, glyphs: Tensor) -> Tensor:
        return self.map_fc(torch.cat([words, pinyin, glyphs], dim=-1))  # [..., 3H] -> [..., H]

    def _keys(self, pinyin_ids: Tensor) -> Tensor:
        """Packs every reading into one int64: [B, L, P] -> [B, L]."""
        return (pinyin_ids * self._scale(pinyin_ids.device)).sum(-1)

    def _scale(self, device: torch.device) -> Tensor:
        return self.config.pinyin_vocab_size ** torch.arange(self.config.pinyin_length, device=device)  # [P]

    def _pinyin(self, keys: Tensor) -> Tensor:
        """Keys of readings [U] -> vectors [U, H]."""
        return self.pinyin_embeddings(keys[:, None] // self._scale(keys.device) % self.config.pinyin_vocab_size)

    def _glyphs(self, ids: Tensor) -> Tensor:
        """Ids [U] -> vectors of their glyph images [U, H]."""
        return self.glyph_map(self.glyph_embeddings(ids))

    def _share_of(self, readings: Tensor) -> Tensor:
        """What the readings add to characters that were fused without one: [B, L] -> [B, L, H]."""

        def rows(keys: Tensor) -> Tensor:  # [U] -> [U, H]; a linear map's share is its difference to that of nothing
            pinyin = self._pinyin(keys)
            none = torch.zeros_like(pinyin)
            return self._fuse(none, pinyin, none) - self._fuse(none[:1], none[:1], none[:1])

        return encode_unique(readings, rows)

    def _table_of_characters(self, device: torch.device) -> Tensor:
        """Word and glyph of the whole vocabulary, fused: [V, H], kept while the weights stay as they are."""
        weights = [weight for part in self._table_parts() for weight in part.parameters()]

        def compute() -> Tensor:
            every = torch.arange(self.config.vocab_size, device=device).split(4096)
            words = map(self.word_embeddings, every)
            rows = [self._fuse(w, torch.zeros_like(w), self._glyphs(ids)) for ids, w in zip(every, words, strict=True)]
            return torch.cat(rows)

        return self._table.get(weights, compute, device.type)

    def _check(
        self,
        batch: int,
        length: int,
        input_ids: Tensor | None,
        pinyin_ids: Tensor | None,
        token_type_ids: Tensor | None,
        position_ids: Tensor | None,
        glyph_ids: Tensor | None,
    ) -> None:
        slots, positions = self.config.pinyin_length, self.config.max_position_embeddings
        if input_ids is None and glyph_ids is None:
            raise ValueError(
                "inputs_embeds stands for the word vectors only; ChineseBERT also looks every character's glyph image up: "
                "pass glyph_ids [B, L] (the input_ids that the vectors were made from)"
            )
        if glyph_ids is not None and tuple(glyph_ids.shape) != (batch, length):
            raise ValueError(
                f"glyph_ids has the shape {tuple(glyph_ids.shape)}; needed is {(batch, length)}, one a token"
            )
        if pinyin_ids is not None and tuple(pinyin_ids.shape) != (batch, length, slots):
            raise ValueError(
                f"pinyin_ids has the shape {tuple(pinyin_ids.shape)}; needed is {(batch, length, slots)}: {slots} "
                f"symbols for each token; a flat [B, L * {slots}] tensor becomes one by .view({batch}, -1, {slots})"
            )
        if position_ids is None:
            check_length(length, positions)
        check_ids("input_ids", input_ids, self.word_embeddings.num_embeddings, "the vocabulary of the model")
        check_ids("glyph_ids", glyph_ids, self.glyph_embeddings.embedding.num_embeddings, "the glyph table")
        check_ids("pinyin_ids", pinyin_ids, self.config.pinyin_vocab_size, "0 none, 1-5 tones, 6-31 letters")
        check_ids("token_type_ids", token_type_ids, self.config.type_vocab_size, "type_vocab_size")
        check_ids("position_ids", position_ids, positions, "max_position_embeddings")


__all__ = ["ChineseBertEmbeddings"]
