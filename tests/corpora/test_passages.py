from __future__ import annotations

import gzip
import json
import tracemalloc
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calque.corpora.passage_files import stored_passages, write_passages
from calque.corpora.passages import PassageFiles, read_passages
from calque.errors import DataError
from calque.records import Passage, Provenance, Rejected


def zstd(content: bytes) -> bytes:
    return bytes(pa.compress(content, "zstd", asbytes=True))


def file(folder: Path, content: str | bytes, name: str) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(*paths: Path, language: str = "it", **settings: Any) -> list[Passage | Rejected]:
    return list(read_passages(PassageFiles(language, paths, **settings)))


def texts(*paths: Path, **settings: Any) -> list[str]:
    return [p.text if isinstance(p, Passage) else f"!{p.reason}" for p in read(*paths, **settings)]


TWO = "\n\nUno,\ndue.\n \nTre.\n"


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("auto", [("Uno,\ndue.", 3), ("Tre.", 6)]),
        ("paragraph", [("Uno,\ndue.", 3), ("Tre.", 6)]),
        ("line", [("Uno,", 3), ("due.", 4), ("Tre.", 6)]),
        ("document", [("Uno,\ndue.\n \nTre.", 1)]),
    ],
)
def test_plain_text_by_its_unit_with_the_line_where_each_begins(
    tmp_path: Path, unit: str, expected: list[tuple[str, int]]
) -> None:
    for name, content in (
        ("a.txt", TWO.encode()),
        ("a.txt.gz", gzip.compress(TWO.encode(), mtime=0)),
        ("a.txt.zst", zstd(TWO.encode())),
    ):
        found = read(file(tmp_path, content, name), unit=unit, licence="CC0")
        assert found == [Passage(text, "it", Provenance(name, row, "CC0")) for text, row in expected]


PAGE = """---
title: "Titolo <b>"
---

## Primo

### Sotto

Un [legame](https://a.it/x_(y)) e **forte** e _piano_ e `codice`, 2 \\* 3, snake_case_name.
Ancora ![figura](/a.png).

<aside class="q"> <img src="x"> Da parte. </aside>

* Una cosa
* Un'altra &amp; basta

```
if a < b: non è testo
```

## Secondo {#due}

> Citato.

[ref]: https://a.it
"""


def test_markdown_comes_as_sections_without_markup(tmp_path: Path) -> None:
    first = (
        "Primo\n\nSotto\n\nUn legame e forte e piano e codice, 2 * 3, snake_case_name.\nAncora .\n\n"
        "- Una cosa\n- Un'altra & basta"
    )
    path = file(tmp_path, PAGE, "a.md")
    assert texts(path) == [first, "Secondo {#due}\n\nCitato."]
    assert texts(path, unit="document") == [f"{first}\n\nSecondo {{#due}}\n\nCitato."]


def test_html_comes_as_sections_without_what_frames_the_page(tmp_path: Path) -> None:
    page = """<!doctype html><html><head><title>T</title><style>p {}</style></head><body>
    <nav><a href=/>Home</a></nav><h1>Ciao &egrave;</h1><p>Uno <b>due</b><br>tre</p><script>if (a<b) {}</script>
    <ul><li>quattro<li>cinque</ul><h2>Poi</h2><div>Sei</div><footer>Fine</footer></body></html>"""
    path = file(tmp_path, page, "a.html")
    assert texts(path) == ["Ciao è\nUno due\ntre\n- quattro\n- cinque", "Poi\nSei"]


