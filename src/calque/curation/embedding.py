"""English instructions as vectors: hashed words and pairs of words, weighed by rarity, brought to few dimensions (LSA).

It needs no download; docs/speed.md tells what a million instructions take.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from calque.randomness import stream

Vectors: TypeAlias = npt.NDArray[np.float32]

HASHES = 2**18
DIMENSIONS = 64
FITTED_ON = 50_000  # instructions, drawn by seed
CHUNK = 50_000


def embed(texts: Sequence[str], *, seed: int) -> Vectors:
    """Unit vectors, one a row; all nought for a text without a word. The same texts and seed give the same vectors."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    if not texts:
        return np.empty((0, DIMENSIONS), dtype=np.float32)
    hashed = HashingVectorizer(
        ngram_range=(1, 2), n_features=HASHES, alternate_sign=False, norm=None, dtype=np.float32
    )
    order = stream(seed, "embed").permutation(len(texts))[:FITTED_ON]
    sample = hashed.transform([texts[i] for i in np.sort(order).tolist()])
    rarity = TfidfTransformer(sublinear_tf=True).fit(sample)
    # Of few texts many dimensions would tell each by itself, and not what some have in common.
    most = min(
        DIMENSIONS, max(4, sample.shape[0] // 8), sample.shape[0] - 1, len(np.unique(sample.indices)) - 1
    )
    if most < 1:
        return np.zeros((len(texts), 1), dtype=np.float32)
    with np.errstate(invalid="ignore"):  # of texts that are all alike nothing is explained
        reduced = TruncatedSVD(most, random_state=seed % 2**32).fit(rarity.transform(sample))
    vectors = np.empty((len(texts), most), dtype=np.float32)
    for start in range(0, len(texts), CHUNK):
        part = slice(start, start + CHUNK)
        rows = sample[part] if len(texts) <= FITTED_ON else hashed.transform(texts[part])
        reached = reduced.transform(rarity.transform(rows)).astype(np.float32)
        lengths = np.linalg.norm(reached, axis=1, keepdims=True)
        vectors[part] = reached / np.where(lengths > 0, lengths, 1)
    return vectors
