"""The LSTM of a lattice (Zhang and Yang, 2018): beside each character it reads the words of a lexicon that end there.

    i, o, g = sigm, sigm, tanh of (W x_t + U h_t-1 + b)                      the character at t
    f, i', g' = sigm, sigm, tanh of (W' e_w + U' h_s + b')                   a word w from s to t, at its START s
    c_w     = f * c_s + i' * g'
    a_w     = sigm(A x_t + B c_w + d)                                        at its END t
    c_t     = (exp(i) * g + sum_w exp(a_w) * c_w) / (exp(i) + sum_w exp(a_w))  where words end; without c_t-1
            = (1 - i) * c_t-1 + i * g                                        where none does
    h_t     = o * tanh(c_t)

A step computes the cells of all words that begin there, over the whole batch, in one product. Each is kept until its
end, where sums of exp(a_w) (from 1 to e, so that no maximum is needed) are added to the rows of their texts.

Axes: B batch, L length (time first inside: step t of row b), D width of the input, H hidden, M words of the text that
has most, N words of the batch, S width of a word's vector.
"""

from collections import defaultdict

import torch
from torch import Tensor, nn
from transformers import initialization as init

from .bilstm import take_positions
from .lattice import Lattice, read_lattice
from .tracing import is_traced


class CharacterCell(nn.Module):
    """The weights that read characters, [in, out] as published; gates in the order i, o, g.

    Attributes:
        weight_ih: [D, 3H], weight_hh: [H, 3H], bias: [3H].
        alpha_weight_ih: [D, H], alpha_weight_hh: [H, H], alpha_bias: [H]: how much a word counts at its last character.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.weight_ih = nn.Parameter(torch.empty(input_size, 3 * hidden_size))
        self.weight_hh = nn.Parameter(torch.empty(hidden_size, 3 * hidden_size))
        self.bias = nn.Parameter(torch.empty(3 * hidden_size))
        self.alpha_weight_ih = nn.Parameter(torch.empty(input_size, hidden_size))
        self.alpha_weight_hh = nn.Parameter(torch.empty(hidden_size, hidden_size))
        self.alpha_bias = nn.Parameter(torch.empty(hidden_size))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """As published: see `_reset`."""
        _reset(self.weight_ih, self.weight_hh, self.bias)
        _reset(self.alpha_weight_ih, self.alpha_weight_hh, self.alpha_bias)

    def forward(self, inputs: Tensor, hidden: Tensor, cell: Tensor, words: Tensor | None) -> tuple[Tensor, Tensor]:
        """One step.

        Args:
            inputs: [B, 3H], W x_t + b.
            hidden: [B, H], h_t-1.
            cell: [B, H], c_t-1.
            words: [B, 2H], sums over the words that end here of exp(a_w) * c_w and of exp(a_w), 0 in rows without any;
                None where no row has one.

        Returns:
            h_t and c_t, [B, H] each.
        """
        sigmoids, g = _gates(torch.addmm(inputs, hidden, self.weight_hh))
        i, o = sigmoids.chunk(2, dim=-1)
        found = torch.lerp(cell, g, i)
        if words is not None:
            weighted, total = words.chunk(2, dim=-1)
            own = i.exp()
            found = torch.where(total > 0, (own * g + weighted) / (own + total), found)
        return o * found.tanh(), found


class WordCell(nn.Module):
    """The weights that read words, [in, out] as published; gates in the order f, i, g.

    Attributes:
        weight_ih: [S, 3H], weight_hh: [H, 3H], bias: [3H].
    """

    def __init__(self, word_size: int, hidden_size: int) -> None:
        super().__init__()
        self.weight_ih = nn.Parameter(torch.empty(word_size, 3 * hidden_size))
        self.weight_hh = nn.Parameter(torch.empty(hidden_size, 3 * hidden_size))
        self.bias = nn.Parameter(torch.empty(3 * hidden_size))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """As published: see `_reset`."""
        _reset(self.weight_ih, self.weight_hh, self.bias)

    def forward(self, inputs: Tensor, hidden: Tensor, cell: Tensor) -> Tensor:
        """The cells c_w [n, H] of words, from W' e_w + b' [n, 3H], and h_s and c_s [n, H] of their first characters."""
        sigmoids, g = _gates(torch.addmm(inputs, hidden, self.weight_hh))
        f, i = sigmoids.chunk(2, dim=-1)
        return f * cell + i * g


class LatticeLSTM(nn.Module):
    """One direction over the characters of texts and the words of a lexicon in them.

    Args:
        input_size: D.
        hidden_size: H.
        word_size: S.
        num_words: words of the lexicon, >= 1; ids 0..num_words-1.
        reverse: whether texts are read from their last character to their first. A word is then begun at its last
            character, and counts at its first.
        word_dropout: dropout on the vectors of words, in [0, 1).

    Attributes:
        rnn: see `CharacterCell`.
        word_rnn: see `WordCell`.
        word_emb: the vectors of words, [num_words, S].
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        word_size: int,
        num_words: int,
        reverse: bool = False,
        word_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.hidden_size, self.reverse = hidden_size, reverse
        self.rnn = CharacterCell(input_size, hidden_size)
        self.word_rnn = WordCell(word_size, hidden_size)
        self.word_emb = nn.Embedding(num_words, word_size)
        self.word_dropout = nn.Dropout(word_dropout)
        limit = (3 / word_size) ** 0.5  # vectors of about length 1, as published
        nn.init.uniform_(self.word_emb.weight, -limit, limit)

    @torch.compiler.disable  # loops over steps and reads spans: compiled it would be a graph for every batch
    def forward(
        self, inputs: Tensor, attention_mask: Tensor, word_ids: Tensor, word_spans: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Reads texts in one direction, in the dtype of the weights (under autocast too: a recurrence adds up errors).

        Args:
            inputs: [B, L, D] floating point, L >= 1.
            attention_mask: [B, L] bool or 0 and 1, 1 = character. Padding may stand on either side and is left out.
            word_ids: [B, M] integers, 0..num_words-1; negative ones are padding, whose spans are not read. M may be 0.
            word_spans: [B, M, 2] integers, positions 0..L-1 of the first and of the last character of each word (ends
                inclusive); a word has two characters or more, and none of them is padding.

        Returns:
            hidden and cell of every character, [B, L, H] each; 0 at padding.

        Raises:
            ValueError: a shape, a dtype, a word or a span that does not fit: names the first one; or a graph is
                recorded.
        """
        mask = self._checked(inputs, attention_mask, word_ids, word_spans)
        # characters come first and padding last, in the order in which they are read: [B, L], positions by step
        positions = torch.arange(mask.shape[1], device=mask.device)
        keys = positions.flip(0) if self.reverse else positions
        order = torch.where(mask, keys, len(keys)).argsort(dim=1, stable=True)
        steps = order.argsort(dim=1)  # [B, L], steps by position
        lattice = read_lattice(*(given.cpu() for given in (mask, steps, word_ids, word_spans)), self.num_words)
        # filled, not multiplied: padding may hold inf or nan
        characters = take_positions(inputs.masked_fill(~mask[..., None], 0), order)
        with torch.autocast(inputs.device.type, enabled=False):
            found = self._read(characters.to(self.rnn.weight_ih.dtype).transpose(0, 1), lattice)
        hidden, cell = (take_positions(one, steps).masked_fill(~mask[..., None], 0) for one in found)
        return hidden, cell

    @property
    def num_words(self) -> int:
        """Words of the lexicon."""
        return self.word_emb.num_embeddings

    def extra_repr(self) -> str:
        """The direction."""
        return f"reverse={self.reverse}"

    def _read(self, characters: Tensor, lattice: Lattice) -> tuple[Tensor, Tensor]:
        """Hidden and cell [B, L, H] of characters [L, B, D], each by step."""
        length, batch, _ = characters.shape
        rnn, flat = self.rnn, characters.flatten(0, 1)  # [L * B, D]
        # split once for all steps: the gradients of pieces are joined once, too
        inputs = torch.addmm(rnn.bias, flat, rnn.weight_ih).view(length, batch, -1).unbind()
        begun, ended, words, alphas = self._project_words(flat, lattice, batch)
        hidden = cell = characters.new_zeros(batch, self.hidden_size)
        hiddens, cells, kept = [], [], defaultdict(list)
        for t in range(length):
            sums = None
            if t in kept:  # pieces are in the order of their starts, as `ended` has them
                sums = hidden.new_zeros(batch, 2 * self.hidden_size).index_add(0, ended[t], torch.cat(kept.pop(t)))
            hidden, cell = rnn(inputs[t], hidden, cell, sums)
            hiddens.append(hidden)
            cells.append(cell)
            if lattice.starting[t]:
                counted = self._count_words(
                    words[t], alphas[t], *(one.index_select(0, begun[t]) for one in (hidden, cell))
                )
                ends, sizes = zip(*lattice.starting[t], strict=True)
                for end, piece in zip(ends, counted.split(sizes), strict=True):
                    kept[end].append(piece)
        if not len(lattice.ids):
            # 0, a sum over no words: it gives the weights of words gradients of 0, for which DDP waits
            nothing = self._count_words(words[0], alphas[0], hidden[:0], cell[:0]).sum()
            hiddens[-1] = hiddens[-1] + nothing
        return torch.stack(hiddens, dim=1), torch.stack(cells, dim=1)

    def _project_words(self, flat: Tensor, lattice: Lattice, batch: int) -> tuple[tuple[Tensor, ...], ...]:
        """What is known of the words before any step, in a piece for each of L steps.

        Returns:
            The rows of the words that begin at a step, and of those that end there; by the step where they begin,
            W' e_w + b' [n, 3H] and A x_t + d [n, H] of the characters at which they end.
        """
        device, rnn, word_rnn = flat.device, self.rnn, self.word_rnn
        ids, rows, ends = (one.to(device) for one in (lattice.ids, lattice.rows, lattice.ends))
        vectors = self.word_dropout(self.word_emb(ids))  # [N, S]
        words = torch.addmm(word_rnn.bias, vectors, word_rnn.weight_ih)
        alphas = torch.addmm(rnn.alpha_bias, flat.index_select(0, ends * batch + rows), rnn.alpha_weight_ih)
        begun, words, alphas = (one.split(lattice.begin_counts) for one in (rows, words, alphas))
        return begun, rows[ends.argsort(stable=True)].split(lattice.end_counts), words, alphas

    def _count_words(self, words: Tensor, alphas: Tensor, hidden: Tensor, cell: Tensor) -> Tensor:
        """exp(a_w) * c_w and exp(a_w), [n, 2H], of n words at their start.

        Args:
            words: [n, 3H], W' e_w + b'.
            alphas: [n, H], A x_t + d.
            hidden: [n, H], h_s.
            cell: [n, H], c_s.
        """
        cell = self.word_rnn(words, hidden, cell)
        weight = torch.addmm(alphas, cell, self.rnn.alpha_weight_hh).sigmoid().exp()
        return torch.cat((weight * cell, weight), dim=-1)

    def _checked(self, inputs: Tensor, mask: Tensor, word_ids: Tensor, word_spans: Tensor) -> Tensor:
        """The mask as bool. Refuses shapes and dtypes that do not fit, and graphs."""
        if is_traced(inputs) or inputs.is_meta:
            raise ValueError(
                "a LatticeLSTM reads the words of each text, which neither a graph for other texts (torch.export, "
                "torch.jit.trace, ONNX, CUDA graphs) can hold, nor tensors without values; torch.compile leaves it out"
            )
        size, count = self.rnn.weight_ih.shape[0], word_ids.shape[-1]
        shapes = [tuple(given.shape) for given in (inputs, mask, word_ids, word_spans)]
        pair = shapes[0][:2]
        if shapes != [(*pair, size), pair, (*pair[:1], count), (*pair[:1], count, 2)] or 0 in pair[1:]:
            raise ValueError(
                f"inputs, attention_mask, word_ids and word_spans have the shapes {', '.join(map(str, shapes))}; "
                f"needed are [B, L, {size}], [B, L], [B, M] and [B, M, 2] with L >= 1"
            )
        for name, given in {"word_ids": word_ids, "word_spans": word_spans}.items():
            if given.is_floating_point() or given.dtype == torch.bool:
                raise ValueError(f"{name} are {given.dtype}; needed are integers, int64")
        return mask.bool()


def _gates(sums: Tensor) -> tuple[Tensor, Tensor]:
    """Two sigmoids, beside each other [n, 2H], and a tanh [n, H], of [n, 3H]."""
    width = sums.shape[-1] // 3
    return sums[:, : 2 * width].sigmoid(), sums[:, 2 * width :].tanh()


def _reset(weight_ih: Tensor, weight_hh: Tensor, bias: Tensor) -> None:
    """Orthogonal over inputs, the identity over hidden states (once a gate), no bias.

    With transformers' own functions, which leave alone what a checkpoint has filled.
    """
    size = len(weight_hh)
    init.orthogonal_(weight_ih)
    init.copy_(weight_hh, torch.eye(size).repeat(1, weight_hh.shape[1] // size))
    init.zeros_(bias)


__all__ = ["CharacterCell", "LatticeLSTM", "WordCell"]
