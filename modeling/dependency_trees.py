"""The best dependency tree of a sentence (Chu and Liu, 1965; Edmonds, 1967).

Every word takes its best head. Where that is no tree, a cycle of words is contracted into one node, whose arcs count
what they add to the cycle, and so on; in the end each cycle is opened at the word through which it is entered. Arcs
are compared by three keys, one after another, which are added up as scores are:

    level   an arc of the root costs n + 1, one of -inf costs 1     so that one word alone hangs on the root
    score   float64
    order   -head * (n + 1) ** (n - word)                           so that ties have one answer

Axes: B batch, L words of the longest sentence, n words of a sentence; position 0 is the root.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

NO_HEAD = -1  # of the root and of padding
_NO_ARC = -(1 << 40)  # level of what is no arc, or none any more
_LARGEST = 1e300  # sums of thousands of scores stay finite


def decode_heads(scores: Tensor | np.ndarray, lengths: Tensor | np.ndarray | Sequence[int]) -> Tensor | np.ndarray:
    """The best tree of each sentence in which exactly one word hangs on the root; it may have crossing arcs.

    Args:
        scores: [B, L + 1, L + 1]; scores[b, i, j] is the score of word j, or of the root, 0, as the head of word i.
            -inf forbids an arc: it is taken only where no tree does without one, and then as few are taken as can be.
            What belongs to no arc is not read: the row of the root, the diagonal and padding.
        lengths: [B] integers, the words of each sentence, 0..L.

    Returns:
        int64 [B, L + 1], 0 for the word on the root, else 1..L; -1 at the root and at padding. A tensor on the device
        of `scores`, or an array as they are. Of trees with equal sums the first is returned, as lists of heads are
        sorted: that in which word 1 has the lowest head, then word 2, and so on. Sums are those of float64.

    Raises:
        ValueError: the shapes or lengths do not fit, or the score of an arc is nan, +inf, or beyond 1e300.

    Example:
        >>> decode_heads(np.array([[[0, 0, 0], [1, 0, 9], [5, 9, 0]]]), [2])  # each of both words wants the other
        array([[-1,  2,  0]])
    """
    values = scores.detach().cpu().double().numpy() if isinstance(scores, Tensor) else np.asarray(scores, np.float64)
    counts = np.asarray(lengths.cpu() if isinstance(lengths, Tensor) else lengths)
    _check(values, counts)
    positions = np.arange(values.shape[1])
    is_word = (positions > 0) & (positions <= counts[:, None])  # [B, L + 1]
    is_arc = is_word[:, :, None] & (positions <= counts[:, None, None]) & (positions[:, None] != positions)
    _check_values(values, is_arc)
    # argmax takes the first of equal ones: the lowest head, also where all are -inf
    heads = np.where(is_word, np.where(is_arc, values, -np.inf).argmax(-1), NO_HEAD)
    for row in np.flatnonzero(~_are_trees(heads, is_word)):
        size = counts[row] + 1
        heads[row, :size] = _best_tree(values[row, :size, :size])
    return torch.from_numpy(heads).to(scores.device) if isinstance(scores, Tensor) else heads


def _check(values: np.ndarray, counts: np.ndarray) -> None:
    if values.ndim != 3 or values.shape[1] != values.shape[2] or not values.shape[1]:
        raise ValueError(
            f"scores have the shape {values.shape}; needed is [B, L + 1, L + 1]: sentences, words and their heads, "
            "each with the root as position 0"
        )
    if counts.shape != values.shape[:1] or (counts.size and counts.dtype.kind not in "iu"):
        raise ValueError(
            f"lengths are {counts.dtype} of the shape {counts.shape}; needed is one integer for each of "
            f"{len(values)} sentences: the count of its words, without the root"
        )
    if counts.size and not 0 <= counts.min() <= counts.max() < values.shape[1]:
        wrong = counts[(counts < 0) | (counts >= values.shape[1])][0]
        raise ValueError(
            f"lengths hold {wrong}; allowed are 0 to {values.shape[1] - 1}: scores of the shape {values.shape} have "
            "one position for the root, which is not counted"
        )


def _check_values(values: np.ndarray, is_arc: np.ndarray) -> None:
    wrong = is_arc & ~((np.abs(values) <= _LARGEST) | (values == -np.inf))
    if wrong.any():
        row, word, head = (int(index) for index in np.argwhere(wrong)[0])
        raise ValueError(
            f"scores[{row}, {word}, {head}] is {values[row, word, head]}; allowed are numbers from -{_LARGEST} to "
            f"{_LARGEST}, and -inf for an arc that is forbidden. A model gives others where its training diverged"
        )


def _are_trees(heads: np.ndarray, is_word: np.ndarray) -> np.ndarray:
    """Whether heads [B, L + 1] are trees in which one word, or in a sentence without words none, hangs on the root."""
    ancestors = np.where(is_word, heads, 0)
    one_root = (is_word & (heads == 0)).sum(-1) == is_word.any(-1)
    for _ in range(heads.shape[1].bit_length()):  # every time twice as far up
        ancestors = np.take_along_axis(ancestors, ancestors, axis=-1)
    return one_root & ~ancestors.any(-1)


def _best_tree(scores: np.ndarray) -> np.ndarray:
    """Scores [n + 1, n + 1] of one sentence -> its heads, int64 [n + 1]."""
    graph, done = _Graph(scores), {0}
    for start in range(1, len(scores)):
        # from head to head, until the way ends at the root; where it meets itself, that cycle becomes one node
        node, way = int(graph.nodes[start]), []
        while node not in done:
            if node in way:
                begin = way.index(node)
                graph.contract(way[begin:])
                del way[begin:]
            way.append(node)
            node = graph.choose(node)
        done.update(way)
    return graph.heads()


class _Graph:
    """The arcs into each node of a sentence; a node is a word, or a cycle that was contracted into its first node.

    Attributes:
        level, score, order: the keys of the best arc into each node (rows) from every word outside of it (columns),
            [n + 1, n + 1] each.
        words: the word of the node that this arc enters, int64 [n + 1, n + 1].
        nodes: int64 [n + 1], the node of every word.
        names: of what each row holds: words are 0..n, cycles have the numbers after them.
        best: the head that was chosen for each node, one of its columns.
        entries: name -> word and head of the arc that was chosen for it.
        cycles: name -> name of the cycle that it is part of; members: name of a cycle -> names of its parts.
    """

    def __init__(self, scores: np.ndarray) -> None:
        size = len(scores)
        forbidden = scores == -np.inf
        self.level = -forbidden.astype(np.int64)
        self.level[:, 0] -= size
        np.fill_diagonal(self.level, _NO_ARC)
        self.score = np.where(forbidden | np.eye(size, dtype=bool), 0, scores)  # the diagonal may be nan
        powers = np.array([size ** (size - word) for word in range(size)], object)  # integers of any size
        self.order = -np.arange(size).astype(object) * powers[:, None]
        self.words = np.arange(size)[:, None].repeat(size, 1)
        self.nodes = np.arange(size)
        self.names, self.best = list(range(size)), np.zeros(size, int)
        self.entries: dict[int, tuple[int, int]] = {}
        self.cycles: dict[int, int] = {}
        self.members: dict[int, list[int]] = {}

    def choose(self, node: int) -> int:
        """Chooses the best head of a node; returns the node of that head."""
        heads = (self.level[node] == self.level[node].max()).nonzero()[0]
        found = self.score[node, heads]
        heads = heads[found == found.max()]
        head = int(heads[self.order[node, heads].argmax()])
        self.best[node] = head
        self.entries[self.names[node]] = (int(self.words[node, head]), head)
        return int(self.nodes[head])

    def contract(self, cycle: list[int]) -> None:
        """Makes one node of those of a cycle."""
        first, heads, columns = cycle[0], self.best[cycle], np.arange(len(self.nodes))
        # [k, n + 1] for the k nodes of the cycle: to enter it at one of them removes the arc by which it was entered
        level, score, order = (key[cycle] - key[cycle, heads][:, None] for key in (self.level, self.score, self.order))
        is_best = level == level.max(0)
        found = np.where(is_best, score, -np.inf)
        is_best &= found == found.max(0)
        into = is_best.argmax(0)
        tied = (is_best.sum(0) > 1).nonzero()[0]
        if len(tied):  # comparing integers of any size is slow, and ties are rare
            found = order[:, tied]
            into[tied] = np.where(is_best[:, tied], found, found.min() - 1).argmax(0)
        self.words[first] = self.words[np.array(cycle)[into], columns]
        for key, values in ((self.level, level), (self.score, score), (self.order, order)):
            key[first] = values[into, columns]
        owners = columns.copy()
        owners[cycle] = first
        self.nodes = owners[self.nodes]
        self.level[first, self.nodes == first] = _NO_ARC
        name = len(self.names) + len(self.members)
        self.members[name] = [self.names[node] for node in cycle]
        self.cycles |= dict.fromkeys(self.members[name], name)
        self.names[first] = name

    def heads(self) -> np.ndarray:
        """Opens every cycle at the word through which it is entered: int64 [n + 1]."""
        heads = np.full(len(self.nodes), NO_HEAD)
        names = [self.names[node] for node in np.unique(self.nodes) if node]
        while names:
            outer = names.pop()
            name, heads[name] = self.entries[outer]
            while name != outer:
                cycle = self.cycles[name]
                names += [other for other in self.members[cycle] if other != name]
                name = cycle
        return heads


__all__ = ["NO_HEAD", "decode_heads"]
