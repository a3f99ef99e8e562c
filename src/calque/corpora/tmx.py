"""Translation memories (TMX 1.1 to 1.4) as a stream of units, in memory for a unit and not for the file.

Entities cannot be declared, so that no file can blow up or fetch anything: a DOCTYPE may only name the public DTD,
which is not loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.parsers import expat

from calque.corpora.files import open_bytes
from calque.errors import DataError, Problem

Unit = dict[str, str]

_CHUNK = 1 << 18
_MARKUP = frozenset({"bpt", "ept", "it", "ph", "ut"})  # what they hold is code of the layout, not text


def read_units(path: str | Path) -> Iterator[Unit]:
    """Translation units in order, each as {language tag as written: text}; the first text of a language counts.

    Text is that of `seg` without the inline layout codes. A file that is not well-formed, or that declares
    entities, is a `DataError` with its line.
    """
    reader = _Reader(path)
    with open_bytes(path) as stream:
        while chunk := stream.read(_CHUNK):
            yield from reader.feed(chunk)
        yield from reader.feed(b"")


class _Reader:
    """Handlers of the XML parser, which put a unit into `units` at the end of each `tu`."""

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self.units: list[Unit] = []
        self.whole = 0
        self.unit: Unit = {}
        self.tag = ""
        self.text: list[str] = []
        self.in_seg, self.in_markup, self.depth = False, 0, 0
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.EntityDeclHandler = self._entity
        self.parser.SkippedEntityHandler = self._skipped

    def feed(self, chunk: bytes) -> list[Unit]:
        """Parse on (to the end, if there is nothing more) and hand over the units that are complete."""
        try:
            self.parser.Parse(chunk, not chunk)
        except expat.ExpatError as wrong:
            message = (
                f"is not well-formed TMX ({expat.ErrorString(wrong.code)}), after {self.whole} whole units"
            )
            remedy = "its end is missing: fetch it again" if not chunk else ""
            raise DataError(Problem(message, str(self.path), wrong.lineno, remedy)) from wrong
        units, self.units = self.units, []
        return units

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if self.depth == 0 and name != "tmx":
            self._refuse(f"is no TMX: its root is <{name}>")
        self.depth += 1
        if name == "tu":
            self.unit = {}
        elif name == "tuv":
            self.tag = attributes.get("xml:lang") or attributes.get("lang", "")
        elif name == "seg":
            self.in_seg, self.text = True, []
        elif name in _MARKUP:
            self.in_markup += 1

    def _end(self, name: str) -> None:
        self.depth -= 1
        if name == "tu":
            self.units.append(self.unit)
            self.whole += 1
        elif name == "seg":
            self.in_seg = False
            self.unit.setdefault(self.tag, "".join(self.text))
        elif name in _MARKUP:
            self.in_markup -= 1

    def _characters(self, data: str) -> None:
        if self.in_seg and not self.in_markup:
            self.text.append(data)

    def _doctype(self, name: str, system: str | None, public: str | None, internal: int) -> None:  # noqa: ARG002
        if internal:
            self._refuse("has a DOCTYPE with declarations of its own, which is refused for safety")

    def _entity(self, name: str, *rest: object) -> None:  # noqa: ARG002
        self._refuse(f"declares the entity {name!r}, which is refused for safety")

    def _skipped(self, name: str, parameter: bool) -> None:  # noqa: ARG002
        self._refuse(f"uses the entity {name!r}, which it does not define")

    def _refuse(self, message: str) -> None:
        raise DataError(Problem(message, str(self.path), self.parser.CurrentLineNumber))
