"""Native text to passages, as a stream: plain text, Markdown, HTML, JSON lines, SQuAD-form JSON, Parquet, zip archives.

Text files may be packed (gzip, zstd). Of a file no more is held in memory than a passage, a page or a batch of rows;
JSON in the form of SQuAD is read whole.
"""

from __future__ import annotations

import lzma
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from calque.corpora.files import form_of, open_bytes
from calque.corpora.markup import html_sections, markdown_sections
from calque.corpora.plain_text import Text, read_plain
from calque.corpora.text_rows import read_json_texts, read_parquet_texts
from calque.errors import DataError, Problem
from calque.languages import language as language_of
from calque.records import Passage, Provenance, Rejected

Unit = Literal["auto", "document", "section", "paragraph", "line"]
Markup = Literal["auto", "none", "markdown", "html"]

_PLAIN = {".txt": "none", ".text": "none", "": "none", ".md": "markdown", ".markdown": "markdown", ".mdx": "markdown",
          ".html": "html", ".htm": "html", ".xhtml": "html"}  # fmt: skip
_JSON = (".json", ".jsonl", ".ndjson")
_ENCRYPTED = 1  # of the flags of a member
_UNPACK = "unpack it yourself, and name its files"
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")


def has_known_form(path: Path) -> bool:
    """Whether a file's ending tells of a form that can be read; one without an ending may be anything."""
    return bool(form := form_of(path)) and form in (*_PLAIN, *_JSON, ".parquet", ".zip")


@dataclass(frozen=True, slots=True)
class PassageFiles:
    """Where the passages of a language lie, and what a passage is.

    `unit`: a passage is a whole file or row (`document`), what stands under a heading (`section`), what stands between
    blank lines (`paragraph`), or a line; `auto` is a paragraph of plain text, a section of Markdown and HTML, a whole row
    of JSON and Parquet. `text_field` is the field of a row; empty is the first of those that web corpora use.
    """

    language: str
    paths: tuple[Path, ...]
    unit: Unit = "auto"
    markup: Markup = "auto"
    text_field: str = ""
    licence: str = ""


def read_passages(*sources: PassageFiles) -> Iterator[Passage | Rejected]:
    """The passages of all files, in order. Reading goes on behind a broken file, so that all are named at once.

    Reasons: `empty` (a passage, or a whole file); `binary` (control characters: no text); `too_large` (over 2,000,000 bytes); `invalid_utf8`,
    `invalid_json`, `missing_field`, `wrong_type`; `unknown_form` (a member of an archive that is no text). A file that is
    broken, of no known form, or whose rows have no field of text is a `DataError`.
    """
    problems: list[Problem] = []
    for files, path in ((source, path) for source in sources for path in source.paths):
        try:
            if form_of(path) == ".zip":
                yield from _unzipped(path, files)
            else:
                yield from _read(path, path.name, files)
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(*problems)


def _read(path: Path, name: str, files: PassageFiles) -> Iterator[Passage | Rejected]:
    code = language_of(files.language).code
    form = form_of(path)
    markup = _PLAIN.get(form, "none") if files.markup == "auto" else files.markup
    text: Text | Rejected | None = None
    for text in _texts(path, form, markup, files):
        if isinstance(text, Rejected):
            yield replace(text, file=name)
            continue
        for part in _parts(text, form, markup, files.unit):
            wrong = _unusable(part, name, text.row)
            yield wrong or Passage(
                part, code, Provenance(name, text.row, text.licence or files.licence), text.source
            )
    if text is None:
        yield Rejected(name, 1, "empty", "there is no text in the whole file")


def _texts(path: Path, form: str, markup: str, files: PassageFiles) -> Iterator[Text | Rejected]:
    if form == ".parquet":
        return read_parquet_texts(path, files.text_field)
    if form in _JSON:
        return read_json_texts(path, files.text_field)
    if form in _PLAIN:
        unit = "document" if markup != "none" else "paragraph" if files.unit == "auto" else files.unit
        return read_plain(path, unit if unit in ("paragraph", "line") else "document")
    known = ", ".join(ending for ending in (*_PLAIN, *_JSON, ".parquet", ".zip") if ending)
    problem = f"no form of text is known by the ending {form!r}"
    raise DataError(Problem(problem, str(path), remedy=f"known are {known} (text and JSON also .gz or .zst)"))


def _parts(text: Text, form: str, markup: str, unit: Unit) -> list[str]:
    """The passages in a text: without its markup, and cut as the unit says. Of a text with nothing in it, one."""
    if markup == "none":
        sections = [text.text]
    else:
        sections = list((markdown_sections if markup == "markdown" else html_sections)(text.text))
    if unit == "auto":
        unit = "section" if form in _PLAIN and markup != "none" else "document"
    if unit == "document":
        parts = ["\n\n".join(sections)]
    elif unit == "section":
        parts = sections
    else:
        between = "\n" if unit == "line" else "\n\n"
        parts = [part for section in sections for part in section.split(between) if part.strip()]
    return [part.strip() for part in parts] or [""]


def _unusable(text: str, name: str, row: int) -> Rejected | None:
    if not text:
        return Rejected(name, row, "empty", "there is no text in it")
    wrong = _CONTROL.search(text)
    if wrong:
        detail = f"control character U+{ord(wrong[0]):04X} at character {wrong.start():,}"
        return Rejected(name, row, "binary", detail, text[:500])
    return None


def _unzipped(path: Path, files: PassageFiles) -> Iterator[Passage | Rejected]:
    """The passages of an archive's members, by name; each is unpacked to a temporary file in its turn."""
    with open_bytes(path) as stream, TemporaryDirectory(prefix="calque-zip-") as folder:
        with _damage_named(path, "the zip archive is damaged, or cut off, or of a kind that is not known"):
            archive = zipfile.ZipFile(stream)
            members = sorted((m for m in archive.infolist() if not m.is_dir()), key=lambda m: m.filename)
        for number, member in enumerate(members):
            inside = Path(member.filename)
            form = form_of(inside)
            name = f"{path.name}/{member.filename}"
            if inside.name.startswith((".", "_")) or form not in (*_PLAIN, *_JSON, ".parquet"):
                yield Rejected(name, 1, "unknown_form", f"no text is read from {inside.name}")
                continue
            if member.flag_bits & _ENCRYPTED:
                raise DataError(Problem(f"{member.filename} is encrypted", str(path), remedy=_UNPACK))
            packed_as = "" if inside.suffix.lower() == form else inside.suffix
            unpacked = Path(folder) / f"{number}{form}{packed_as}"  # names in an archive may be too long
            with (
                _damage_named(path, f"{member.filename} cannot be unpacked"),
                archive.open(member) as packed,
                unpacked.open("wb") as out,
            ):
                shutil.copyfileobj(packed, out)
            try:
                yield from _read(unpacked, name, files)
            except DataError as error:
                raise DataError(
                    *(replace(p, file=f"{path}/{member.filename}") for p in error.problems)
                ) from None
            unpacked.unlink()


@contextmanager
def _damage_named(path: Path, what: str) -> Iterator[None]:
    """Whatever `zipfile` and the unpackers under it make of a broken archive, as a `DataError`."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError) as e:
        unknown = isinstance(e, NotImplementedError)
        remedy = _UNPACK if unknown else "fetch it again"
        raise DataError(Problem(f"{what} ({e})", str(path), remedy=remedy)) from e
