"""Any text file as a stream: plain, gzip or zstd, UTF-8, with every fault named by file and line."""

from __future__ import annotations

import codecs
import difflib
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from calque.errors import DataError, Problem
from calque.records import Rejected

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_PACKED = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd"}
_CHUNK = 1 << 20


@contextmanager
def open_bytes(path: str | Path) -> Iterator[BinaryIO]:
    """The bytes of a file, unpacked where it is gzip or zstd (told by its content). Half of either is a `DataError`."""
    given = Path(path)
    if not given.is_file():
        raise DataError(_not_a_file(given))
    try:
        with given.open("rb") as packed:
            magic = packed.peek(4)[:4]
            if magic.startswith(_GZIP):
                with gzip.GzipFile(fileobj=packed) as unpacked:
                    yield cast(BinaryIO, io.BufferedReader(unpacked, _CHUNK))
            elif magic == _ZSTD:
                with io.BufferedReader(_Zstd(packed, path), _CHUNK) as reader:
                    yield cast(BinaryIO, reader)
            elif given.suffix in _PACKED:
                form = _PACKED[given.suffix]
                found = "is empty" if not magic else f"is not {form}, though its name says so"
                raise DataError(Problem(found, str(path), remedy="fetch it again, or name it as what it is"))
            else:
                yield packed
    except (EOFError, zlib.error, gzip.BadGzipFile) as broken:
        problem = Problem(
            f"the gzip file is damaged or cut off ({broken})", str(path), remedy="fetch it again"
        )
        raise DataError(problem) from broken
    except PermissionError as refused:
        raise DataError(Problem("may not be read", str(path), remedy="change its permissions")) from refused


def form_of(path: str | Path) -> str:
    """The ending of a file's name that tells its form, such as `.jsonl` of `a.jsonl.gz`; empty where there is none."""
    return next((s.lower() for s in reversed(Path(path).suffixes) if s not in _PACKED), "")


class _Zstd(io.RawIOBase):
    """What a zstd file holds, of one frame or several."""

    def __init__(self, packed: BinaryIO, path: str | Path) -> None:
        import pyarrow as pa

        self._path = path
        self._stream: Any = pa.CompressedInputStream(pa.PythonFile(packed, mode="r"), "zstd")

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read on. A file that is damaged or cut off is a `DataError`."""
        try:
            return int(self._stream.readinto(buffer))
        except OSError as broken:
            problem = f"the zstd file is damaged or cut off ({broken})"
            raise DataError(Problem(problem, str(self._path), remedy="fetch it again")) from broken


def read_lines(
    path: str | Path, *, keep_ends: bool = False, longest: int | None = None
) -> Iterator[str | Rejected]:
    r"""The lines of a file, in its order, as text; a line that is not UTF-8 comes as `Rejected`.

    Lines end at \n or \r\n alone, so that line i of one file stays line i of another. A byte-order mark in front
    is left out. A file that ends amid a character is a `DataError`: it was cut off. A line of more than `longest`
    bytes is `Rejected` (`too_large`), and never held in memory.
    """
    offset = 0
    with open_bytes(path) as stream:
        for row, (raw, size) in enumerate(_raw_lines(stream, longest), start=1):
            if len(raw) < size:
                detail = f"the line has {size:,} bytes; at most {longest:,} are read"
                yield Rejected(
                    Path(path).name, row, "too_large", detail, raw[:500].decode(errors="backslashreplace")
                )
                offset += size
                continue
            line = raw
            if row == 1:
                _refuse_utf16(raw, path)
                line = raw.removeprefix(codecs.BOM_UTF8)
            try:
                text = line.decode()
            except UnicodeDecodeError as wrong:
                if wrong.end == len(line) and wrong.reason == "unexpected end of data":
                    raise DataError(_cut_off(path, row)) from wrong
                at = offset + len(raw) - len(line) + wrong.start
                detail = f"byte 0x{line[wrong.start]:02x} at offset {at} of the file: {wrong.reason}"
                seen = line.rstrip(b"\r\n").decode(errors="backslashreplace")[:500]
                yield Rejected(Path(path).name, row, "invalid_utf8", detail, seen)
            else:
                yield text if keep_ends else text.rstrip("\r\n")
            offset += len(raw)


def _raw_lines(stream: BinaryIO, longest: int | None) -> Iterator[tuple[bytes, int]]:
    """Lines, and how many bytes each has in the file: more than are given of one that is too long."""
    if longest is None:
        for raw in stream:
            yield raw, len(raw)
        return
    while raw := stream.readline(longest):
        size, ends = len(raw), len(raw) < longest or raw.endswith(b"\n")
        while not ends:
            piece = stream.readline(_CHUNK)
            size += len(piece)
            raw = raw[: min(500, longest)] if piece else raw
            ends = not piece or piece.endswith(b"\n")
        yield raw, size


def read_chunks(path: str | Path) -> Iterator[str]:
    """The text of a document in pieces. Invalid UTF-8 is a `DataError`, for a document is whole or not at all."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    line = 1
    with open_bytes(path) as stream:
        first = True
        while True:
            raw = stream.read(_CHUNK)
            if first:
                _refuse_utf16(raw, path)
                first = False
            try:
                text = decoder.decode(raw, final=not raw)
            except UnicodeDecodeError as wrong:
                line += wrong.object.count(b"\n", 0, wrong.start)
                if not raw:
                    raise DataError(_cut_off(path, line)) from wrong
                byte = wrong.object[wrong.start]
                problem = Problem(
                    f"byte 0x{byte:02x} is not UTF-8 ({wrong.reason})", str(path), line, _CONVERT
                )
                raise DataError(problem) from wrong
            if text:
                line += text.count("\n")
                yield text
            if not raw:
                return


