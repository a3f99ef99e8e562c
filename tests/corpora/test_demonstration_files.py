from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calque.corpora.demonstration_files import read_demonstrations, write_demonstrations
from calque.errors import DataError
from calque.records import Demonstration, Message, Provenance

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
DEMONSTRATIONS = st.builds(
    Demonstration,
    st.sampled_from(["instruction", "chat", "translation"]),
    st.lists(
        st.builds(Message, st.sampled_from(["user", "assistant"]), TEXT, TEXT, TEXT, st.booleans()),
        max_size=4,
    ).map(tuple),
    st.builds(Provenance, TEXT, st.integers(1, 2**40), TEXT),
    st.dictionaries(TEXT, st.floats(allow_nan=False, allow_infinity=False), max_size=2).map(MappingProxyType),
)


@settings(max_examples=40)
@given(rows=st.lists(DEMONSTRATIONS, max_size=5), name=st.sampled_from(["a.jsonl", "a.parquet"]))
def test_what_was_written_comes_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Demonstration], name: str
) -> None:
    path = tmp_path_factory.mktemp("rows") / name
    assert write_demonstrations(path, rows) == len(rows)
    assert list(read_demonstrations(path)) == rows
    before = path.read_bytes()
    write_demonstrations(path, rows)
    assert path.read_bytes() == before


def test_parquet_can_be_read_by_others_whatever_the_first_rows_lack(tmp_path: Path) -> None:
    """Types are those of the schema, and not guessed from the first rows."""
    import pyarrow.parquet as pq

    plain = Demonstration("instruction", (Message("user", "a", "it"),), Provenance("f", 1))
    scored = Demonstration("instruction", (), Provenance("f", 2), MappingProxyType({"rating": 2.5}))
    write_demonstrations(tmp_path / "a.parquet", [plain] * 3 + [scored])
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.column("scores").to_pylist() == [[], [], [], [("rating", 2.5)]]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"kind": "instruction"}', r"a\.jsonl:1: is no demonstration: field 'messages' is missing"),
        ('{"kind": "x", "messages": [], "dataset": "f", "row": 1}', "kind 'x' is none of instruction"),
        ("[1]", "the row is not an object"),
        ('{"kind": "chat", "messages": [{"role": "x"}], "dataset": "f", "row": 1}', r"messages\[0\]\.role 'x'"),
        ('{"kind": "chat", "messages": {}, "dataset": "f", "row": 1}', "messages is not a list of objects"),
    ],
)  # fmt: skip
def test_rows_of_another_form_are_refused_with_their_line(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(DataError, match=message):
        list(read_demonstrations(path))