def test_rows_of_json_by_the_fields_of_web_corpora(tmp_path: Path) -> None:
    rows = [
        {"text": "# Uno\n\n##\nDue", "url": "https://a.it/1", "license": "CC-BY"},
        {"content": "Tre", "id": 7},
        {"url": "https://a.it/2"},
        {"text": None},
        {"text": 5},
        {"text": " "},
        [1],
    ]
    path = file(tmp_path, "".join(json.dumps(row) + "\n" for row in rows) + "{\n", "a.jsonl")
    found = read(path, markup="markdown", licence="CC0")
    assert found[0] == Passage("Uno\n\nDue", "it", Provenance("a.jsonl", 1, "CC-BY"), "https://a.it/1")
    assert found[1] == Passage("Tre", "it", Provenance("a.jsonl", 2, "CC0"), "7")
    assert [(r.row, r.reason) for r in found[2:] if isinstance(r, Rejected)] == [
        (3, "missing_field"), (4, "empty"), (5, "wrong_type"), (6, "empty"), (7, "wrong_type"), (8, "invalid_json"),
    ]  # fmt: skip


def test_contexts_of_squad(tmp_path: Path) -> None:
    article = {"title": "T", "paragraphs": [{"context": "Uno.", "qas": []}, {"context": "Due."}]}
    path = file(tmp_path, json.dumps({"data": [article]}), "a.json")
    assert read(path)[1] == Passage("Due.", "it", Provenance("a.json", 2), "T")


FINEWEB = {
    "text": ["Uno.", "Due."], "id": ["<urn:1>", "<urn:2>"], "dump": ["CC"] * 2, "url": ["https://a", "https://b"],
    "language": ["ita"] * 2, "language_score": [0.9, 0.8], "token_count": [2, 2],
}  # fmt: skip
CULTURAX = {
    "text": ["Uno.", "Due."],
    "timestamp": ["2020"] * 2,
    "url": ["https://a", "https://b"],
    "source": ["mC4"] * 2,
}


@pytest.mark.parametrize("table", [FINEWEB, CULTURAX])
def test_parquet_of_web_corpora(tmp_path: Path, table: dict[str, list[Any]]) -> None:
    pq.write_table(pa.table(table), tmp_path / "a.parquet", row_group_size=1)
    assert read(tmp_path / "a.parquet") == [
        Passage("Uno.", "it", Provenance("a.parquet", 1), "https://a"),
        Passage("Due.", "it", Provenance("a.parquet", 2), "https://b"),
    ]


def test_bad_rows_of_parquet_are_put_aside_by_row(tmp_path: Path) -> None:
    column = pa.array([b"Uno.", b"due \xff", None, b"x" * 2_000_001, b"a\0b", b""], pa.binary())
    pq.write_table(pa.table({"text": column}), tmp_path / "a.parquet")
    assert texts(tmp_path / "a.parquet") == [
        "Uno.",
        "!invalid_utf8",
        "!empty",
        "!too_large",
        "!binary",
        "!empty",
    ]


def test_members_of_a_zip_archive_are_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("d/b.jsonl", '{"context": "Due."}\n{}\n')
        archive.writestr("d/a.txt", "Uno.")
        archive.writestr("d/c.png", b"\x89PNG")
        archive.writestr("__MACOSX/d/._a.txt", b"\x00\x05\x16\x07")
    system, one, two, three, picture = read(tmp_path / "a.zip")
    assert one == Passage("Uno.", "it", Provenance("a.zip/d/a.txt", 1))
    assert two == Passage("Due.", "it", Provenance("a.zip/d/b.jsonl", 1))
    assert isinstance(three, Rejected)
    assert (three.file, three.row, three.reason) == ("a.zip/d/b.jsonl", 2, "missing_field")
    for left_out, name in ((system, "__MACOSX/d/._a.txt"), (picture, "d/c.png")):
        assert isinstance(left_out, Rejected)
        assert (left_out.file, left_out.reason) == (f"a.zip/{name}", "unknown_form")


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_a_damaged_member_of_a_zip_archive_is_an_error_by_its_name(tmp_path: Path, method: int) -> None:
    text = " ".join(str(i * i) for i in range(2000))
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        archive.writestr("a.txt", text)
    whole = (tmp_path / "a.zip").read_bytes()
    assert texts(tmp_path / "a.zip") == [text]
    for damaged in (whole[:500] + bytes(8) + whole[508:], whole[:200] + whole[900:]):
        (tmp_path / "a.zip").write_bytes(damaged)
        with pytest.raises(DataError, match=r"a\.zip: a\.txt cannot be unpacked \(.+\)\n    fetch it again"):
            read(tmp_path / "a.zip")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (8, 1, "a.txt is encrypted\n    unpack it yourself"),
        (10, 99, r"a.txt cannot be unpacked \(That compression .*\n    unpack it yourself"),
        (6, 200, r"of a kind that is not known \(zip file version 20.0\)\n    unpack it yourself"),
    ],
)
def test_archives_that_are_not_read_are_not_to_be_fetched_again(
    tmp_path: Path, field: int, value: int, message: str
) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", "Uno.")
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[content.index(b"PK\x01\x02") + field] = value
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path / "a.zip")


