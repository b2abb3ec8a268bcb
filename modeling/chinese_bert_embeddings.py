"""The embeddings of ChineseBERT: character id, glyph and pinyin, fused (section 3.2, Figures 2 to 4 of the paper).

Axes: B batch, L length, H hidden, V vocabulary, P pinyin slots, U distinct keys, G glyph values (fonts * height *
width).

    word    = E_word[id]                                                   [B, L, H]
    pinyin  = max over windows of conv(E_symbol[pinyin_ids])               [B, L, H]
    glyph   = W_G picture[glyph_id] + b_G                                  [B, L, H]
    fused   = W_F [word; pinyin; glyph] + b_F                              [B, L, H]
    output  = dropout(LayerNorm(fused + position + token type))            [B, L, H]

W_F has three blocks of columns, one a part, so the product falls into three sums: word and glyph depend on the
character alone, pinyin on the reading alone. Each is computed once for every distinct key; in eval mode without
gradients word and glyph of the whole vocabulary stand in one table [V, H]. The numbers are those of the published
code (tokens of token types, which the paper leaves out, are added as there).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .configuration_chinese_bert import ChineseBertConfig
from .distinct import WeightCache, encode_distinct


class PinyinEmbedding(nn.Module):
    """A reading's vector: symbols -> convolution of width 2 -> maximum over the windows (Figure 3).

    A convolution over looked-up vectors is a sum of look-ups, one table of `pinyin_vocab_size` rows for each tap, so
    the windows are never multiplied out. Empty slots (0) take part like letters, as in the published code.
    """

    def __init__(self, config: ChineseBertConfig) -> None:
        super().__init__()
        size, kernel = config.pinyin_embedding_size, config.pinyin_kernel_size
        self.embedding = nn.Embedding(config.pinyin_vocab_size, size)
        self.conv = PinyinConv(size, config.hidden_size, kernel_size=kernel)

    def forward(self, pinyin_ids: Tensor) -> Tensor:
        """pinyin_ids [U, P] int64 -> vectors [U, H]."""
        taps = self.conv.weight.unbind(-1)  # kernel x [H, size]
        windows = pinyin_ids.shape[-1] - len(taps) + 1
        total = self.conv.bias
        for place, tap in enumerate(taps):
            table = F.linear(self.embedding.weight, tap)  # [symbols, H]
            total = total + F.embedding(pinyin_ids[:, place : place + windows], table)  # [U, windows, H]
        return total.amax(dim=1)


class PinyinConv(nn.Conv1d):
    """A class of its own: the published model leaves this convolution at torch's default initialisation."""


