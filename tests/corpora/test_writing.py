from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from calque.corpora.writing import atomic, json_line, open_to_all, write_json, write_jsonl


def test_a_file_takes_its_name_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    with atomic(path) as stream:
        stream.write(b"half")
        assert not path.exists()
    assert path.read_bytes() == b"half"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def interrupted() -> None:
        with atomic(path) as stream:
            stream.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.txt", "old")]


def test_rows_are_one_line_each_whatever_is_in_them(tmp_path: Path) -> None:
    assert json_line({"a": "ciò\n\ud83d"}) == '{"a": "ciò\\n\\ud83d"}\n'.encode()
    assert write_jsonl(tmp_path / "a.jsonl", [{"a": 1}, {"a": 2}]) == 2
    assert (tmp_path / "a.jsonl").read_text() == '{"a": 1}\n{"a": 2}\n'
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "b.json", {"a": float("nan")})
    assert not (tmp_path / "b.json").exists()


def test_weights_are_open_to_whom_the_folder_is(tmp_path: Path) -> None:
    save_file({"w": torch.zeros(2)}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text("{}")
    tmp_path.chmod(0o750)
    open_to_all(tmp_path)
    assert (tmp_path / "model.safetensors").stat().st_mode & 0o777 == 0o640
