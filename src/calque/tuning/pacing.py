"""Self-paced learning as pure functions: how much a row counts, given its loss and the pace λ.

hard, linear, logarithmic and mixture are those of Jiang et al., *Easy Samples First* (2014), diverse is theirs of *Self-
Paced Learning with Diversity* (2014). The courses of the admitted share are those of Platanios et al. (2019, linear and
root) and Penha and Hauff (2020, geometric). How X-CIT paces is not known; that λ is taken from a share is ours.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch

from calque.tuning.settings import PacingSettings

Losses = npt.NDArray[np.float32]


def hard(losses: torch.Tensor, thresholds: torch.Tensor) -> torch.Tensor:
    """1 where the loss is below λ, else 0."""
    return (losses < thresholds).to(losses.dtype)


def linear(losses: torch.Tensor, thresholds: torch.Tensor) -> torch.Tensor:
    """1 − L/λ, at least 0."""
    return (1 - losses / thresholds).clamp(min=0)


def logarithmic(losses: torch.Tensor, thresholds: torch.Tensor) -> torch.Tensor:
    """log(L + 1 − λ) / log(1 − λ) where L < λ, else 0; for λ between 0 and 1, to which losses have to be rescaled."""
    kept = losses < thresholds
    inside = torch.where(kept, losses, thresholds)
    return torch.where(kept, torch.log(inside + 1 - thresholds) / torch.log(1 - thresholds), 0.0)


def mixture(losses: torch.Tensor, thresholds: torch.Tensor, inner: torch.Tensor) -> torch.Tensor:
    """1 up to the inner threshold λ₂, 0 from λ₁ on, between them ζ (1/L − 1/λ₁) with ζ = λ₁ λ₂ / (λ₁ − λ₂)."""
    between = thresholds * inner / (thresholds - inner) * (1 / losses - 1 / thresholds)
    return torch.where(losses <= inner, 1.0, torch.where(losses < thresholds, between, 0.0))


def weights(losses: torch.Tensor, thresholds: torch.Tensor, settings: PacingSettings) -> torch.Tensor:
    """The weight of each loss under its threshold, same shape, in [0, 1]. Where λ is infinite every row counts in full.

    Orders other than easiest-first weigh hard, whatever takes the place of the loss there.
    """
    form = settings.weights if settings.order == "easiest-first" else "hard"
    finite = torch.where(torch.isinf(thresholds), 1.0, thresholds)
    if form in ("hard", "diverse"):  # diverse has changed λ already
        found = hard(losses, finite)
    elif form == "linear":
        found = linear(losses, finite)
    elif form == "mixture":
        found = mixture(losses, finite, settings.inner * finite)
    else:
        found = logarithmic(settings.rescaled * losses / finite, torch.full_like(finite, settings.rescaled))
    return torch.where(torch.isinf(thresholds), 1.0, found)


def share_at(progress: float, start: float, schedule: str) -> float:
    """The admitted share when `progress` (0 to 1) of the paced part is over: from `start` to 1."""
    if progress >= 1:
        return 1.0
    if schedule == "linear":
        return start + (1 - start) * progress
    if schedule == "root":
        return math.sqrt(start**2 + (1 - start**2) * progress)
    return float(start ** (1 - progress))


def threshold_for(losses: Losses, share: float) -> np.float32:
    """The λ that admits a share of the losses (sorted): the least loss that stays out; infinite if none does.

    round(share × n) losses are below it, at least one, and more where several are equal.
    """
    admitted = max(1, round(share * len(losses)))
    if admitted >= len(losses):
        return np.float32(np.inf)
    return max(losses[admitted], np.nextafter(losses[admitted - 1], np.float32(np.inf)))


def diverse_threshold(losses: Losses, threshold: np.float32, diversity: float) -> np.float32:
    """λ of one group (its losses sorted) after diversity: the i-th loss passes below λ + γ / (√i + √(i−1)).

    Losses rise and what they are held against falls, so those that pass are the first few: they are below the result.
    """
    if math.isinf(threshold):
        return threshold
    i = np.arange(1, len(losses) + 1)
    passed = losses < threshold + diversity / (np.sqrt(i) + np.sqrt(i - 1))
    count = len(losses) if passed.all() else int(np.argmin(passed))
    if count == 0:
        return threshold
    return max(threshold, np.nextafter(losses[count - 1], np.float32(np.inf)))
