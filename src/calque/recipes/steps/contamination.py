"""What is trained on held against all that is asked: refused, dropped or reported, as the recipe says."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from calque.corpora.demonstration_files import read_demonstrations
from calque.corpora.writing import write_json, write_jsonl
from calque.errors import CalqueError, DataError, Problem
from calque.recipes.resolved import ResolvedBenchmark, ResolvedPart
from calque.recipes.schema import Contamination as Settings
from calque.recipes.schema import Evaluate
from calque.recipes.steps import Work
from calque.records import Demonstration

if TYPE_CHECKING:
    from calque.contamination.find import Asked, Finder, Hit

NAME = "contamination"
CANDIDATES = "contamination-candidates"
EXCERPT = 300  # characters of either side that are kept of a hit
REMEDY = (
    "take these rows out of the training data, or say contamination.when_found=drop: "
    "scores on questions that were trained on say nothing"
)


@dataclass(frozen=True)
class Contamination:
    """Look in all demonstrations for all that is asked; `made_later` are parts that are not there yet.

    All of these are made of candidates, which `CandidateContamination` looks at.
    """

    parts: tuple[ResolvedPart, ...]
    made_later: tuple[str, ...]
    benchmarks: tuple[ResolvedBenchmark, ...]
    contamination: Settings
    evaluate: Evaluate

    kind: ClassVar[Literal["contamination"]] = "contamination"
    name: ClassVar[str] = NAME
    model: ClassVar[Literal[""]] = ""
    resumes: ClassVar[bool] = False

    @property
    def settings(self) -> dict[str, Any]:
        """How it is looked for, and in what."""
        return {
            **self.contamination.model_dump(mode="json"),
            "benchmarks": [[benchmark.name, benchmark.language] for benchmark in self.benchmarks],
            "prompt_language": self.evaluate.prompt_language,
            "limit": self.evaluate.limit,
            "sources": self._sources,
            "made_later": list(self.made_later),
        }

    @property
    def _sources(self) -> list[str]:
        """The names of the files that the parts are made from."""
        return list(dict.fromkeys(path.name for part in self.parts for path in part.paths))

    @property
    def files(self) -> tuple[Path, ...]:
        """The benchmarks' files."""
        from calque.evaluation.benchmarks import benchmark_of
        from calque.evaluation.source import gather

        found: dict[Path, None] = {}
        for benchmark in self.benchmarks:
            made = benchmark_of(benchmark.name)
            found |= dict.fromkeys(gather(benchmark.files, made.ending, made.folders))
        return tuple(found)

    @property
    def after(self) -> tuple[str, ...]:
        """The parts."""
        return tuple(f"demonstrate-{part.name}" for part in self.parts)

    def preflight(self) -> str:
        """Nothing: the benchmarks' files are looked at by their own steps."""
        return ""

    def carry_out(self, work: Work) -> dict[str, Any]:
        """Write hits.jsonl and counts.json; refuse, if the recipe says so and a row holds a question."""
        from calque.contamination.find import FIRM, Finder, Measure
        from calque.contamination.tally import tally

        said = self.contamination
        measure = Measure(said.words, said.characters, said.share, said.near, said.across_languages)
        finder = Finder(list(self._asked()), measure)
        rows = 0
        hits: list[tuple[str, Hit]] = []
        for part, demonstrations in self._read(work):
            read = _Counted(demonstrations)
            hits += [(part, hit) for hit in finder.scan(read)]
            rows += read.rows
            work.progress(rows, 0)
        firm = [(part, hit) for part, hit in hits if hit.kind in FIRM]
        if firm and said.when_found == "refuse":
            raise DataError(*_problems(finder, [hit for _, hit in firm]))
        dropped = len({(part, hit.row.provenance, hit.row.id) for part, hit in firm})
        dropped = dropped if said.when_found == "drop" else 0
        write_jsonl(work.folder / "hits.jsonl", (_row(finder, part, hit) for part, hit in hits))
        counts = {
            "rows": rows,
            "kept": rows - dropped,
            "dropped": {"contaminated": dropped} if dropped else {},
            "when_found": said.when_found,
            "sets": tally(finder.asked, [hit for _, hit in hits]),
            "traps": self.traps(),
            "made_later": list(self.made_later),
        }
        write_json(work.folder / "counts.json", counts)
        return counts

    def traps(self) -> list[str]:
        """What is known of files that are named as if they held a benchmark."""
        from calque.contamination.known import traps

        return list(traps(self._sources, (benchmark.name for benchmark in self.benchmarks)))

    def _read(self, work: Work) -> Iterator[tuple[str, Iterator[Demonstration]]]:
        """Each part by its name, and its rows."""
        for part, step in zip(self.parts, self.after, strict=True):
            yield part.name, read_demonstrations(work.after[step] / "demonstrations.jsonl")

    def _asked(self) -> Iterator[Asked]:
        from calque.contamination.find import Asked
        from calque.evaluation.asked import items_of

        for benchmark in self.benchmarks:
            try:
                items = items_of(
                    benchmark.name,
                    benchmark.files,
                    benchmark.language,
                    prompt_language=self.evaluate.prompt_language,
                    limit=self.evaluate.limit,
                ).items
            except CalqueError:
                continue  # the preflight of the benchmark's own steps tells of it, with all others that are broken
            for item in items:
                yield Asked(
                    f"{benchmark.name} in {benchmark.language}",
                    item.id,
                    benchmark.language,
                    item.question,
                    item.context or "\n".join(item.choices),
                    item.provenance.dataset,
                    item.provenance.row,
                )


