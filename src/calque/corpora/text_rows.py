"""Rows with a text in them: JSON lines and lists, SQuAD-form JSON (its contexts), and Parquet of web corpora.

FineWeb: text, id, url, language …; CulturaX and mC4: text, timestamp, url, source; HPLT: text, lang, url …; OSCAR: content.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from calque.corpora.files import form_of, open_bytes
from calque.corpora.json_rows import read_json, read_rows
from calque.corpora.plain_text import LARGEST, Text
from calque.errors import DataError, Problem
from calque.records import Rejected

TEXT_FIELDS = ("text", "content", "raw_content", "document", "passage", "context", "body")
SOURCE_FIELDS = ("url", "id", "doc_id", "document_id", "article_id", "story_id", "title")
LICENCE_FIELDS = ("license", "licence")
_BATCH = 256  # rows of Parquet in memory at a time


def read_json_texts(path: Path, field: str = "") -> Iterator[Text | Rejected]:
    """The texts of JSON rows, or of the paragraphs of SQuAD-form JSON; row = row or paragraph, from 1."""
    if form_of(path) == ".json" and begins_with(path, b"{"):
        yield from _squad(path)
        return
    seen: dict[str, None] = {}
    rows = found = 0
    for row in read_rows(path, longest=LARGEST):
        if isinstance(row, Rejected):
            yield row
            continue
        rows += 1
        if not isinstance(row.value, dict):
            yield Rejected(path.name, row.row, "wrong_type", "the row is not an object", row.raw[:500])
            continue
        name = field or next((name for name in TEXT_FIELDS if name in row.value), "")
        if name not in row.value:
            seen.update(dict.fromkeys(map(str, row.value)))
            detail = f"line {row.line}: there is no field {name or ' nor '.join(TEXT_FIELDS)}"
            yield Rejected(path.name, row.row, "missing_field", detail, row.raw[:500])
            continue
        found += 1
        yield _text(path, row.row, row.value[name], row.value)
    if rows and not found:
        raise DataError(_no_text(path, field, list(seen)))


def read_parquet_texts(path: Path, field: str = "") -> Iterator[Text | Rejected]:
    """The texts of a Parquet file, a batch of rows at a time; of its other columns only those of use are read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with open_bytes(path) as stream:
        try:
            file = pq.ParquetFile(stream)
            names = file.schema_arrow.names
            text = field or next((name for name in TEXT_FIELDS if name in names), "")
            if text not in names:
                raise DataError(_no_text(path, field, names))
            kind = file.schema_arrow.field(text).type
            if not any(of(kind) for of in (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary,
                                           pa.types.is_large_binary, pa.types.is_string_view)):  # fmt: skip
                raise DataError(Problem(f"column {text!r} holds {kind}, not text", str(path)))
            about = [name for name in (*SOURCE_FIELDS, *LICENCE_FIELDS) if name in names and name != text]
            row = 0
            for batch in file.iter_batches(_BATCH, columns=[text, *about]):
                texts = batch.column(text).cast(pa.large_binary())
                others = {name: batch.column(name).to_pylist() for name in about}
                for i, value in enumerate(texts):
                    row += 1
                    raw = value.as_py()
                    yield _decoded(path, row, raw, {name: column[i] for name, column in others.items()})
        except (pa.ArrowException, OSError, UnicodeDecodeError) as wrong:
            remedy = "fetch it again: it is damaged or cut off"
            raise DataError(
                Problem(f"cannot be read as Parquet ({wrong})", str(path), remedy=remedy)
            ) from wrong


def _decoded(path: Path, row: int, raw: bytes | None, about: Mapping[str, Any]) -> Text | Rejected:
    if raw is None:
        return _text(path, row, None, about)
    if len(raw) > LARGEST:
        return _too_large(path, row, len(raw), raw[:500].decode(errors="backslashreplace"))
    try:
        return _text(path, row, raw.decode(), about)
    except UnicodeDecodeError as wrong:
        detail = f"byte 0x{raw[wrong.start]:02x} at offset {wrong.start} of the text: {wrong.reason}"
        return Rejected(path.name, row, "invalid_utf8", detail, raw[:500].decode(errors="backslashreplace"))


def _text(path: Path, row: int, value: object, about: Mapping[str, Any]) -> Text | Rejected:
    if value is None:
        return Rejected(path.name, row, "empty", "there is no text in it")
    if not isinstance(value, str):
        return Rejected(path.name, row, "wrong_type", "the text is not a string", str(value)[:500])
    try:
        size = len(value.encode())
    except UnicodeEncodeError as wrong:  # half a surrogate pair, as JSON may spell it
        detail = f"character {wrong.start}: {wrong.reason}"
        return Rejected(path.name, row, "invalid_utf8", detail, ascii(value[:500]))
    if size > LARGEST:
        return _too_large(path, row, size, value[:500])
    return Text(value, row, _first(about, SOURCE_FIELDS), _first(about, LICENCE_FIELDS))


def _too_large(path: Path, row: int, size: int, beginning: str) -> Rejected:
    detail = f"the text has {size:,} bytes; at most {LARGEST:,} are read"
    return Rejected(path.name, row, "too_large", detail, beginning)


def _first(about: Mapping[str, Any], fields: Sequence[str]) -> str:
    return next((str(about[name]) for name in fields if isinstance(about.get(name), str | int)), "")


def _squad(path: Path) -> Iterator[Text | Rejected]:
    value = read_json(path)
    row = 0
    try:
        for article in value["data"]:
            for paragraph in article["paragraphs"]:
                row += 1
                yield _text(path, row, paragraph["context"], {"title": article.get("title")})
    except (KeyError, TypeError, AttributeError):
        fields = list(value)
        raise DataError(_no_text(path, "", fields)) from None


def begins_with(path: Path, mark: bytes) -> bool:
    """Whether the first thing in a file that is no blank is `mark`."""
    with open_bytes(path) as stream:
        return stream.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(mark)


def _no_text(path: Path, field: str, there: Sequence[str]) -> Problem:
    what = f"there is no field {field!r}" if field else f"no field is called {', '.join(TEXT_FIELDS)}"
    remedy = f"say text_field; fields in the file: {', '.join(list(there)[:20]) or 'none'}"
    return Problem(f"{what}, so there is no text to read", str(path), remedy=remedy)
