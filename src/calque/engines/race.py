"""The largest of scores with Gumbel noise, without most of the logarithms.

The noise is −log E, E exponential: so the token with the least E / p wins. torch makes each E = −log(1 − u) of one uniform u, and
its logarithm is nine tenths of the work. But E is no less than u, hence what wins has an u / p no greater than the E / p
of any other token: the quotients leave one token or two of the whole vocabulary, and only these are compared as they would have been.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch


@cache
def one_uniform_each() -> bool:
    """Whether a generator's exponential numbers are made of its uniform ones, to the bit.

    They are not where torch takes them from MKL.
    """
    one, other = (torch.Generator().manual_seed(3) for _ in range(2))
    exponential = torch.empty(4096).exponential_(generator=one)
    uniform = torch.empty(4096, dtype=torch.float64).uniform_(generator=other)
    return torch.equal(exponential, _exponential(uniform))


def winners(scores: torch.Tensor, probabilities: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """The places [rows] of the largest scores [rows, vocabulary] with the noise that uniform numbers (fp64) make; the first of equals.

    Scores are fp32, `probabilities` their softmax.
    """
    quotients = (uniform.float() / probabilities).numpy()
    first = torch.from_numpy(quotients.argmin(1))[:, None]
    bound = _exponential(uniform.gather(1, first)) / probabilities.gather(1, first)
    rounding = 1e-4 + 1e-6 * scores.amax(1, keepdim=True).abs()  # in scores and noise, a few times over
    bound *= rounding.exp()
    rows, places = np.divmod(np.flatnonzero(~(quotients > bound.numpy())), scores.shape[1])
    at = (torch.from_numpy(rows), torch.from_numpy(places))
    noisy = (scores[at] - _exponential(uniform[at]).log_()).numpy()
    order = np.lexsort((places, -noisy, rows))
    _, ahead = np.unique(rows[order], return_index=True)
    return torch.from_numpy(places[order][ahead])


def _exponential(uniform: torch.Tensor) -> torch.Tensor:
    return -torch.log1p(-uniform).float()