@dataclass(frozen=True)
class CandidateContamination(Contamination):
    """Look in all candidates, once instructions have been written for them: what is selected is some of these.

    In `hits.jsonl` the parts are called `candidates-LANG`; ids are those of the demonstrations that are made of them.
    """

    languages: tuple[str, ...] = ()

    name: ClassVar[str] = CANDIDATES

    @property
    def after(self) -> tuple[str, ...]:
        """The steps that write the instructions."""
        return tuple(f"generate-{code}" for code in self.languages)

    def _read(self, work: Work) -> Iterator[tuple[str, Iterator[Demonstration]]]:
        from calque.corpora.cross_lingual_files import read_cross_lingual
        from calque.demonstrations.cross_lingual import cross_lingual_demonstrations

        for code, step in zip(self.languages, self.after, strict=True):
            pairs = read_cross_lingual(work.after[step] / "candidates.jsonl")
            yield f"candidates-{code}", cross_lingual_demonstrations(pairs, "web")


class _Counted:
    """Rows that are counted as they pass."""

    def __init__(self, read: Iterable[Demonstration]) -> None:
        self._read = read
        self.rows = 0

    def __iter__(self) -> Iterator[Demonstration]:
        for row in self._read:
            self.rows += 1
            yield row


def _problems(finder: Finder, hits: Sequence[Hit]) -> Iterator[Problem]:
    """One for each file of training data and set of questions."""
    groups: dict[tuple[str, str], list[Hit]] = {}
    for hit in hits:
        groups.setdefault((hit.row.provenance.dataset, hit.set), []).append(hit)
    for (file, name), found in sorted(groups.items()):
        first = min(found, key=lambda hit: hit.row.provenance.row)
        rows = len({hit.row.provenance.row for hit in found})
        what = "rows hold questions" if rows > 1 else "row holds a question"
        which = ""
        if first.asked is not None:
            one = finder.asked[first.asked]
            which = f" (question {one.id}, {one.file}:{one.row}; {WORDS[first.kind]})"
        row = first.row.provenance.row
        told = f"{rows:,} {what} of {name}, row {row} for one{which}: that is there to be evaluated on"
        yield Problem(told, file, row, REMEDY)


WORDS = {
    "same": "the whole prompt",
    "overlap": "inside a longer text, or in part",
    "near": "nearly the same prompt",
    "passage": "the text that it is about",
    "translation": "equal numbers and names",
    "aligned": "the same question in another language",
}


def _row(finder: Finder, part: str, hit: Hit) -> dict[str, Any]:
    """The form of `hits.jsonl`."""
    source = hit.row.provenance
    asked = finder.asked[hit.asked] if hit.asked is not None else None
    about = "" if asked is None else (asked.material if hit.kind == "passage" else asked.question)
    said = "\n".join(text for message in hit.row.messages for text in message.texts)
    return {
        "kind": hit.kind,
        "set": hit.set,
        "item": "" if asked is None else asked.id,
        "item_file": "" if asked is None else asked.file,
        "item_row": 0 if asked is None else asked.row,
        "asked": about[:EXCERPT],
        "part": part,
        "id": hit.row.id,
        "file": source.dataset,
        "row": source.row,
        "text": said[:EXCERPT],
        "share": round(hit.share, 3),
    }


def contaminated(folder: Path, part: str = "") -> dict[str, str]:
    """The ids of a part's rows, or of all, that hold a question, with what they hold in words."""
    from calque.contamination.find import FIRM

    found: dict[str, str] = {}
    for line in (folder / "hits.jsonl").read_text(encoding="utf-8").split("\n")[:-1]:
        row = json.loads(line)
        if part in ("", row["part"]) and row["kind"] in FIRM:
            found.setdefault(row["id"], f"{row['set']}, {row['item'] or 'a question'}: {WORDS[row['kind']]}")
    return found


def summary(counts: Mapping[str, Any]) -> Iterator[str]:
    """Lines on what was found."""
    yield f"contamination: {counts['rows']:,} rows against {len(counts['sets']):,} sets"
    for one in counts["sets"]:
        found = ", ".join(f"{n:,} × {WORDS[kind]}" for kind, n in one["items"].items())
        if found:
            yield f"    {one['set']}: of {one['asked']:,} questions {found}"
        elif one["rows"]:
            yield f"    {one['set']}: {one['rows'].get('same', 0):,} rows hold a prompt of it"
    yield from (f"    note: {trap}" for trap in counts["traps"])
    if counts["made_later"]:
        yield f"    note: looked at once they are made: {', '.join(counts['made_later'])}"
