"""Those who watch a run: what they are told, and the one who listens to nothing."""

from __future__ import annotations

from typing import Any, Protocol


class Watcher(Protocol):
    """Told what a run does, as it does it."""

    def planned(self, steps: int) -> None:
        """So many steps there are in all."""

    def cached(self, name: str) -> None:
        """The step stands already; nothing is done."""

    def started(self, name: str, why: str) -> None:
        """The step begins; `why` says what makes it necessary."""

    def progressed(self, name: str, done: int, total: int, note: str = "") -> None:
        """The step is at `done` of `total` (0: not known)."""

    def finished(self, name: str, counts: dict[str, Any], seconds: float) -> None:
        """The step is done."""

    def note(self, text: str) -> None:
        """Something the user should know."""


class Silent:
    """Watches nothing."""

    def planned(self, steps: int) -> None:
        """Ignored."""

    def cached(self, name: str) -> None:
        """Ignored."""

    def started(self, name: str, why: str) -> None:
        """Ignored."""

    def progressed(self, name: str, done: int, total: int, note: str = "") -> None:
        """Ignored."""

    def finished(self, name: str, counts: dict[str, Any], seconds: float) -> None:
        """Ignored."""

    def note(self, text: str) -> None:
        """Ignored."""