def read_text(path: str | Path) -> str:
    """A whole document; faults as in `read_chunks`."""
    return "".join(read_chunks(path))


def expand(pattern: str | Path) -> list[Path]:
    """The files that a path or a pattern with `*` names, sorted; none is a `DataError`."""
    given = Path(pattern)
    if given.is_file():
        return [given]
    if not any(c in str(pattern) for c in "*?["):
        raise DataError(_not_a_file(given))
    top = Path(given.anchor)
    relative = str(given.relative_to(top)) if given.anchor else str(given)
    found = sorted(p for p in top.glob(relative) if p.is_file() and not p.name.startswith("."))
    if not found:
        remedy = "the pattern is relative to the folder in which you started" if not given.anchor else ""
        raise DataError(Problem("no file fits this pattern", str(pattern), remedy=remedy))
    return found


def sha256_of(path: str | Path) -> str:
    """The SHA-256 of a file's bytes as they lie on disk, in hex."""
    given = Path(path)
    if not given.is_file():
        raise DataError(_not_a_file(given))
    with given.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


_CONVERT = "convert the file to UTF-8 (iconv -t UTF-8)"


def _refuse_utf16(start: bytes, path: str | Path) -> None:
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(Problem("the file is UTF-16, not UTF-8", str(path), 1, _CONVERT))


def _cut_off(path: str | Path, line: int) -> Problem:
    return Problem("the file breaks off in the middle of a character", str(path), line, "fetch it again")


def _not_a_file(path: Path) -> Problem:
    if path.is_dir():
        return Problem(
            "is a folder, not a file", str(path), remedy=f"name its files, as in {path / '*.json'}"
        )
    if not path.parent.is_dir():
        return Problem(
            "there is no such file", str(path), remedy=f"its folder {path.parent} does not exist either"
        )
    near = difflib.get_close_matches(path.name, [p.name for p in path.parent.iterdir()], n=1)
    return Problem("there is no such file", str(path), remedy=f"did you mean {near[0]!r}?" if near else "")
