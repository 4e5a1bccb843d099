"""Mini-batch k-means in torch, deterministic for a seed.

Seeding is k-means++ (Arthur and Vassilvitskii 2007) on a sample; the updates are Sculley's (2010): each centroid
moves towards the mean of its share of a batch at the rate of that share in all it has seen.
"""

from __future__ import annotations

import torch
from torch import Tensor

from streamvc.errors import CorpusError


def assign(points: Tensor, centroids: Tensor, block: int = 8192) -> Tensor:
    """Index of the nearest centroid (Euclidean) of each point.

    Args:
        points: [n, d]. centroids: [k, d].
        block: points compared at a time, which bounds the memory.

    Returns:
        int64 [n].
    """
    half = 0.5 * centroids.square().sum(dim=1)
    # argmin |x - c|^2 = argmax x.c - |c|^2 / 2: the length of x is the same for all c
    found = torch.empty(points.shape[0], dtype=torch.int64)
    for first in range(0, points.shape[0], block):
        found[first : first + block] = (points[first : first + block] @ centroids.T - half).argmax(dim=1)
    return found


def seed_centroids(points: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """k-means++: each next centroid is a point drawn in proportion to its squared distance to the nearest so far."""
    first = int(torch.randint(points.shape[0], (1,), generator=generator))
    chosen = [points[first]]
    nearest = (points - chosen[0]).square().sum(dim=1)
    for _ in range(1, k):
        pick = int(torch.multinomial(nearest.clamp_min(1e-12), 1, generator=generator))
        chosen.append(points[pick])
        nearest = torch.minimum(nearest, (points - chosen[-1]).square().sum(dim=1))
    return torch.stack(chosen)


def fit(points: Tensor, k: int, seed: int = 0, batch: int = 10_000, epochs: int = 20, sample: int = 20_000) -> Tensor:
    """Centroids of `points`.

    Args:
        points: float32 [n, d].
        k: number of centroids.
        batch: points of one update.
        epochs: passes over the points.
        sample: points that seeding looks at.

    Returns:
        float32 [k, d].

    Raises:
        CorpusError: there are fewer points than centroids, or they are not finite.
    """
    if points.shape[0] < k:
        raise CorpusError(f"{points.shape[0]} frames cannot make {k} clusters; label a larger corpus or ask for fewer.")
    if not torch.isfinite(points).all():
        raise CorpusError("features that are not finite numbers cannot be clustered; check the audio of the corpus.")
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(points.shape[0], generator=generator)
    centroids = seed_centroids(points[order[: max(sample, k)]], k, generator).clone()
    seen = torch.zeros(k)
    for epoch in range(epochs):
        # a count that starts anew for each pass lets centroids move far early and settle late
        if epoch < epochs // 2:
            seen.zero_()
        order = torch.randperm(points.shape[0], generator=generator)
        for first in range(0, points.shape[0], batch):
            part = points[order[first : first + batch]]
            label = assign(part, centroids)
            count = torch.bincount(label, minlength=k).float()
            total = torch.zeros_like(centroids).index_add_(0, label, part)
            hit = count > 0
            seen += count
            rate = (count[hit] / seen[hit])[:, None]
            centroids[hit] += rate * (total[hit] / count[hit][:, None] - centroids[hit])
    return centroids
