"""What a benchmark is: a reader of its files, and graders of the answers. One module per benchmark fills one in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from calque.evaluation.items import Item, Reply
from calque.evaluation.wording import Form, Wording
from calque.records import Rejected


def _is_answerable(item: Item) -> bool:
    return item.answerable


@dataclass(frozen=True, slots=True)
class Grader:
    """Measures that share one way of reading an answer; `norm` names it in the signature.

    `grade` leaves out a metric that does not apply to an answer: its score is the mean over the others, and says how
    many it skipped.
    `reads_text` is false where only the log-likelihoods of the choices count.
    """

    norm: str
    metrics: tuple[str, ...]
    grade: Callable[[Item, Reply], Mapping[str, float]]
    answerable: Callable[[Item], bool] = _is_answerable
    reads_text: bool = True

    def answered(self, reply: Reply) -> bool:
        """Whether there is anything to grade. What is not answered counts as wrong, unless a metric does not apply to it."""
        return bool(reply.text.strip()) if self.reads_text else bool(reply.log_likelihoods)


@dataclass(frozen=True, slots=True)
class Pooled:
    """Metrics of all answers together, which are no mean over items: BLEU, or the share of all instructions.

    `counts` are an answer's numbers, and `score` makes the metrics of their sums, as shares in [0, 1].
    """

    norm: str
    metrics: tuple[str, ...]
    counts: Callable[[Item, Reply], Sequence[float]]
    score: Callable[[Sequence[float]], Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One benchmark. Adding one takes one module and one row in `benchmarks.BENCHMARKS`.

    `about` says in a recipe's settings what files it takes; `form` names the block of `prompts/benchmarks/*.yaml`.
    `read(files, language, wording)` yields items and rows put aside; `answer_language(files, language)` is the
    language of the golds where it is not that of the questions; `verdict` is the metric by which an answer is
    called correct; `pooled` makes the scores that are no means; `chooses` asks for the log-likelihoods of the options' letters or texts too, and without `writes`
    for nothing else; `per_group` makes a score row per group that has a name, and the mean over groups in place of the mean
    over items where it `weighs_groups` alike. `max_new_tokens` is the default for answers. `shows` is false where no answer is right, so that none can be
    shown as an example; `examples` are (pattern, replacement) that make the path of the benchmark's own file of examples of one
    that is asked, and `examples_by_group` gives every group its own.
    A folder given in place of files stands for its files with that `ending`, or for those in one of `folders`. Where
    `form` is None the questions are asked as they stand. `beside` are other files that are read with one.
    """

    name: str
    about: str
    form: Form | None
    read: Callable[[Sequence[Path], str, Wording], Iterator[Item | Rejected]]
    graders: Callable[[str], tuple[Grader, ...]]
    verdict: str
    max_new_tokens: int
    ending: str
    folders: tuple[str, ...] = ()
    chooses: Literal["", "letters", "texts"] = ""
    writes: bool = True
    per_group: bool = False
    weighs_groups: bool = True
    shows: bool = True
    examples: tuple[tuple[str, str], ...] = ()
    examples_by_group: bool = False
    pooled: Callable[[str], tuple[Pooled, ...]] = lambda _language: ()
    answer_language: Callable[[Sequence[Path], str], str] = lambda _files, language: language
    beside: Callable[[Path], tuple[Path, ...]] = lambda _file: ()
