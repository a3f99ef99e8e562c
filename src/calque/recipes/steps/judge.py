"""A model that judges: first measured on known answers, then asked which of two systems answered open questions better."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from calque.corpora.alpaca import read_alpaca
from calque.corpora.json_rows import JsonRow, read_json, read_rows
from calque.corpora.writing import write_json, write_jsonl
from calque.engines.stored import OVER_BUDGET
from calque.errors import EngineError, Problem, RunError
from calque.evaluation.verdicts import NO_VERDICT, response_format
from calque.randomness import rank
from calque.recipes.judging import AnyModel, Judging, ServerModel
from calque.recipes.resolved import Resolved, called
from calque.recipes.steps import Work
from calque.recipes.steps.asking import (
    CHARACTERS,
    Expected,
    cost_of,
    engine_files,
    engine_settings,
    price_of,
    purse_of,
    told,
)
from calque.recipes.steps.evaluate import Evaluate
from calque.records import Demonstration

if TYPE_CHECKING:
    from calque.evaluation.judge import Contest, Judged
    from calque.evaluation.judge_quality import Known
    from calque.prompts.judging import JudgeWording

OPEN = "open"
WORDING = 1000  # characters of the judge's instructions, more or less


@dataclass(frozen=True)
class _Asks:
    judge: str
    engine: AnyModel
    judging: Judging
    seed: int

    kind: ClassVar[Literal["judge"]] = "judge"
    model: ClassVar[Literal[""]] = ""
    resumes: ClassVar[bool] = False

    @property
    def _settings(self) -> dict[str, Any]:
        """What the verdicts depend on: not the server's address, its key or how fast it is asked."""
        said = self.judging.model_dump(
            mode="json", exclude={"by", "languages", "known", "may_fail", "budget", "usable_from", "limit"}
        )
        price = price_of(self.engine)
        engine = {**engine_settings(self.engine), "price": None if price is None else asdict(price)}
        return {"judge": self.judge, "engine": engine, **said, "seed": self.seed}

    def _wording(self) -> Callable[[str], JudgeWording]:
        from calque.prompts.judging import judge_wording

        return (lambda _code: judge_wording("en")) if self.judging.prompt_language == "en" else judge_wording

    def _ask(
        self, work: Work, contests: list[Contest], *, ask_all: bool = False, silent: bool = False
    ) -> list[Judged]:
        """Verdicts; with `silent`, answers without one are what the judge is worth, and do not end the run."""
        from calque.evaluation.judge import judge
        from calque.recipes.steps.other_engines import other_engine

        purse = purse_of(self.engine, "judge", self.judging.budget)
        with other_engine(work.workshop, self.judge, self._held_to_form, purse) as engine:
            found = judge(
                contests,
                engine,
                self._wording(),
                mode=self.judging.mode,
                max_new_tokens=self.judging.max_new_tokens,
                ask_all=ask_all,
                progress=work.counted(len(contests)),
            )
        self._refuse_failures(found, silent)
        return found

    @property
    def _held_to_form(self) -> AnyModel:
        """The judge, whose server is to write nothing but a verdict where the recipe says so."""
        if not self.judging.structured or not isinstance(self.engine, ServerModel):
            return self.engine
        form = {"response_format": response_format(self.judging.mode)}
        return self.engine.model_copy(update={"parameters": {**form, **self.engine.parameters}})

    def _refuse_failures(self, found: list[Judged], silent: bool) -> None:
        """Raise where the budget is spent, or where too many have no verdict: what came is kept for the next run."""
        failed = [j.failure for j in found if j.failure]
        if OVER_BUDGET in failed:
            there = len(found) - len(failed)
            message = f"judge {self.judge}: what is left of the budget of {self.judging.budget:g} holds for {there:,} of {len(found):,} questions"
            raise RunError(
                Problem(
                    message,
                    remedy="raise judge.budget, or lower judge.limit; verdicts that are there are kept",
                )
            )
        if silent:
            failed = [reason for reason in failed if reason != NO_VERDICT]
        if len(failed) > self.judging.may_fail * len(found):
            reasons = ", ".join(f"{failed.count(reason):,} × {reason}" for reason in dict.fromkeys(failed))
            message = (
                f"judge {self.judge}: {len(failed):,} of {len(found):,} questions have no verdict ({reasons})"
            )
            raise EngineError(
                Problem(message, remedy="run again: only these are asked again; or raise judge.may_fail")
            )

    def _expect(self, contests: int, question: float, answer_tokens: float) -> Expected:
        """Of so many contests with questions of so many characters, and answers of so many tokens."""
        answers = 2 if self.judging.mode == "pairwise" else 1
        requests = 2 * contests
        read = math.ceil(requests * ((WORDING + question) / CHARACTERS + answers * answer_tokens))
        written = requests * self.judging.max_new_tokens
        return Expected(requests, read, written, cost_of(self.engine, read, written))


