"""Diverse instructions: the same number from each cluster, and the best of it (X-Instruction, diversification).

What becomes of a cluster that runs dry is ours: it passes its share on to the others, so that never fewer come out than
were asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from calque.curation.embedding import Vectors, embed
from calque.curation.instructions import near_duplicate_instructions, verb_nouns
from calque.randomness import rank

CLUSTER = 50  # instructions of a cluster, on the average, where no number of clusters is given
MOST_CLUSTERS = 1000
BATCH = 4096
ROUNDS = 20  # of faiss over its sample
KMeans = Literal["minibatch", "faiss"]


@dataclass(frozen=True)
class Diversified:
    """Indices of what was taken, the highest rated first; and figures on what it is like, beside those of the best alone."""

    taken: tuple[int, ...]
    figures: dict[str, Any]


def diversify(
    instructions: Sequence[str],
    ratings: Sequence[float],
    count: int,
    *,
    clusters: int | None = None,
    vectors: Vectors | None = None,
    kmeans: KMeans = "minibatch",
    seed: int,
) -> Diversified:
    """`count` of the instructions: equal shares of k-means clusters, in a cluster the highest rated first.

    As many as there are, if there are not more. `clusters` is their number, by default one for each 50 taken, at most
    1,000. `vectors` are those of the instructions, by default of their hashed words; `kmeans` as of `clustered`. Equal
    ratings are taken in an order drawn by seed.
    """
    count = min(count, len(instructions))
    k = min(clusters or max(2, min(MOST_CLUSTERS, count // CLUSTER)), max(1, len(instructions)))
    given = embed(instructions, seed=seed) if vectors is None else vectors
    labels = clustered(given, k, by=kmeans, seed=seed)
    drawn = [rank(seed, "diversify", text) for text in instructions]
    order = sorted(range(len(instructions)), key=lambda i: (-ratings[i], drawn[i]))
    members: dict[int, list[int]] = {}
    for i in order:
        members.setdefault(int(labels[i]), []).append(i)
    names = list(members)  # the one with the best instruction first
    shares = equal_shares([len(members[name]) for name in names], count)
    taken_set = {i for name, share in zip(names, shares, strict=True) for i in members[name][:share]}
    taken = tuple(i for i in order if i in taken_set)
    figures = {
        "clusters": len(members),
        "dry": sum(
            share == len(members[name]) < max(shares) for name, share in zip(names, shares, strict=True)
        ),
        "taken": _figures([instructions[i] for i in taken], labels[list(taken)]),
        "best": _figures([instructions[i] for i in order[:count]], labels[order[:count]]),
    }
    return Diversified(taken, figures)


def equal_shares(sizes: Sequence[int], count: int) -> list[int]:
    """How many to take of groups of these sizes, `count` in all: the same of each, what small ones lack from the larger.

    What does not divide evenly goes to the earlier groups. Raises `ValueError` where there are not so many.
    """
    if count > sum(sizes):
        raise ValueError(f"{count} of {sum(sizes)}")
    shares, left = [0] * len(sizes), count
    while left:
        open_ = [i for i, size in enumerate(sizes) if shares[i] < size]
        each, more = divmod(left, len(open_))
        for i in open_ if each else open_[:more]:
            step = min(sizes[i] - shares[i], max(each, 1))
            shares[i] += step
            left -= step
    return shares


def clustered(vectors: Vectors, k: int, *, by: KMeans = "minibatch", seed: int) -> npt.NDArray[np.int64]:
    """The cluster of each vector; the same for the same vectors and seed.

    By k-means in mini-batches of scikit-learn, or by that of faiss (the extra `faiss`), on 256 vectors a cluster.
    """
    distinct = len(np.unique(vectors, axis=0)) if len(vectors) <= BATCH else len(vectors)
    k = min(k, distinct)
    if k < 2:
        return np.zeros(len(vectors), dtype=np.int64)
    if by == "faiss":
        return _by_faiss(np.ascontiguousarray(vectors, dtype=np.float32), k, seed)
    from sklearn.cluster import MiniBatchKMeans

    means = MiniBatchKMeans(k, batch_size=BATCH, n_init=3, random_state=seed % 2**32)
    return np.asarray(means.fit_predict(vectors), dtype=np.int64)


def _by_faiss(vectors: Vectors, k: int, seed: int) -> npt.NDArray[np.int64]:
    import faiss

    means = faiss.Kmeans(vectors.shape[1], k, niter=ROUNDS, seed=seed % 2**31, min_points_per_centroid=1)
    means.train(vectors)
    _, nearest = means.index.search(vectors, 1)
    return np.asarray(nearest[:, 0], dtype=np.int64)


def _figures(instructions: Sequence[str], labels: npt.NDArray[np.int64]) -> dict[str, Any]:
    """How many, of how many clusters, the largest one's share, verbs and nouns, and near-duplicates."""
    sizes = Counter(labels.tolist())
    pairs = verb_nouns(instructions)
    return {
        "instructions": len(instructions),
        "clusters": len(sizes),
        "largest_cluster": max(sizes.values(), default=0),
        "verb_nouns": len(pairs),
        "commonest": [[verb, noun, n] for (verb, noun), n in pairs.most_common(10)],
        "near_duplicates": near_duplicate_instructions(instructions),
    }
