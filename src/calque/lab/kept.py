"""What a run's selections of candidates kept, held against the truth: which passages have a fault, and what requests say of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from calque.corpora.cross_lingual_files import read_cross_lingual
from calque.corpora.demonstration_files import read_demonstrations
from calque.errors import Problem, UsageError
from calque.lab.lexicon import lexicon
from calque.lab.passages import FAULTS, passages
from calque.lab.world import World


@dataclass(frozen=True, slots=True)
class Kept:
    """One selection: its passages by fault (`""`: none), beside those of all candidates."""

    selection: str
    language: str
    faults: Mapping[str, int]
    among: Mapping[str, int]

    @property
    def precision(self) -> float:
        """The share of what is kept that has no fault."""
        return self.faults.get("", 0) / max(1, sum(self.faults.values()))

    @property
    def recall(self) -> float:
        """The share of the candidates without a fault that is kept."""
        return self.faults.get("", 0) / max(1, self.among.get("", 0))

    def share(self, fault: str) -> float:
        """The share of the candidates with a fault that is kept."""
        return self.faults.get(fault, 0) / max(1, self.among.get(fault, 0))


def kept(run: Path, world: World) -> Iterator[Kept]:
    """Each selection of a run on the passages of `world`, by name. Raises `UsageError` where there is none."""
    if not any((run / "steps").glob("select-*")):
        raise UsageError(
            Problem("holds no selection of candidates", str(run), remedy="run recipe xinstruction there")
        )
    for step in sorted((run / "steps").glob("generate-*")):
        language = step.name.removeprefix("generate-")
        faults = faults_of(world, language)
        among = Counter(faults[place] for place in candidates_of(run, language))
        for name, places in selections_of(run, language).items():
            yield Kept(name, language, Counter(faults[place] for place in places), among)


def faults_of(world: World, language: str) -> list[str]:
    """What is wrong with each passage of the world, in the order of its file."""
    return [passage.fault for passage in passages(world, lexicon(language))]


def candidates_of(run: Path, language: str) -> list[int]:
    """Places (from 0) of the passages of the file for which the run has an instruction."""
    pairs = read_cross_lingual(run / "steps" / f"generate-{language}" / "candidates.jsonl")
    return [pair.provenance.row - 1 for pair in pairs]


def selections_of(run: Path, language: str) -> dict[str, list[int]]:
    """By name, the places of the passages that each selection of the run kept."""
    return {
        step.name.removeprefix("select-").removesuffix(f"-{language}"): [
            d.provenance.row - 1 for d in read_demonstrations(step / "demonstrations.jsonl")
        ]
        for step in sorted((run / "steps").glob(f"select-*-{language}"))
    }


@dataclass(frozen=True, slots=True)
class Requests:
    """The requests written for the passages of a language: how many, and the means over them of two shares.

    `named`: the passage's person is named; `shared`: of the relations that the request or the passage speaks of, those in both.
    """

    language: str
    count: int
    named: float
    shared: float


def requests(run: Path, world: World) -> Iterator[Requests]:
    """What the requests of a run's candidates say, against what the passages of `world` tell."""
    english = lexicon("en")
    for step in sorted((run / "steps").glob("generate-*")):
        language = step.name.removeprefix("generate-")
        all_of = list(passages(world, lexicon(language)))
        named, shared = [], []
        for pair in read_cross_lingual(step / "candidates.jsonl"):
            passage = all_of[pair.provenance.row - 1]
            labels = map(english.label, english.relations(passage.subject.kind))
            asked = {label for label in labels if label in pair.instruction}
            told = {english.label(one.fact.relation) for one in passage.told}
            named.append(english.name(passage.subject) in pair.instruction)
            shared.append(len(asked & told) / len(asked | told))
        count = len(named)
        yield Requests(language, count, sum(named) / max(1, count), sum(shared) / max(1, count))


def table(found: Iterator[Kept]) -> Iterator[str]:
    """Lines: precision and recall of faultless passages, and which share of each fault is kept, in percent."""
    named = [fault for fault in FAULTS if fault]
    yield f"{'selection':<18} {'kept':>6} {'sound':>6} {'recall':>6}  " + " ".join(f"{f:>11}" for f in named)
    for one in found:
        shares = " ".join(f"{100 * one.share(fault):>11.0f}" for fault in named)
        count = sum(one.faults.values())
        name = f"{one.selection} ({one.language})"
        yield f"{name:<18} {count:>6,} {100 * one.precision:>6.0f} {100 * one.recall:>6.0f}  {shares}"


def told(found: Iterator[Requests]) -> Iterator[str]:
    """A line for the requests of each language."""
    for one in found:
        yield (
            f"requests ({one.language}): {one.count:,}; {100 * one.named:.0f}% name the passage's person; "
            f"{100 * one.shared:.0f}% of the relations in request or passage are in both"
        )