@dataclass(frozen=True)
class JudgeKnown(_Asks):
    """How often a judge prefers a right answer to one that is another question's, in another language, or cut short."""

    language: str
    answers: tuple[Path, ...]
    elsewhere: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """`judge-JUDGE-known-LANG`."""
        return f"judge-{self.judge}-known-{self.language}"

    @property
    def settings(self) -> dict[str, Any]:
        """How it is asked, and what is enough."""
        return {**self._settings, "language": self.language, "usable_from": self.judging.usable_from}

    @property
    def files(self) -> tuple[Path, ...]:
        """The known answers, and the model where it is a folder."""
        return (*self.answers, *self.elsewhere, *engine_files(self.engine))

    @property
    def after(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    def preflight(self) -> str:
        """Read the known answers."""
        return f"{len(self._known()):,} known answers"

    def expected(self) -> Expected:
        """What it costs at most."""
        from calque.evaluation.judge_quality import ITEMS, KINDS

        known = self._known()
        characters = sum(len(k.question) for k in known) / len(known)
        answer = sum(len(k.answer) for k in known) / len(known)
        return self._expect(min(ITEMS, len(known)) * len(KINDS), characters, answer / CHARACTERS)

    def _known(self) -> list[Known]:
        from calque.evaluation.judge_quality import Known

        rows = [
            self._read(files, code) for files, code in ((self.answers, self.language), (self.elsewhere, "en"))
        ]
        aligned = len(rows[0]) == len(rows[1])
        known = []
        for i, row in enumerate(rows[0]):
            if isinstance(row, Demonstration):
                other = rows[1][i] if aligned else None
                elsewhere = other.messages[-1].text if isinstance(other, Demonstration) else ""
                ask = row.messages[0]
                known.append(
                    Known(str(i), "\n\n".join(ask.texts), row.messages[-1].text, self.language, elsewhere)
                )
        if len(known) < 2:
            names = ", ".join(path.name for path in self.answers)
            raise RunError(Problem("judge.known: there are too few answers to measure a judge on", names))
        return known

    def _read(self, files: tuple[Path, ...], code: str) -> list[Any]:
        return [row for path in files for row in read_alpaca(path, code)]

    def carry_out(self, work: Work) -> dict[str, Any]:
        """Write verdicts.jsonl, quality.json and counts.json."""
        from calque.evaluation.judge_quality import known_contests, quality

        made = list(known_contests(self._known(), self.seed))
        kinds = [kind for kind, _ in made]
        found = self._ask(work, [contest for _, contest in made], ask_all=True, silent=True)
        told = quality(kinds, found, self.seed, self.judging.usable_from)
        write_jsonl(work.folder / "verdicts.jsonl", (_row(judged) for judged in found))
        write_json(work.folder / "quality.json", {"judge": self.judge, "language": self.language, **told})
        return _counts(work, found)


@dataclass(frozen=True)
class Judge(_Asks):
    """Which of two systems answered the open questions in a language better, says a judge."""

    first: Evaluate
    second: Evaluate
    known: str = ""  # the step in which it is measured on known answers

    @property
    def name(self) -> str:
        """`judge-JUDGE-SECOND-against-FIRST-LANG`."""
        return f"judge-{self.judge}-{self._names[1]}-against-{self._names[0]}-{self.first.benchmark.language}"

    @property
    def _names(self) -> tuple[str, str]:
        return called(self.first.system.name, self.first.way), called(
            self.second.system.name, self.second.way
        )

    @property
    def settings(self) -> dict[str, Any]:
        """How it is asked, about whom."""
        language = self.first.benchmark.language
        limit = self.judging.limit
        return {
            **self._settings,
            "first": self._names[0],
            "second": self._names[1],
            "language": language,
            "limit": limit,
        }

    @property
    def files(self) -> tuple[Path, ...]:
        """The model where it is a folder."""
        return engine_files(self.engine)

    @property
    def after(self) -> tuple[str, ...]:
        """Both systems' answers, and what the judge is worth."""
        return (self.first.name, self.second.name, *([self.known] if self.known else []))

    def preflight(self) -> str:
        """Nothing to read before the answers are there."""
        return ""

    def expected(self) -> Expected:
        """What it costs at most, every answer being as long as it may be."""
        from calque.evaluation.open_questions import OPEN as MADE

        questions = [" ".join(texts) for texts in self.first.questions()]
        n = min(self.judging.limit or len(questions), len(questions))
        longest = self.first.evaluate.max_new_tokens.get(OPEN, MADE.max_new_tokens)
        return self._expect(n, sum(map(len, questions)) / max(1, len(questions)), longest)

    def carry_out(self, work: Work) -> dict[str, Any]:
        """Write verdicts.jsonl, rates.json and counts.json."""
        from calque.evaluation.win_rates import rates

        found = self._ask(work, self._contests(work), silent=self._is_unusable(work))
        told = rates(found, self.seed, price_of(self.engine)).to_row()
        about = {"judge": self.judge, "mode": self.judging.mode, "language": self.first.benchmark.language}
        about |= {"first": self._names[0], "second": self._names[1], "benchmark": OPEN}
        write_jsonl(work.folder / "verdicts.jsonl", (_row(judged) for judged in found))
        write_json(work.folder / "rates.json", {**about, **told})
        return _counts(work, found)

    def _is_unusable(self, work: Work) -> bool:
        """Whether it has failed on known answers, so that its verdicts do not count in any case."""
        return bool(self.known) and not read_json(work.after[self.known] / "quality.json")["usable"]

    def _contests(self, work: Work) -> list[Contest]:
        from calque.evaluation.judge import Contest

        before, after = (self._answers(work.after[step.name]) for step in (self.first, self.second))
        language = self.first.benchmark.language
        shared = sorted(
            before.keys() & after.keys(), key=lambda item: rank(self.seed, "judge", language, item)
        )
        return [
            Contest(item, before[item]["question"], before[item]["answer"], after[item]["answer"], language)
            for item in shared[: self.judging.limit]
        ]

    def _answers(self, folder: Path) -> dict[str, dict[str, Any]]:
        rows = (row.value for row in read_rows(folder / "answers.jsonl") if isinstance(row, JsonRow))
        return {str(row["id"]): row for row in rows}


def judges(resolved: Resolved, evaluations: list[Evaluate]) -> Iterator[Judge | JudgeKnown]:
    """The judges' steps: what they are measured on, then every comparison in every language of theirs."""
    judging = resolved.recipe.judge
    if judging is None:
        return
    seed = resolved.recipe.seed
    for name in judging.by:
        engine = resolved.engines[name]
        for code in resolved.recipe.written_out(judging.languages):
            measured = ""
            if resolved.known.get(code):
                elsewhere = resolved.known.get("en", ()) if code != "en" else ()
                on_known = JudgeKnown(name, engine, judging, seed, code, resolved.known[code], elsewhere)
                measured = on_known.name
                yield on_known
            for pair in resolved.recipe.comparisons:
                both = [_of_role(evaluations, role, code) for role in pair]
                if both[0] is not None and both[1] is not None:
                    yield Judge(name, engine, judging, seed, both[0], both[1], measured)


def told_of_judges(steps: Iterable[object]) -> Iterator[str]:
    """A line for each judge: what it will be asked at most, what that costs, and how long it takes."""
    by_judge: dict[str, list[Judge | JudgeKnown]] = {}
    for step in steps:
        if isinstance(step, Judge | JudgeKnown):
            by_judge.setdefault(step.judge, []).append(step)
    for name, asks in by_judge.items():
        line = told(f"judge {name}", [step.expected() for step in asks], asks[0].engine)
        yield f"{line}; more where an answer holds no verdict and is drawn again"


def _of_role(evaluations: list[Evaluate], role: str, code: str) -> Evaluate | None:
    """The step in which the system that plays `role` is asked open questions in a language."""
    found = [
        step
        for step in evaluations
        if (step.benchmark.name, step.benchmark.language) == (OPEN, code)
        and called(step.system.role, step.way) == role
    ]
    return next((step for step in found if step.system.language == code), next(iter(found), None))


def _row(judged: Judged) -> dict[str, Any]:
    contest = judged.contest
    row: dict[str, Any] = {"item": contest.item, "winner": judged.winner, "why": judged.why}
    row["lengths"] = [len(contest.first), len(contest.second)]
    if judged.said:
        row["said"] = list(judged.said)
    if judged.ratings:
        row["ratings"] = list(judged.ratings)
    if judged.failure:
        row["failure"] = judged.failure
    return row


def _counts(work: Work, found: list[Judged]) -> dict[str, Any]:
    dropped = [j.failure for j in found if j.failure]
    counts = {
        "rows": len(found),
        "kept": len(found) - len(dropped),
        "dropped": {reason: dropped.count(reason) for reason in dict.fromkeys(dropped)},
    }
    write_json(work.folder / "counts.json", counts)
    return counts
