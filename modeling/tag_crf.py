"""A CRF with tags of its own scheme inside, and IOB2, which every tool of Hugging Face reads, outside.

    outside  O  B-LOC  I-LOC  I-LOC  B-PER          labels, logits, id2label
    inside   O  B-LOC  M-LOC  E-LOC  S-PER          "BMESO": the tag says where in its entity a token stands

Axes: R rows, W positions, K labels outside, T tags inside.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .checks import SCHEMES, check_ids
from .crf import LinearChainCRF

IGNORED = -100
_MARGIN = 1e-5  # in nats, how much greater the logit of the best path is than others: seen after a softmax in float32
_LEAST = 1e-37  # probability in place of 0, whose logarithm is no number


class InnerTag(NamedTuple):
    """A tag inside: its name, the id of its label outside, the number of its entity label (-1 = O), and its rules."""

    name: str
    label: int
    entity: int
    continues: bool
    goes_on: bool | None


class Labels(NamedTuple):
    """Labels of rows, as tags inside.

    Attributes:
        tags: int64 [R, W]; None where labels are missing.
        possible: bool [R, W, T], the tags that each position may have; None where every position has a label.
        repaired: int64 [], the number of labels I-x without a B-x or I-x before them, which were read as B-x.
    """

    tags: Tensor | None
    possible: Tensor | None
    repaired: Tensor


class TagCRF(LinearChainCRF):
    """A linear-chain CRF over the tags inside; paths that are no valid tags are excluded, in training too.

    Args:
        labels: the names of the K labels outside, by id, in any order: "O", and "B-x" and "I-x" for every entity label
            x. An entity label without "I-x" has entities of one token only.
        scheme: "BMESO" (begin, middle, end, single) or "IOB2" (the same tags inside as outside).

    Attributes:
        inner_tags: the names of the T tags inside, by id.
        outside: id of "O" among the labels.

    Raises:
        ValueError: the labels are not IOB2, or the scheme is unknown.
    """

    def __init__(self, labels: Sequence[str], scheme: str = "BMESO") -> None:
        tags = _inner_tags(labels, scheme)
        # an entity goes on with its own label, and what does not go on is followed by O or a new entity
        transitions = [
            [
                one.entity == two.entity and one.goes_on is not False if two.continues else not one.goes_on
                for two in tags
            ]
            for one in tags
        ]
        starts, ends = [not tag.continues for tag in tags], [not tag.goes_on for tag in tags]
        super().__init__(len(tags), transitions, starts, ends)
        self.inner_tags, self.outside = [tag.name for tag in tags], tags[0].label
        inner, entity = np.zeros((len(labels), 2), dtype=np.int64), np.full(len(labels), -1)
        begins, inside = np.arange(len(labels)), np.zeros(len(labels), dtype=bool)
        first = {tag.entity: tag.label for tag in tags if not tag.continues}
        for index, tag in enumerate(tags):
            entity[tag.label], inside[tag.label], begins[tag.label] = tag.entity, tag.continues, first[tag.entity]
            for goes_on in (False, True):
                if tag.goes_on in (None, goes_on):
                    inner[tag.label, int(goes_on)] = index
        self.add_table("inner", inner)  # [K, 2]: the tag of a label whose entity ends there, and goes on
        self.add_table("entity", entity)  # [K]: number of the entity label, -1 = O
        self.add_table("begins", begins)  # [K]: B-x of each I-x; all others themselves
        self.add_table("continues", inside)  # [K]: whether it is an I-x
        self.add_table("outer", np.array([tag.label for tag in tags]))  # [T]: the label of each tag

    def read_labels(self, labels: Tensor, mask: Tensor) -> Labels:
        """Turns labels into tags; an I-x that continues nothing is repaired to B-x, as scorers read it, and counted.

        Args:
            labels: [R, W] integers, 0..K-1, or -100 where a label is missing.
            mask: bool [R, W], left-aligned.

        Raises:
            ValueError: no integers; on the CPU also labels that do not exist.
        """
        if labels.is_floating_point() or labels.dtype == torch.bool:
            raise ValueError(f"labels are {labels.dtype}; needed are ids of labels, int64, and -100 for a missing one")
        labels = labels.long()
        missing = (labels == IGNORED) & mask
        labels = labels.masked_fill(missing | ~mask, self.outside)
        check_ids("labels", labels, len(self.entity), "labels", "-100 is a label that is missing")
        entity = self.entity[labels].masked_fill(missing | ~mask, -1)
        before = torch.nn.functional.pad(entity[:, :-1], (1, 0), value=-1)
        # nothing is known of a label that is missing: what follows it may continue it
        unknown = torch.nn.functional.pad(missing[:, :-1], (1, 0))
        broken = self.continues[labels] & (before != entity) & ~unknown & mask
        labels = torch.where(broken, self.begins[labels], labels)
        if not bool(missing.any()):
            joined = self.continues[labels] & mask
            goes_on = torch.nn.functional.pad(joined[:, 1:], (0, 1))  # then it is the same entity, by the repair
            return Labels(self.inner[labels, goes_on.long()], None, broken.sum())
        possible = (self.outer == labels[..., None]) | missing[..., None]
        return Labels(None, possible, broken.sum())

    def labels_nll(self, emissions: Tensor, mask: Tensor, labels: Labels) -> Tensor:
        """Negative log-likelihood of each row's labels, [R]; of missing ones all tags count together.

        Args:
            emissions: [R, W, T].
            mask: bool [R, W], left-aligned.
            labels: from `read_labels`.
        """
        if labels.tags is None:
            return self.partial_nll(emissions, mask, labels.possible)
        return self.nll(emissions, mask, labels.tags)

    def sums(self, values: Tensor) -> Tensor:
        """Sums over the tags of each label: [..., T] -> [..., K]."""
        found = values.new_zeros(*values.shape[:-1], len(self.entity))
        return found.index_add(-1, self.outer, values)

    @torch.no_grad()
    def cheap_logits(self, emissions: Tensor) -> Tensor:
        """Logits [..., K] float32 of the labels without transitions, from emissions [..., T]; no gradient."""
        top = emissions.amax(-1, keepdim=True)
        return self.sums((emissions - top).float().exp()).clamp(min=_LEAST).log() + top.float()

    @torch.no_grad()
    def path_logits(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """Logits float32 [R, W, K]: the argmax is the best path, the softmax the marginal probability of each label.

        Where the most probable label is another than the path's, the probabilities of both (and of others between them)
        are made equal: the smallest change that lets the path win.

        Args:
            emissions: [R, W, T].
            mask: bool [R, W], left-aligned; logits outside of it are of no label in particular.
        """
        path = self.outer[self.decode(emissions, mask).clamp(min=0)]
        probabilities = self.sums(self.marginals(emissions, mask)).float()
        return _logits(probabilities.flatten(0, 1), path.flatten()).view_as(probabilities)

    def outside_logits(self) -> Tensor:
        """Logits float32 [K] of what is no token of a text: O for certain."""
        logits = torch.full(self.entity.shape, _LEAST, device=self.entity.device).log()
        logits[self.outside] = 0
        return logits


def _logits(probabilities: Tensor, path: Tensor) -> Tensor:
    """Logits [N, K] whose argmax is `path` [N], and whose softmax is nearest to `probabilities` [N, K]."""
    path = path[:, None]
    logits = probabilities.clamp(min=_LEAST).log()
    others = logits.scatter(1, path, -torch.inf).amax(1)
    behind = (logits.gather(1, path).squeeze(1) < others + _MARGIN).nonzero().squeeze(1)
    if not len(behind):
        return logits
    given, path = probabilities[behind], path[behind]
    own = given.gather(1, path)
    # all that is above a level goes to the path's label, which reaches just that level
    highest = given.scatter(1, path, 0).sort(1, descending=True).values
    counts = torch.arange(2, given.shape[1] + 2, device=given.device)
    level = ((own + highest.cumsum(1)) / counts).amax(1, keepdim=True).clamp(min=_LEAST)
    changed = torch.minimum(given, level).clamp(min=_LEAST).log()
    return logits.index_copy(0, behind, changed.scatter(1, path, level.log() + _MARGIN))


def _inner_tags(labels: Sequence[str], scheme: str) -> list[InnerTag]:
    """The tags inside: O, then those of every entity label in the order of its B-x.

    Raises:
        ValueError: names what is no IOB2, and the fix.
    """
    if scheme not in SCHEMES:
        raise ValueError(f"scheme={scheme!r} is not allowed; allowed is {' or '.join(map(repr, SCHEMES))}")
    ids = {label: index for index, label in enumerate(labels)}
    begins = [label[2:] for label in map(str, labels) if label[:2] == "B-" and label[2:]]
    known = {"O", *(f"{letter}-{name}" for letter in "BI" for name in begins)}
    wrong = [label for label in labels if label not in known] or ["no O"] * ("O" not in ids)
    if wrong or len(ids) != len(labels):
        raise ValueError(
            f"id2label {list(labels)} is not allowed with a CRF, which decodes whole entities: "
            f"{wrong or 'one name twice'}. "
            'Needed are IOB2 labels, "O", and "B-x" and "I-x" for each label x, e.g. id2label={0: "O", 1: "B-LOC", '
            '2: "I-LOC"} and label2id the other way round; other labels are for classifier="linear"'
        )
    tags = [InnerTag("O", ids["O"], -1, False, False)]
    for number, name in enumerate(begins):
        for letter, (outer, goes_on) in SCHEMES[scheme].items():
            # without an I-x nothing can follow a B-x
            if f"I-{name}" in ids or (outer == "B" and goes_on is not True):
                goes_on = goes_on if f"I-{name}" in ids else False
                tags.append(InnerTag(f"{letter}-{name}", ids[f"{outer}-{name}"], number, outer == "I", goes_on))
    return tags


__all__ = ["IGNORED", "Labels", "TagCRF"]
