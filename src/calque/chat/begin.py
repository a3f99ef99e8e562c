"""A conversation as the command line asks for it: with whom, in which language, in which manner."""

from __future__ import annotations

from collections.abc import Sequence

from calque.chat.commands import with_way
from calque.chat.partners import default_partner, partners_of
from calque.chat.talk import Manner
from calque.chat.terminal import Terminal
from calque.engines import Sampling


def begin(
    model: str,
    *,
    systems: Sequence[str] = (),
    language: str | None = None,
    answers: str | None = None,
    sampling: Sampling | None = None,
    max_tokens: int = 512,
    english_tokens: int = 256,
    lines: bool = False,
    base: str | None = None,
    template: str | None = None,
    precision: str = "auto",
) -> Terminal:
    """The terminal, ready to run. Raises errors for a run, a system or a way that is not there."""
    source = partners_of(model, base=base, template=template, precision=precision)
    names = [name.strip() for given in systems for name in given.split(",") if name.strip()]
    partners = tuple(source.find(name, language) for name in names) or (default_partner(source, language),)
    first = partners[0]
    spoken = language or next(iter(first.languages), "en")
    manner = Manner(spoken, "direct", max_tokens, english_tokens, sampling)
    return Terminal(source, partners, with_way(manner, answers or first.way), lines=lines)
