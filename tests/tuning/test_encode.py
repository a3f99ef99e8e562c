"""Rows to arrays: literal ids, counts that add up, and the three ways with rows that are too long."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calque.errors import DataError
from calque.prompts.encoding import Encoded, Encoder, make_encoder
from calque.records import Demonstration, Message, Provenance
from calque.tuning.encode import (
    EncodedSet,
    Encoding,
    check_stop_tokens,
    encode_demonstrations,
    read_encoded,
    sample_segments,
    write_encoded,
)


def demonstration(
    row: int, request: str, reply: str, language: str = "it", trained: bool = True
) -> Demonstration:
    messages = (Message("user", request, "en"), Message("assistant", reply, language, trained=trained))
    return Demonstration("instruction", messages, Provenance("rows.json", row))


@pytest.fixture(scope="module")
def letters(foundry: Any) -> Encoder:
    return make_encoder(foundry.tokenizer("letters"), "plain")


TWO = [demonstration(1, "ab", "cd"), demonstration(2, "a", "bcd e", "de")]


def test_two_rows_as_literals(letters: Encoder, tmp_path: Path) -> None:
    # a = 3, b = 4 … space = 29, newline = 30, </s> = 2
    encoding = encode_demonstrations(TWO, letters, max_tokens=20, overlong="error")
    write_encoded(encoding.arrays(), tmp_path)
    encoded = read_encoded(tmp_path)
    assert encoded.tokens.tolist() == [3, 4, 30, 30, 5, 6, 2, 3, 30, 30, 4, 5, 6, 29, 7, 2]
    assert encoded.trained.astype(int).tolist() == [0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1]
    assert encoded.offsets.tolist() == [0, 7, 16]
    assert len(encoded) == 2
    assert encoded.lengths.tolist() == [7, 9]
    assert encoded.trained_counts.tolist() == [3, 6]
    assert encoded.tokens.dtype == np.int32
    assert isinstance(encoded.tokens, np.memmap)


def test_texts_of_the_first_rows_alone_are_counted(letters: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calque.tuning.encode.CHUNK", 2)
    monkeypatch.setattr("calque.tuning.encode.COUNTED", 3)
    encoding = encode_demonstrations(
        [demonstration(i, "ab", "cd") for i in range(7)], letters, max_tokens=20, overlong="error"
    )
    assert {code: count.tokens for code, count in encoding.texts.items()} == {"en": 8, "it": 8}, "of 4 rows"
    assert encoding.counts["it", "instruction"].rows == 7


def test_row_lengths_by_language_of_the_answer(letters: Encoder) -> None:
    encoding = encode_demonstrations(TWO, letters, max_tokens=20, overlong="error")
    assert asdict(encoding.counts["de", "instruction"]) == {
        "language": "de",
        "kind": "instruction",
        "rows": 1,
        "tokens": 9,
        "trained_tokens": 6,
        "longest": 9,
        "truncated": 0,
        "dropped": 0,
    }


def test_fertility_is_of_the_texts_alone_by_their_own_language(letters: Encoder) -> None:
    """One letter is one token: the English requests "ab" and "a" have 3 in 2 words, the German "bcd e" has 5 in 2."""
    encoding = encode_demonstrations(TWO, letters, max_tokens=20, overlong="error")
    english = {"language": "en", "tokens": 3, "characters": 3, "words": 2}
    german = {"language": "de", "tokens": 5, "characters": 5, "words": 2}
    assert encoding.texts["en"].to_row() == {**english, "tokens_per_word": 1.5, "tokens_per_character": 1.0}
    assert encoding.texts["de"].to_row() == {**german, "tokens_per_word": 2.5, "tokens_per_character": 1.0}


def test_a_translation_counts_each_side_for_its_language(letters: Encoder) -> None:
    request = Message("user", "ab", "en", input="b c d")
    messages = (request, Message("assistant", "ed", "it", trained=True))
    rows = [Demonstration("translation", messages, Provenance("pairs.tsv", 1))]
    texts = encode_demonstrations(rows, letters, max_tokens=20, overlong="error").texts
    assert {code: (t.tokens, t.characters, t.words) for code, t in texts.items()} == {
        "en": (7, 7, 4),
        "it": (2, 2, 1),
    }


@pytest.mark.parametrize("overlong", ["drop", "truncate"])
def test_fertility_is_that_of_the_uncut_text(letters: Encoder, overlong: Any) -> None:
    texts = encode_demonstrations(TWO, letters, max_tokens=8, overlong=overlong).texts
    assert (texts["de"].tokens, texts["de"].characters) == (5, 5)


def test_no_words_are_counted_where_a_language_writes_no_spaces(letters: Encoder) -> None:
    texts = encode_demonstrations(
        [demonstration(1, "a", "b c", "zh")], letters, max_tokens=9, overlong="error"
    ).texts
    row = {"language": "zh", "tokens": 3, "characters": 3, "words": None, "tokens_per_word": None}
    assert texts["zh"].to_row() == {**row, "tokens_per_character": 1.0}


def test_too_long_is_an_error_with_place_and_table(letters: Encoder) -> None:
    encoding = encode_demonstrations([*TWO, TWO[1]], letters, max_tokens=8, overlong="error")
    with pytest.raises(DataError) as caught:
        encoding.arrays()
    (problem,) = caught.value.problems
    assert (problem.file, problem.line) == ("rows.json", None)  # of a row we know the number, not the line
    assert "the first is row 2 with 9" in problem.message
    assert "2 of 3 rows are longer than 8 tokens (de: 2)" in problem.message
    assert "the longest has 9" in problem.message
    assert problem.remedy.startswith("set tuning.max_tokens=9, or tuning.overlong=drop")


def test_too_long_is_dropped_and_counted(letters: Encoder) -> None:
    encoding = encode_demonstrations(TWO, letters, max_tokens=8, overlong="drop")
    assert encoding.arrays().tokens.tolist() == [3, 4, 30, 30, 5, 6, 2]
    (rejected,) = encoding.rejected
    assert (rejected.file, rejected.row, rejected.reason) == ("rows.json", 2, "too_long")
    assert rejected.detail == "9 tokens, the limit is 8"
    assert encoding.counts["de", "instruction"].dropped == 1
    assert encoding.counts["de", "instruction"].longest == 9


def test_truncation_cuts_the_end_and_the_stop_token(letters: Encoder) -> None:
    encoding = encode_demonstrations(TWO, letters, max_tokens=8, overlong="truncate")
    encoded = encoding.arrays()
    assert encoded.row(1)[0].tolist() == [3, 30, 30, 4, 5, 6, 29, 7]
    assert encoded.row(1)[1].tolist() == [False] * 3 + [True] * 5
    assert encoding.counts["de", "instruction"].truncated == 1
    check_stop_tokens(encoded, [2], truncated=1)
    with pytest.raises(DataError, match="1 rows do not end their answer with the stop token"):
        check_stop_tokens(encoded, [2], truncated=0)


def test_truncation_drops_a_row_whose_prompt_fills_the_limit(letters: Encoder) -> None:
    rows = [demonstration(1, "a", "b"), demonstration(7, "abcdefgh", "b")]
    encoding = encode_demonstrations(rows, letters, max_tokens=8, overlong="truncate")
    assert len(encoding.arrays()) == 1
    assert [(r.row, r.reason) for r in encoding.rejected] == [(7, "prompt_too_long")]


def test_a_row_that_trains_nothing_is_an_error_that_names_it(letters: Encoder) -> None:
    rows = [*TWO, demonstration(9, "a", "b", trained=False)]
    with pytest.raises(DataError, match="no token of this row would be trained on") as caught:
        encode_demonstrations(rows, letters, max_tokens=20, overlong="drop").arrays()
    (problem,) = caught.value.problems
    assert (problem.file, problem.line) == ("rows.json", 9)


def test_no_row_left(letters: Encoder) -> None:
    with pytest.raises(DataError, match="no row is left"):
        encode_demonstrations(TWO, letters, max_tokens=2, overlong="drop").arrays()


def test_the_first_token_of_a_row_cannot_be_trained() -> None:
    encoding = Encoding(8, "error")
    messages = (Message("assistant", "ab", "it", trained=True),)
    row = Encoded([3, 4, 2], [True, True, True], own=(2,))
    encoding.add(Demonstration("text", messages, Provenance("t", 1)), row)
    assert encoding.arrays().trained.tolist() == [False, True, True]


@settings(deadline=None, max_examples=30)
@given(
    st.lists(
        st.tuples(st.text("abc ", min_size=1, max_size=9), st.text("abc", min_size=1, max_size=9)), min_size=1
    ),
    st.integers(8, 20),
    st.sampled_from(["drop", "truncate"]),
)
def test_rows_in_are_rows_kept_and_dropped(
    letters: Encoder, texts: list[tuple[str, str]], limit: int, overlong: Any
) -> None:
    rows = [demonstration(i + 1, *text, language="it" if i % 2 else "de") for i, text in enumerate(texts)]
    encoding = encode_demonstrations(rows, letters, max_tokens=limit, overlong=overlong)
    counts = encoding.counts.values()
    assert sum(c.rows + c.dropped for c in counts) == len(rows)
    assert sum(c.dropped for c in counts) == len(encoding.rejected)
    assert sum(c.tokens for c in counts) == sum(encoding.lengths)
    assert all(length <= limit for length in encoding.lengths)
    if overlong == "drop":
        assert not any(c.truncated for c in counts)


def test_the_sample_is_what_the_model_sees(letters: Encoder) -> None:
    assert json.loads(sample_segments(letters, TWO[0])) == {
        "segments": [["ab\n\n", False], ["cd", True], ["</s>", True]]
    }


def test_chunks_join_without_a_seam(letters: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [demonstration(i, "a" * (i % 5 + 1), "b") for i in range(1, 12)]
    whole = encode_demonstrations(rows, letters, max_tokens=20, overlong="error").arrays()
    monkeypatch.setattr("calque.tuning.encode.CHUNK", 4)
    pieces = encode_demonstrations(rows, letters, max_tokens=20, overlong="error").arrays()
    assert isinstance(pieces, EncodedSet)
    assert np.array_equal(whole.tokens, pieces.tokens)
    assert np.array_equal(whole.offsets, pieces.offsets)