class GlyphEmbedding(nn.Module):
    """The flat pictures of every token, [V, G]; trainable like the rest, as in the published model."""

    def __init__(self, config: ChineseBertConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(config.vocab_size, config.glyph_embedding_dim)

    def forward(self, glyph_ids: Tensor) -> Tensor:
        """glyph_ids [...] int64 -> pictures [..., G]."""
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
        batch, length = source.shape[:2]
        self._check(batch, length, input_ids, pinyin_ids, token_type_ids, position_ids, glyph_ids)
        if pinyin_ids is None:
            pinyin_ids = torch.zeros((1, 1, self.config.pinyin_length), dtype=torch.long, device=source.device)
        if position_ids is None:
            position_ids = self.position_ids[:, :length]
        if token_type_ids is None:
            token_type_ids = torch.zeros((1, 1), dtype=torch.long, device=source.device)
        fused = self._characters(input_ids, inputs_embeds, glyph_ids) + self._readings(pinyin_ids)
        fused = fused + self.position_embeddings(position_ids) + self.token_type_embeddings(token_type_ids)
        return self.dropout(self.LayerNorm(fused))

    def _characters(self, input_ids: Tensor | None, inputs_embeds: Tensor | None, glyph_ids: Tensor | None) -> Tensor:
        """The share of word and glyph in the fusion, with its bias: [B, L, H]."""
        if inputs_embeds is None and glyph_ids is None:
            if self.training or torch.is_grad_enabled() or torch.compiler.is_compiling():
                return encode_distinct(input_ids, self._character_rows)
            return F.embedding(input_ids, self._character_table())
        if inputs_embeds is None:
            words = encode_distinct(input_ids, self._word_rows)
        else:
            words = F.linear(inputs_embeds, self._fusion_block("word"), self.map_fc.bias)
        return words + encode_distinct(glyph_ids, self._glyph_rows)

    def _readings(self, pinyin_ids: Tensor) -> Tensor:
        """The share of pinyin in the fusion: [B, L, P] -> [B, L, H]. A reading is packed into one int64 key."""
        radix = self.config.pinyin_vocab_size
        scale = radix ** torch.arange(self.config.pinyin_length, device=pinyin_ids.device)  # [P]

        def rows(keys: Tensor) -> Tensor:  # [U] -> [U, H]
            symbols = keys[:, None] // scale % radix
            return F.linear(self.pinyin_embeddings(symbols), self._fusion_block("pinyin"))

        return encode_distinct((pinyin_ids * scale).sum(-1), rows)

    def _fusion_block(self, part: str) -> Tensor:
        """The columns of W_F that belong to one part: [H, H]."""
        return self.map_fc.weight.chunk(3, dim=1)[("word", "pinyin", "glyph").index(part)]

    def _word_rows(self, ids: Tensor) -> Tensor:
        return F.linear(self.word_embeddings(ids), self._fusion_block("word"), self.map_fc.bias)

    def _glyph_rows(self, ids: Tensor) -> Tensor:
        return F.linear(self.glyph_map(self.glyph_embeddings(ids)), self._fusion_block("glyph"))

    def _character_rows(self, ids: Tensor) -> Tensor:
        return self._word_rows(ids) + self._glyph_rows(ids)

    def _character_table(self) -> Tensor:
        """Word and glyph of the whole vocabulary, fused: [V, H], kept while the weights stay as they are."""
        parts = (self.word_embeddings, self.glyph_embeddings.embedding, self.glyph_map, self.map_fc)
        weights = [weight for part in parts for weight in part.parameters()]
        every = torch.arange(self.word_embeddings.num_embeddings, device=weights[0].device)
        return self._table.get(weights, lambda: torch.cat([self._character_rows(ids) for ids in every.split(4096)]))

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
                "inputs_embeds stands for the word vectors only; ChineseBERT also looks every character's picture up: "
                "pass glyph_ids [B, L] (the input_ids that the vectors were made from)"
            )
        if pinyin_ids is not None and tuple(pinyin_ids.shape) != (batch, length, slots):
            raise ValueError(
                f"pinyin_ids has the shape {tuple(pinyin_ids.shape)}; needed is {(batch, length, slots)}: {slots} "
                f"symbols for each token; a flat [B, L * {slots}] tensor becomes one by .view({batch}, -1, {slots})"
            )
        if position_ids is None and length > positions:
            raise ValueError(
                f"the sequence has {length} tokens and the model {positions} positions; cut it "
                f"(truncation=True, max_length={positions}) or split it into windows "
                "(stride=..., return_overflowing_tokens=True; stride=... in a pipeline)"
            )
        check_ids("input_ids", input_ids, self.word_embeddings.num_embeddings, "the vocabulary of the model")
        check_ids("glyph_ids", glyph_ids, self.glyph_embeddings.embedding.num_embeddings, "the glyph table")
        check_ids("pinyin_ids", pinyin_ids, self.config.pinyin_vocab_size, "0 none, 1-5 tones, 6-31 letters")
        check_ids("token_type_ids", token_type_ids, self.config.type_vocab_size, "type_vocab_size")
        check_ids("position_ids", position_ids, positions, "max_position_embeddings")


def check_ids(name: str, ids: Tensor | None, size: int, meaning: str) -> None:
    """Refuses ids outside of 0..size-1.

    Only on the CPU: elsewhere a look at the values would make the host wait for the device at every step.

    Raises:
        ValueError: names the input, the value found and what is allowed.
    """
    if ids is None or ids.device.type != "cpu" or torch.compiler.is_compiling() or not ids.numel():
        return
    low, high = (int(bound) for bound in torch.aminmax(ids))
    if low < 0 or high >= size:
        found = low if low < 0 else high
        raise ValueError(
            f"{name} holds {found}; allowed are 0 to {size - 1} ({meaning}). Were text and model made by "
            "the same tokenizer? After adding tokens call model.resize_token_embeddings(len(tokenizer))"
        )


__all__ = ["ChineseBertEmbeddings", "check_ids"]
