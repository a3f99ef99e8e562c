"""What people's blind ratings say: how often the second system won, how far raters agree, and whether a judge agrees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from calque.agreement import Alpha, nominal_alpha
from calque.reports.compare import REPLICATES, Pair
from calque.reports.ratings import SAME, Rating, standing
from calque.reports.run import Run, System
from calque.reports.win_rates import WinRate, corrected

Key = tuple[str, str, str, str, str]  # benchmark, language, item, first and second system
Verdicts = Mapping[Key, str]  # first, second or tie


@dataclass(frozen=True, slots=True)
class Judged:
    """How far a judge agrees with people, on the `n` items where both said something.

    `share` of them they called alike (first, second, or tie), with its interval; `alpha` takes away what chance gives.
    Items on which the raters are split evenly between two of these are left out.
    """

    judge: str
    share: float
    low: float
    high: float
    alpha: Alpha
    n: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two systems in one language, or in the mean over languages (`language` is empty then).

    `verdicts` counts the ratings by what they said: second, first, tie, both bad; and `same` the items whose answers are
    the same, which count as ties.
    """

    first: str
    second: str
    language: str
    win_rate: WinRate
    items: int
    raters: int
    verdicts: Mapping[str, int]
    alpha: Alpha
    judged: tuple[Judged, ...] = ()


@dataclass(frozen=True, slots=True)
class People:
    """What was rated: by comparison and language; `gone` ratings are of answers that the run no longer holds."""

    comparisons: tuple[Comparison, ...]
    raters: tuple[str, ...]
    gone: int


def people(run: Run, judges: Mapping[str, Verdicts] | None = None) -> People | None:
    """The ratings of a run, or None where nobody rated. `judges` are the verdicts of judges, by their names."""
    found, gone = standing(run)
    if not any(rating.rater for rating in found) and not gone:
        return None
    raters = tuple(sorted({rating.rater for rating in found} - {""}))
    return People(_corrected([*_comparisons(run, found, judges or {})]), raters, gone)


def _corrected(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """Their tests corrected for being so many; means over languages are a family of their own."""
    families = [bool(one.language) for one in comparisons]
    rates = corrected([one.win_rate for one in comparisons], families)
    return tuple(replace(one, win_rate=rate) for one, rate in zip(comparisons, rates, strict=True))


def _comparisons(run: Run, ratings: Sequence[Rating], judges: Mapping[str, Verdicts]) -> Iterator[Comparison]:
    groups: dict[tuple[str, str], dict[str, list[Rating]]] = {}
    for rating in ratings:
        turned, roles = _oriented(run, rating)
        groups.setdefault(roles, {}).setdefault(rating.language, []).append(turned)
    order = list(run.manifest.languages)
    seed = run.manifest.seed
    for (first, second), languages in groups.items():
        codes = sorted(languages, key=lambda c: (order.index(c) if c in order else len(order), c))
        told = [_comparison(first, second, code, languages[code], judges, seed) for code in codes]
        told = [one for one in told if one.raters]
        yield from told
        if len(told) > 1:
            shares = [_shares(languages[one.language]) for one in told]
            everything = [rating for one in told for rating in languages[one.language]]
            mean = _comparison(first, second, "", everything, judges, seed)
            yield replace(mean, win_rate=WinRate.of(shares, seed))


def _oriented(run: Run, rating: Rating) -> tuple[Rating, tuple[str, str]]:
    """The rating with its systems in the order of the recipe's comparison of their roles, and these."""
    by_name: dict[str, System] = {system.name: system for system in run.manifest.systems}
    roles = [by_name[name].role if name in by_name else name for name in (rating.first, rating.second)]
    if (roles[1], roles[0]) in run.manifest.comparisons:
        swapped = {"first": "second", "second": "first"}
        rating = replace(
            rating,
            first=rating.second,
            second=rating.first,
            verdict=swapped.get(rating.verdict, rating.verdict),
        )
        roles.reverse()
    return rating, (roles[0], roles[1])


def _comparison(
    first: str,
    second: str,
    language: str,
    ratings: Sequence[Rating],
    judges: Mapping[str, Verdicts],
    seed: int,
) -> Comparison:
    items = _items(ratings)
    by_people = [r for r in ratings if r.verdict != SAME]
    named = ((judge, _agreement(judge, items, verdicts, seed)) for judge, verdicts in judges.items())
    return Comparison(
        first,
        second,
        language,
        WinRate.of([_shares(ratings)], seed),
        len(items),
        len({r.rater for r in by_people}),
        Counter(r.verdict for r in ratings),
        nominal_alpha([[r.verdict for r in of] for of in items.values()], seed),
        tuple(found for _, found in named if found is not None),
    )


def _items(ratings: Iterable[Rating]) -> dict[Key, list[Rating]]:
    items: dict[Key, list[Rating]] = {}
    for r in ratings:
        items.setdefault((r.benchmark, r.language, r.item, r.first, r.second), []).append(r)
    return items


def _shares(ratings: Iterable[Rating]) -> dict[str, Pair]:
    """For each item the share of its raters for either system. In other languages the same item is called the same."""
    of: dict[str, list[str]] = {}
    for rating in ratings:
        of.setdefault(f"{rating.benchmark}/{rating.item}", []).append(rating.verdict)
    return {
        item: Pair(said.count("first") / len(said), said.count("second") / len(said))
        for item, said in of.items()
    }


def _agreement(
    judge: str, items: Mapping[Key, Sequence[Rating]], verdicts: Verdicts, seed: int
) -> Judged | None:
    both = [
        (said, verdict)
        for key, ratings in items.items()
        if (said := _said_by_most(ratings)) and (verdict := _verdict(verdicts, key))
    ]
    if not both:
        return None
    alike = np.array([said == verdict for said, verdict in both], dtype=np.float64)
    drawn = np.random.default_rng(seed).binomial(len(alike), alike.mean(), size=REPLICATES) / len(alike)
    low, high = (float(bound) for bound in np.quantile(drawn, [0.025, 0.975]))
    return Judged(judge, float(alike.mean()), low, high, nominal_alpha(both, seed), len(both))


def _said_by_most(ratings: Sequence[Rating]) -> str:
    """What more raters than anything else said: first, second, or tie (or that both are bad); nothing if they are split."""
    said = Counter(r.verdict if r.verdict in ("first", "second") else "tie" for r in ratings if r.rater)
    ranked = [*said.most_common(2), ("", 0)]
    return ranked[0][0] if said and ranked[0][1] > ranked[1][1] else ""


def _verdict(verdicts: Verdicts, key: Key) -> str:
    """A judge's verdict, in whichever order it was given the two systems."""
    benchmark, language, item, first, second = key
    turned = verdicts.get((benchmark, language, item, second, first))
    if turned is not None:
        return {"first": "second", "second": "first"}.get(turned, turned)
    return verdicts.get(key, "")
