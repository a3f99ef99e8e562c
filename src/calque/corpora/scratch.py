"""Numbers set aside in a file without a name, which ends with the object: memory stays what it is, however many there are."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_BLOCK = 1 << 20  # bytes that are read at a time


class Scratch:
    """Rows of `width` numbers of one type, appended in order, then read in order or one by one."""

    def __init__(self, folder: str | Path, dtype: npt.DTypeLike, width: int) -> None:
        self._dtype, self._width = np.dtype(dtype), width
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 — it ends with the object
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    def append(self, row: npt.ArrayLike) -> None:
        """One more row; not after the first was read."""
        numbers = np.asarray(row, dtype=self._dtype)
        if numbers.shape != (self._width,):
            raise ValueError(f"a row of shape {numbers.shape} in a table of {self._width} columns")
        self._file.write(numbers.tobytes())
        self._rows += 1

    def blocks(self) -> Iterator[npt.NDArray[Any]]:
        """All rows in order, some at a time: shape (some, width)."""
        size = self._dtype.itemsize * self._width
        step = max(1, _BLOCK // size)
        for start in range(0, self._rows, step):
            self._file.seek(start * size)
            found = self._file.read(min(step, self._rows - start) * size)
            yield np.frombuffer(found, dtype=self._dtype).reshape(-1, self._width)

    def take(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """These rows: shape (len(rows), width)."""
        size = self._dtype.itemsize * self._width
        found = bytearray()
        for row in rows.tolist():
            self._file.seek(row * size)
            found += self._file.read(size)
        return np.frombuffer(found, dtype=self._dtype).reshape(-1, self._width)