def test_names_in_a_zip_archive_may_be_of_any_length(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(f"{'x' * 400}.txt", "Uno.")
    assert texts(tmp_path / "a.zip") == ["Uno."]


def test_a_bad_line_takes_its_paragraph_with_it_and_no_other(tmp_path: Path) -> None:
    path = file(tmp_path, b"Uno.\n\nDue \xff\ntre.\n\nQuattro \x00.\n\nCinque.\n" + b"x" * 9000, "a.txt")
    path.write_bytes(b"y" * 9000 + b"\n\n" + path.read_bytes())
    assert [t[:7] for t in texts(path)] == ["yyyyyyy", "Uno.", "!invali", "!binary", "Cinque."]


@pytest.mark.parametrize(("name", "before", "after"), [("a.txt", "", ""), ("a.jsonl", '{"text": "', '"}')])
def test_ten_megabytes_in_one_line_are_put_aside_and_not_held(
    tmp_path: Path, name: str, before: str, after: str
) -> None:
    long, short = f"{before}{'x' * 10_000_000}{after}\n\n", f"{before}Uno.{after}\n"
    path = file(tmp_path, long + short, name)
    tracemalloc.start()
    found = read(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 6_000_000
    assert isinstance(found[0], Rejected)
    assert (found[0].row, found[0].reason, len(found[0].raw)) == (1, "too_large", 500)
    assert found[1] == Passage("Uno.", "it", Provenance(name, 3))


def squad(folder: Path, *contexts: str) -> Path:
    paragraphs = [{"context": context} for context in contexts]
    return file(folder, json.dumps({"data": [{"paragraphs": paragraphs}]}), "squad.json")


def test_half_a_character_in_a_context_of_squad_is_put_aside(tmp_path: Path) -> None:
    found = read(squad(tmp_path, "La \ud83e", "Uno."))
    assert isinstance(found[0], Rejected)
    assert (found[0].reason, found[0].detail) == ("invalid_utf8", "character 3: surrogates not allowed")
    assert found[1] == Passage("Uno.", "it", Provenance("squad.json", 2))


def test_ten_megabytes_in_one_row_of_a_document_are_put_aside(tmp_path: Path) -> None:
    long = "x" * 10_000_000
    rows = file(tmp_path, json.dumps([{"text": long}, {"text": "Uno."}]), "a.json")
    for path in (rows, squad(tmp_path, long, "Uno.")):
        large, small = read(path)
        assert isinstance(large, Rejected)
        assert (large.row, large.reason, len(large.raw)) == (1, "too_large", 500)
        assert large.detail == "the text has 10,000,000 bytes; at most 2,000,000 are read"
        assert small == Passage("Uno.", "it", Provenance(path.name, 2))


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html", "a.jsonl"])
def test_a_file_with_nothing_in_it_is_told(tmp_path: Path, name: str) -> None:
    empty, good = file(tmp_path, "\n", name), file(tmp_path, "Uno.", "good.txt")
    first, second = read(empty, good)
    assert isinstance(first, Rejected)
    assert (first.file, first.row, first.reason) == (name, 1, "empty")
    assert second == Passage("Uno.", "it", Provenance("good.txt", 1))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.txt.gz",
            gzip.compress(bytes(range(256)) * 400, mtime=0)[:-200],
            "gzip file is damaged or cut off",
        ),
        ("a.txt.zst", zstd(bytes(range(256)) * 400)[:-20], "zstd file is damaged or cut off"),
        ("a.jsonl.zst", b"{}", "is not zstd, though its name says so"),
        ("a.txt", b"\x89PNG\r\n\x1a\n\0\0\0", "is binary data, not text"),
        ("a.parquet", b"PAR1 no", "cannot be read as Parquet"),
        ("a.jsonl", b'{"testo": "x"}\n', "no field is called text, .*\n.*fields in the file: testo"),
        ("a.json", b'{"version": 1}', "no field is called text"),
        ("a.docx", b"x", "no form of text is known by the ending '.docx'"),
        ("a.zip", b"PK no", "zip archive is damaged"),
    ],
)
def test_broken_files_are_named_and_the_others_read(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    good, bad = file(tmp_path, "Uno.", "good.txt"), file(tmp_path, content, name)
    seen = []
    with pytest.raises(DataError, match=message) as raised:
        seen.extend(read_passages(PassageFiles("it", (bad, good))))
    assert raised.value.problems[0].file.startswith(str(bad))


def test_a_parquet_file_without_a_text_column(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"testo": ["Uno."], "text": [3]}), path)
    with pytest.raises(DataError, match="column 'text' holds int64, not text"):
        read(path)
    pq.write_table(pa.table({"testo": ["Uno."]}), path)
    with pytest.raises(DataError, match=r"no field is called text.*\n.*fields in the file: testo"):
        read(path)
    assert texts(path, text_field="testo") == ["Uno."]
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read(path)


