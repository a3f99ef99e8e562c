"""The conversation on a terminal, or from a pipe: what is typed, what is shown.

On a terminal Ctrl-C stops the answer that is being written; where none is, it clears the line. From a pipe all of the input is one
request (with `lines`, each line), only answers go to the standard output, and all else to the standard error.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TextIO

from calque.chat.commands import HELP, Command, parse, told, with_language, with_settings, with_way
from calque.chat.partners import Partner, Source
from calque.chat.talk import Manner, Said, Talk
from calque.corpora.exchange import to_form
from calque.corpora.writing import write_jsonl
from calque.errors import CalqueError, Problem, UsageError
from calque.languages import language as language_of
from calque.records import Demonstration, Message, Provenance, Rejected

INTERRUPTED = 130
DIM, BOLD, PLAIN = "\033[2m", "\033[1m", "\033[0m"


@dataclass
class Terminal:
    """A conversation with one partner, or with several side by side, each with its own history."""

    source: Source
    partners: tuple[Partner, ...]
    manner: Manner
    typed: TextIO = field(default_factory=lambda: sys.stdin)
    shown: TextIO = field(default_factory=lambda: sys.stdout)
    aside: TextIO = field(default_factory=lambda: sys.stderr)
    lines: bool = False
    _talks: dict[str, Talk] = field(default_factory=dict)
    _left: bool = False
    _status: int = 0

    @property
    def live(self) -> bool:
        """Whether somebody sits there."""
        return self.typed.isatty() and self.shown.isatty()

    def run(self) -> int:
        """Talk until there is no more to say.

        Returns the exit status: 1 where something from a pipe could not be done, 130 where it was stopped.
        """
        if not self.live:
            return self._piped()
        with suppress(ImportError):
            import readline  # noqa: F401 — input() then edits lines and remembers them
        self._tell(f"{self._names()}: {told(self.manner)}; /help says what else there is, Ctrl-D leaves")
        for partner in self.partners:
            self._talk(partner)
        while not self._left:
            try:
                line = self._typed_line()
            except EOFError:
                self.shown.write("\n")
                break
            except KeyboardInterrupt:
                self.shown.write("\n")
                continue
            self._line(line)
        return 0

    def _piped(self) -> int:
        texts: Iterator[str] | Sequence[str] = self.typed if self.lines else [self.typed.read()]
        for text in texts:
            self._line(text.strip())
            if self._left:
                break
        return self._status

    def _typed_line(self) -> str:
        """What is typed, several lines where one ends with a backslash."""
        text = input("> ")
        while text.endswith("\\"):
            text = f"{text[:-1]}\n{input('. ')}"
        return text.strip()

    def _line(self, line: str) -> None:
        """Say a line, or carry out its command; what is wrong with it is told, and the conversation goes on."""
        try:
            command = parse(line)
            if command is not None:
                _DO[command.name](self, command)
            elif line:
                self._say(line.removeprefix("/") if line.startswith("//") else line)
        except CalqueError as error:
            self._status = 1
            for problem in error.problems:
                self._tell(str(problem))

    def _say(self, text: str) -> None:
        """Put a request to every partner, one after the other."""
        for partner in self.partners:
            talk = self._talk(partner)
            if len(self.partners) > 1:
                self._head(partner)
            said = talk.ask(text, partner.manner(self.manner), self._piece)
            self._ended(said)
            if said.stopped:
                self._left = self._left or not self.live  # there is nobody to go on with
                self._status = self._status if self.live else INTERRUPTED
                return

    def _talk(self, partner: Partner) -> Talk:
        """The conversation with a partner; its model is loaded when it is first asked."""
        if partner.name not in self._talks:
            if self.live:
                self._tell(f"loading {partner.name} ...")
            self._talks[partner.name] = Talk(partner.writer())
        return self._talks[partner.name]

    def _piece(self, piece: str, /, *, english: bool) -> None:
        """Show a piece as it is written: what is on the way to the answer dimly; from a pipe only what is the answer."""
        if self.live:
            self._write(f"{DIM}{piece}{PLAIN}" if english else piece)
        elif not english and self.manner.way != "pivot":
            self._write(piece)

    def _ended(self, said: Said) -> None:
        """What is left to show of an answer, and what is to be known of it."""
        if not self.live and self.manner.way == "pivot":
            self._write(said.text)
        self._write("\n")
        if said.stopped:
            self._tell("stopped; it stands in the history as far as it came")
        elif not said.finished:
            self._tell("cut off at the longest answer: /set max_tokens=… allows more")
        if said.forgotten:
            self._tell(f"the first {said.forgotten} messages are forgotten: the model's context is full")

    def _write(self, text: str) -> None:
        self.shown.write(text)
        self.shown.flush()

    def _head(self, partner: Partner) -> None:
        self._write(f"{BOLD}{partner.name}{PLAIN}\n" if self.live else f"{partner.name}:\n")

    def _tell(self, text: str) -> None:
        """Something that is no answer."""
        print(f"{DIM}{text}{PLAIN}" if self.live else text, file=self.aside, flush=True)

    def _names(self) -> str:
        return " and ".join(partner.name for partner in self.partners)

    def _help(self, _: Command) -> None:
        for name, about in HELP.items():
            self._tell(f"/{name:<9} {about}")

    def _reset(self, _: Command) -> None:
        for talk in self._talks.values():
            talk.reset()
        self._tell("all that was said is forgotten")

    def _undo(self, _: Command) -> None:
        back = [self._talk(partner).undo() for partner in self.partners]
        self._tell(f"taken back: {back[0]}" if any(back) else "nothing has been said yet")

    def _again(self, _: Command) -> None:
        back = [self._talk(partner).undo() for partner in self.partners]
        if not any(back):
            raise UsageError(Problem("nothing has been said yet"))
        if self.manner.sampling is not None:
            sampling = replace(self.manner.sampling, seed=self.manner.sampling.seed + 1)
            self.manner = replace(self.manner, sampling=sampling)
        self._say(next(text for text in back if text))

    def _system(self, command: Command) -> None:
        if not command.words:
            for partner in self.source.partners:
                here = "* " if partner in self.partners else "  "
                known = ", ".join(language_of(code).name for code in partner.languages)
                self._tell(f"{here}{partner.name}{f' ({known})' if known else ''}")
            return
        names = [name.strip() for name in command.words.split(",") if name.strip()]
        partners = tuple(dict.fromkeys(self._found(name) for name in names))
        kept = {partner.name for partner in partners}
        self._talks = {name: talk for name, talk in self._talks.items() if name in kept}  # models take room
        self.partners = partners
        self._tell(f"{self._names()}: {told(self.manner)}")

    def _found(self, name: str) -> Partner:
        """A partner by name or role, of a role that in the language of the conversation."""
        exact = next((partner for partner in self.source.partners if partner.name == name), None)
        return exact or self.source.find(name, self.manner.language)

    def _language(self, command: Command) -> None:
        self._change(with_language(self.manner, command.words))

    def _answers(self, command: Command) -> None:
        self._change(with_way(self.manner, command.words))

    def _set(self, command: Command) -> None:
        self._change(with_settings(self.manner, command.words))

    def _change(self, manner: Manner) -> None:
        self.manner = manner
        self._tell(told(manner))

    def _save(self, command: Command) -> None:
        if not command.words:
            raise UsageError(Problem("which file?", remedy="say /save FILE"))
        path = Path(command.words).expanduser()
        if path.exists():
            raise UsageError(Problem("is there already", str(path), remedy="name another file"))
        rows = [row for partner in self.partners if (row := _row(self._talk(partner).history, partner))]
        write_jsonl(path, rows)
        self._tell(f"{len(rows)} conversations: {path}")

    def _quit(self, _: Command) -> None:
        self._left = True


_DO: dict[str, Callable[[Terminal, Command], None]] = {name: getattr(Terminal, f"_{name}") for name in HELP}


def _row(history: tuple[Message, ...], partner: Partner) -> dict[str, object] | None:
    """A conversation in the form of messages, with who answered; nothing where nothing was said."""
    made = to_form(Demonstration("chat", history, Provenance(partner.name, 1)), "messages")
    if isinstance(made, Rejected) or not history:
        return None
    turns = [{key: turn[key] for key in ("role", "content", "language")} for turn in made["messages"]]
    return {"messages": turns, "model": partner.name}
