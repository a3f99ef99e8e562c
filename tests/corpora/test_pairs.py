from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from calque.corpora.pairs import PairFiles, read_pairs
from calque.errors import DataError
from calque.records import Provenance, Rejected, SentencePair


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def sides(files: PairFiles) -> list[tuple[str, str]]:
    return [(p.english, p.target) for p in read_pairs(files) if isinstance(p, SentencePair)]


def reasons(files: PairFiles) -> list[tuple[int, str]]:
    return [(p.row, p.reason) for p in read_pairs(files) if isinstance(p, Rejected)]


def test_columns_of_a_table_count_from_zero(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "7\tciao\thello\n8\tgrazie\tthank you\n")
    files = PairFiles("ita", path=path, english_column=2, target_column=1, licence="cc0")
    assert list(read_pairs(files)) == [
        SentencePair("hello", "ciao", "it", Provenance("a.tsv", 1, "cc0")),
        SentencePair("thank you", "grazie", "it", Provenance("a.tsv", 2, "cc0")),
    ]


def test_rows_of_a_table_that_are_no_pair(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.tsv", "English\tItalian\nhello\tciao\nhello\n\tciao\nOK\tOK\nhello\t \na\tb\tc\n"
    )
    files = PairFiles("it", path=path)
    assert sides(files) == [("hello", "ciao")]
    assert reasons(files) == [
        (1, "header"),
        (3, "wrong_columns"),
        (4, "empty_side"),
        (5, "identical_sides"),
        (6, "empty_side"),
        (7, "wrong_columns"),
    ]


def test_two_files_line_by_line(tmp_path: Path) -> None:
    english, target = write(tmp_path / "a.en", "one\n\nthree\n"), write(tmp_path / "a.it", "uno\ndue\ntre\n")
    files = PairFiles("it", english=english, target=target)
    assert sides(files) == [("one", "uno"), ("three", "tre")]
    assert reasons(files) == [(2, "empty_side")]
    assert next(iter(read_pairs(files))).provenance.dataset == "a.en + a.it"  # type: ignore[union-attr]


def test_two_files_of_unequal_length_are_refused_with_both_counts(tmp_path: Path) -> None:
    english, target = write(tmp_path / "a.en", "1\n2\n3\n"), write(tmp_path / "a.it", "1\n")
    with pytest.raises(DataError, match=r"a\.en:2: has 3 lines, and .*a\.it has 1"):
        list(read_pairs(PairFiles("it", english=english, target=target)))


def test_a_damaged_line_takes_its_pair_along_and_no_other(tmp_path: Path) -> None:
    english = write(tmp_path / "a.en", "one\ntwo\nthree\n")
    target = tmp_path / "a.it"
    target.write_bytes(b"uno\nd\xffe\ntre\n")
    files = PairFiles("it", english=english, target=target)
    assert sides(files) == [("one", "uno"), ("three", "tre")]
    assert reasons(files) == [(2, "invalid_utf8")]


def test_json_by_language_tags(tmp_path: Path) -> None:
    rows = [
        {"translation": {"en": "one", "it": "uno"}},
        {"en-US": "two", "ita": "due"},
        {"en": "three", "de": "drei"},
        {"en": "four", "it": 4},
        [],
    ]
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    files = PairFiles("it", path=path)
    assert sides(files) == [("one", "uno"), ("two", "due")]
    assert reasons(files) == [(3, "missing_side"), (4, "wrong_type"), (5, "wrong_type")]


def test_a_file_without_the_language_says_what_it_has(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", json.dumps([{"en": "one", "de": "eins"}]))
    with pytest.raises(DataError, match=r"no row has both en and it\n.*in the file: en, de"):
        list(read_pairs(PairFiles("it", path=path)))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (PairFiles("en", path="a.tsv"), "English with English"),
        (PairFiles("it", path="a.doc"), r"no form of pairs is known by the ending '\.doc'"),
        (PairFiles("it", english="a.en"), "or one for each side, is needed"),
    ],
)
def test_what_is_asked_wrongly(files: PairFiles, message: str) -> None:
    with pytest.raises(DataError, match=message):
        list(read_pairs(files))


@pytest.mark.real_data
def test_real_pairs(data_folder: Path) -> None:
    """As many as the files say: NTREX has 1,997 lines on each side."""
    ntrex = data_folder / "ntrex128"
    files = PairFiles(
        "zh", english=ntrex / "newstest2019-src.eng.txt", target=ntrex / "newstest2019-ref.zho-CN.txt"
    )
    assert len(list(read_pairs(files))) == 1997
    assert all(isinstance(pair, SentencePair) for pair in read_pairs(files))
    [memory] = (data_folder / "tico19").rglob("*en-zh*.tmx*")
    made = list(read_pairs(PairFiles("zh", path=memory)))
    assert sum(isinstance(pair, SentencePair) for pair in made) > 3000
