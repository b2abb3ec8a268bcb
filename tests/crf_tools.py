"""Batches for CRFs and their obvious, slow counterparts: every path of every row, one by one."""

import itertools

import torch

from hanziformers.modeling.crf import LinearChainCRF


def random_crf(tags, scale=1.0, **allowed):
    """A CRF in float64 with random parameters."""
    crf = LinearChainCRF(tags, **allowed).double()
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter.normal_().mul_(scale)
    return crf


def random_batch(lengths, tags, scale=1.0):
    """Emissions float64 [B, L, K], left-aligned mask and tags."""
    mask = torch.arange(max(1, *lengths))[None] < torch.tensor(lengths)[:, None]
    emissions = torch.randn(*mask.shape, tags, dtype=torch.float64) * scale
    return emissions, mask, torch.randint(0, tags, mask.shape)


def paths(crf, length):
    """All allowed paths of a length."""
    excluded = [getattr(crf, f"excluded_{name}").tolist() for name in ("starts", "transitions", "ends")]
    for path in itertools.product(range(crf.num_tags), repeat=length):
        pairs = zip(path, path[1:], strict=False)
        if not (excluded[0][path[0]] or excluded[2][path[-1]] or any(excluded[1][a][b] for a, b in pairs)):
            yield path


def path_score(crf, emissions, path):
    """The score of a path under emissions [n, K]; differentiable."""
    score = crf.start[path[0]] + crf.end[path[-1]]
    score = score + sum(emissions[position, tag] for position, tag in enumerate(path))
    return score + sum(crf.transitions[a, b] for a, b in zip(path, path[1:], strict=False))


def enumerate_rows(crf, emissions, mask):
    """By all paths: log partition [B], marginals [B, L, K] and the best path of each row, a list."""
    partition, best, marginals = [], [], torch.zeros_like(emissions)
    for row, length in enumerate(mask.sum(1).tolist()):
        found = list(paths(crf, length)) if length else [()]
        scores = [path_score(crf, emissions[row], path) if path else emissions.new_zeros(()) for path in found]
        partition.append(torch.stack(scores).logsumexp(0))
        best.append(list(found[int(torch.stack(scores).argmax())]))
        for path, score in zip(found, scores, strict=True):
            for position, tag in enumerate(path):
                marginals[row, position, tag] += (score - partition[-1]).exp().detach()
    return torch.stack(partition), marginals, best


def as_lists(decoded):
    """Paths int64 [B, L] without their padding."""
    return [[tag for tag in row if tag >= 0] for row in decoded.tolist()]
