"""The kinds of steps, one module each. A step knows what it depends on and how it is carried out; nothing about caching."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from calque.recipes.steps.workshop import Workshop

Kind = Literal[
    "passages",
    "demonstrate",
    "contamination",
    "mix",
    "encode",
    "tune",
    "evaluate",
    "evaluate_served",
    "generate",
    "answer",
    "ratings",
    "measure",
    "rate",
    "perplexity",
    "select",
    "judge",
]


@dataclass(frozen=True, slots=True)
class Work:
    """What a step is given: the folder to write into, the folders of the steps before it, the model, a progress bar.

    `progress(done, total, note)` may be called as often as one likes. Of several processes only the one that
    `leads` writes. On `trial` what a step makes is thrown away: long work may stop once it is clear what it comes to. With
    `most`, a step that reads files reads so many rows of each source at most.
    """

    folder: Path
    after: Mapping[str, Path]
    workshop: Workshop
    progress: Progress
    leads: bool = True
    trial: bool = False
    most: int | None = None

    def counted(self, total: int) -> Callable[[int], None]:
        """Progress over `total` items that is told how many more are done."""
        done = 0

        def progress(more: int, /) -> None:
            nonlocal done
            done += more
            self.progress(done, total)

        return progress


class Progress(Protocol):
    """How far a step is: `done` of `total`, and a word on how it goes."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Tell."""


def unheard(done: int, total: int, note: str = "") -> None:
    """Progress where nobody watches."""


class Step(Protocol):
    """One step of a run. Two steps of equal kind, settings, files, earlier steps and model give equal bytes."""

    @property
    def name(self) -> str:
        """Its folder's name."""

    @property
    def kind(self) -> Kind:
        """Which module carries it out."""

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that its outcome depends on and that is no file: plain JSON values."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files from outside that it reads."""

    @property
    def after(self) -> tuple[str, ...]:
        """The steps whose folders it reads."""

    @property
    def model(self) -> Literal["", "tokenizer", "weights"]:
        """What of the base model it depends on."""

    @property
    def resumes(self) -> bool:
        """Whether it goes on from what a stopped attempt left in its folder; else that is cleared first."""

    def preflight(self) -> str:
        """Find faults in its files early, before anything expensive starts; say in words what they hold."""

    def carry_out(self, work: Work) -> dict[str, Any]:
        """Write the files into `work.folder` and return the counts for the manifest."""