PASSAGES = st.builds(
    Passage,
    st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from(["it", "th"]),
    st.builds(Provenance, st.text(max_size=5), st.integers(1, 2**40), st.text(max_size=5)),
    st.text(max_size=5),
)


@given(st.lists(PASSAGES, max_size=5))
def test_passages_on_disk_come_back_as_they_were(passages: list[Passage]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "p.parquet"
        assert write_passages(path, passages) == len(passages)
        before = path.read_bytes()
        assert list(stored_passages(path)) == passages
        write_passages(path, passages)
        assert path.read_bytes() == before


def test_another_parquet_file_is_no_file_of_passages(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["Uno."]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="other columns than passages have"):
        list(stored_passages(tmp_path / "a.parquet"))


REAL = [
    ("sw", "storybooks/asp-source.sw.jsonl", {"markup": "markdown"}, 110, 109),
    ("hi", "storybooks/pb-source.hi.jsonl.gz", {"markup": "markdown"}, 146, 146),
    ("de", "opensource-guide/de/*.md", {}, 157, 157),
    ("zh", "opensource-guide/zh-hans/*.md", {}, 149, 149),
    ("th", "iapp-wiki-qa-th/data.zip", {}, 7242, 1903),
    ("sw", "voa-sw/*.gz", {"unit": "line"}, 7672, 7427),
    ("fi", "tydiqa-goldp/*.fi.*", {}, 782, 634),
]


@pytest.mark.real_data
@pytest.mark.parametrize(("language", "pattern", "settings", "rows", "different"), REAL)
def test_official_files(
    data_folder: Path, language: str, pattern: str, settings: dict[str, Any], rows: int, different: int
) -> None:
    found = read(*sorted(data_folder.glob(pattern)), language=language, **settings)
    assert Counter(type(p) for p in found) == {Passage: rows}
    assert len({p.text for p in found if isinstance(p, Passage)}) == different
    assert not [p for p in found if isinstance(p, Passage) and ("](http" in p.text or "<aside" in p.text)]
