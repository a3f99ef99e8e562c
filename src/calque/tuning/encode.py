"""Demonstrations to arrays on disk: token ids, loss mask, offsets. Tokenised once, memory-mapped by every epoch.

Rows over the limit are an error, dropped or truncated; either way they are counted by language and kind. Truncation
cuts the end off: such an answer has no stop token, so that the model does not learn to stop in mid-sentence, and a row
of which nothing trained would be left is dropped. A row that trains nothing from the start is an error: a run without
learning must not look like one.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from calque.errors import DataError, ModelError, Problem, raise_all
from calque.languages import LANGUAGES
from calque.records import Demonstration, Message, Rejected

if TYPE_CHECKING:
    from calque.prompts.encoding import Encoded, Encoder

CHUNK = 2000  # rows tokenised at a time
COUNTED = 10_000  # rows whose texts are counted for fertility
ARRAYS = ("tokens", "trained", "offsets", "groups")
SHOWN = 20  # bad rows named one by one

Overlong = Literal["error", "drop", "truncate"]


@dataclass(frozen=True)
class EncodedSet:
    """Token ids of all rows end to end. Row i is `tokens[offsets[i]:offsets[i+1]]`; `trained` is parallel to it.

    Row i is of the group `kinds[groups[i]]`: language of the answer and kind of demonstration, as in `it chat`.
    """

    tokens: npt.NDArray[np.int32]
    trained: npt.NDArray[np.bool_]
    offsets: npt.NDArray[np.int64]
    groups: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    kinds: tuple[str, ...] = ("",)

    def __post_init__(self) -> None:
        if len(self.groups) == 0:  # all of one
            object.__setattr__(self, "groups", np.zeros(len(self), dtype=np.int32))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each row."""
        return np.diff(self.offsets)

    @cached_property
    def longest(self) -> int:
        """Tokens of the longest row."""
        return int(self.lengths.max())

    @property
    def trained_counts(self) -> npt.NDArray[np.int64]:
        """Trained tokens of each row."""
        return np.asarray(np.add.reduceat(self.trained, self.offsets[:-1], dtype=np.int64))

    def row(self, i: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
        """Ids and mask of one row."""
        span = slice(self.offsets[i], self.offsets[i + 1])
        return self.tokens[span], self.trained[span]


@dataclass
class LengthCount:
    """Lengths in tokens of the rows of one language and kind, as they are trained on: with the template, after a cut.

    `longest` is the longest before any cut, kept or not.
    """

    language: str
    kind: str
    rows: int = 0
    tokens: int = 0
    trained_tokens: int = 0
    longest: int = 0
    truncated: int = 0
    dropped: int = 0


@dataclass
class TextCount:
    """What texts of one language take in tokens, uncut and without the template, of rows kept or not."""

    language: str
    tokens: int = 0
    characters: int = 0
    words: int = 0

    def add(self, message: Message, tokens: int) -> None:
        """Count one message; its words are runs between spaces."""
        self.tokens += tokens
        self.characters += sum(map(len, message.texts))
        self.words += sum(len(text.split()) for text in message.texts)

    def to_row(self) -> dict[str, Any]:
        """The row of `fertility.json`; words are null in a language that writes no spaces between them."""
        known = LANGUAGES.get(self.language)
        words = None if known is not None and known.words == "characters" else self.words
        return {
            **asdict(self),
            "words": words,
            "tokens_per_word": round(self.tokens / words, 4) if words else None,
            "tokens_per_character": round(self.tokens / self.characters, 4) if self.characters else None,
        }


@dataclass
class Encoding:
    """Collects rows, of which there were `seen`, the `first` among them; `arrays` gives what is kept."""

    max_tokens: int
    overlong: Overlong
    seen: int = 0
    first: Demonstration | None = None
    tokens: array[int] = field(default_factory=lambda: array("i"))
    trained: bytearray = field(default_factory=bytearray)
    lengths: list[int] = field(default_factory=list)
    keys: list[tuple[str, str]] = field(default_factory=list)
    counts: dict[tuple[str, str], LengthCount] = field(default_factory=dict)
    texts: dict[str, TextCount] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    too_long: list[tuple[Demonstration, int]] = field(default_factory=list)
    untrained: list[Demonstration] = field(default_factory=list)

    def add(self, demonstration: Demonstration, row: Encoded) -> None:
        """Take one row in, or put it aside with its reason."""
        self.seen += 1
        self.first = self.first or demonstration
        for message, tokens in zip(demonstration.messages, row.own, strict=bool(row.own)):
            self.texts.setdefault(message.language, TextCount(message.language)).add(message, tokens)
        key = (demonstration.languages[2], demonstration.kind)
        ids, trained = row.ids, bytes(row.trained)
        if trained[:1] == b"\1":  # nothing predicts the first
            trained = b"\0" + trained[1:]
        if not any(trained):
            self.untrained.append(demonstration)
            return
        count = self.counts.setdefault(key, LengthCount(*key))
        length = len(ids)
        count.longest = max(count.longest, length)
        if length > self.max_tokens:
            if self.overlong == "error":
                self.too_long.append((demonstration, length))
                return
            cut = self.overlong == "truncate"
            if not cut or not any(trained[: self.max_tokens]):
                reason = "prompt_too_long" if cut else "too_long"
                self._reject(demonstration, reason, f"{length} tokens, the limit is {self.max_tokens}")
                count.dropped += 1
                return
            count.truncated += 1
            ids, trained = ids[: self.max_tokens], trained[: self.max_tokens]
        count.rows += 1
        count.tokens += len(ids)
        count.trained_tokens += trained.count(1)
        self.tokens.extend(ids)
        self.trained += trained
        self.lengths.append(len(ids))
        self.keys.append(key)

    def _reject(self, demonstration: Demonstration, reason: str, detail: str) -> None:
        source = demonstration.provenance
        raw = demonstration.messages[0].text if demonstration.messages else ""
        self.rejected.append(Rejected(source.dataset, source.row, reason, detail, raw))

    def arrays(self) -> EncodedSet:
        """The arrays.

        Raises `DataError` for rows that train nothing, for rows over the limit under `error`, and if no row is left.
        """
        raise_all(DataError, [*self._untrained_problems(), *self._too_long_problems()])
        if not self.tokens:
            raise DataError(Problem("no row is left to train on", remedy="see dropped.jsonl for the reasons"))
        offsets = np.concatenate([[0], np.cumsum(self.lengths, dtype=np.int64)])
        number = {key: i for i, key in enumerate(sorted(set(self.keys)))}
        groups = np.asarray([number[key] for key in self.keys], dtype=np.int32)
        kinds = tuple(" ".join(key) for key in number)
        tokens, trained = (
            np.frombuffer(self.tokens, dtype=np.int32),
            np.frombuffer(self.trained, dtype=np.bool_),
        )
        return EncodedSet(tokens, trained, offsets, groups, kinds)

    def _untrained_problems(self) -> Iterator[Problem]:
        for demonstration in self.untrained[:SHOWN]:
            source = demonstration.provenance
            yield Problem(
                "no token of this row would be trained on: no message of it is to be learnt, or all are empty",
                source.dataset,
                source.row,
                remedy=f"such rows: {len(self.untrained)}; mend them, or take them out",
            )

    def _too_long_problems(self) -> Iterator[Problem]:
        if not self.too_long:
            return
        longest = max(length for _, length in self.too_long)
        by_language: dict[str, int] = {}
        for demonstration, _ in self.too_long:
            by_language[demonstration.languages[2]] = by_language.get(demonstration.languages[2], 0) + 1
        total = len(self.too_long) + len(self.lengths)
        table = ", ".join(f"{code}: {n}" for code, n in sorted(by_language.items()))
        first, length = self.too_long[0]
        yield Problem(
            f"{len(self.too_long)} of {total} rows are longer than {self.max_tokens} tokens ({table}); "
            f"the longest has {longest}, the first is row {first.provenance.row} with {length}",
            first.provenance.dataset,
            remedy=f"set tuning.max_tokens={longest}, or tuning.overlong=drop, or tuning.overlong=truncate",
        )


def encode_demonstrations(
    demonstrations: Iterable[Demonstration], encoder: Encoder, *, max_tokens: int, overlong: Overlong
) -> Encoding:
    """Tokenise rows in chunks, at the tokenizer's own batch speed.

    Fertility is counted over the first `COUNTED` rows: a mixture is shuffled, and its prompts are not tokenised twice.
    """
    encoding = Encoding(max_tokens, overlong)
    rows = iter(demonstrations)
    while chunk := list(islice(rows, CHUNK)):
        encoded = encoder.encode([d.messages for d in chunk], count=encoding.seen < COUNTED)
        for demonstration, row in zip(chunk, encoded, strict=True):
            encoding.add(demonstration, row)
    return encoding


def write_encoded(encoded: EncodedSet, folder: Path) -> None:
    """Write the arrays, and the names of the groups, into `folder`."""
    for name in ARRAYS:
        np.save(folder / f"{name}.npy", getattr(encoded, name))
    (folder / "kinds.json").write_text(json.dumps(encoded.kinds, ensure_ascii=False), encoding="utf-8")


def read_encoded(folder: Path) -> EncodedSet:
    """Map the arrays of `folder` into memory."""

    def load(name: str) -> Any:
        return np.load(folder / name, mmap_mode="r", allow_pickle=False)

    kinds = tuple(json.loads((folder / "kinds.json").read_text(encoding="utf-8")))
    tokens, trained, offsets, groups = (load(f"{name}.npy") for name in ARRAYS)
    return EncodedSet(tokens, trained, offsets, groups, kinds)


def sample_segments(encoder: Encoder, demonstration: Demonstration) -> str:
    """One row as the model sees it, as JSON: [[text, trained], ...]."""
    segments = [[s.text, s.trained] for s in encoder.renderer.segments(demonstration.messages)]
    return json.dumps({"segments": segments}, ensure_ascii=False, indent=1)


def check_stop_tokens(encoded: EncodedSet, stop_ids: Sequence[int], truncated: int) -> None:
    """Raise `DataError` unless the last trained token of every row is a stop token, but for `truncated` rows."""
    missing = 0
    for start in range(0, len(encoded), CHUNK):
        offsets = encoded.offsets[start : start + CHUNK + 1]
        places = offsets[0] + np.flatnonzero(encoded.trained[offsets[0] : offsets[-1]])
        last = places[np.searchsorted(places, offsets[1:]) - 1]  # every row has a trained token
        missing += int(np.isin(encoded.tokens[last], stop_ids, invert=True).sum())
    if missing > truncated:
        raise DataError(Problem(f"{missing - truncated} rows do not end their answer with the stop token"))


def check_fits(encoded: EncodedSet, context: int | None, vocabulary: int | None, model: str) -> None:
    """Raise `ModelError` if a model reads fewer tokens at once than the longest row has, or knows fewer than there are."""
    if context and encoded.longest > context:
        message = f"the longest row has {encoded.longest} tokens, but the model reads only {context}"
        remedy = f"set tuning.max_tokens={context}, and say by tuning.overlong what becomes of longer rows"
        raise ModelError(Problem(message, model, remedy=remedy))
    highest = int(encoded.tokens.max())
    if vocabulary and highest >= vocabulary:
        message = f"its tokenizer gives token {highest}, but the model knows only {vocabulary} tokens"
        remedy = "the tokenizer belongs to another model, or the model's embeddings were never resized"
        raise ModelError(Problem(message, model, remedy=remedy))
