"""Models that cannot be used are refused with a reason and a remedy; what can be used is loaded quietly."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from calque.engines.device import answering_dtype, resolve_dtype
from calque.engines.loading import (
    ModelFiles,
    find_model,
    load_config,
    load_model,
    load_tokenizer,
    model_sha256,
)
from calque.engines.weights import count_parameters
from calque.errors import ModelError


@pytest.fixture
def copy(foundry: Any, tmp_path: Path) -> Path:
    """A model folder of one's own, to damage."""
    return Path(shutil.copytree(foundry.model(), tmp_path / "copy"))


def load(folder: Path) -> Any:
    return load_model(find_model(str(folder)), dtype=torch.float32)


def test_a_good_folder(copy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    files = find_model(str(copy))
    assert files == ModelFiles(str(copy), copy, trust_remote_code=False)
    model = load_model(files, dtype=torch.bfloat16)
    assert (model.dtype, model.training) == (torch.bfloat16, False)
    assert load_tokenizer(files).eos_token == "</s>"
    assert capfd.readouterr() == ("", "")


def test_no_such_folder_and_a_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model folder"):
        find_model(str(tmp_path / "nowhere"))
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="this is a file, not a model folder"):
        find_model(str(tmp_path / "file"))


def test_a_hub_id_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    def offline(*_: Any, **__: Any) -> str:
        raise LocalEntryNotFoundError("not in the cache")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(ModelError, match=r"the hub does not give it \(not in the cache\)"):
        find_model("nobody/nothing")


@pytest.mark.parametrize(
    ("keep", "message", "remedy"),
    [
        ([], "no config.json", "a model folder holds"),
        (["adapter_config.json"], "no config.json", "this is an adapter: give its base model"),
        (["config.json"], r"has no \*.safetensors", "convert the weights to safetensors"),
        (["config.json", "pytorch_model.bin"], "pickled", "convert the weights to safetensors"),
    ],
)
def test_a_folder_that_is_no_model(tmp_path: Path, keep: list[str], message: str, remedy: str) -> None:
    for name in keep:
        (tmp_path / name).write_text("{}")
    with pytest.raises(ModelError, match=message) as caught:
        find_model(str(tmp_path))
    assert remedy in caught.value.problems[0].remedy


def test_a_broken_config(copy: Path) -> None:
    (copy / "config.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be read: Expecting property name"):
        find_model(str(copy))


@pytest.mark.parametrize("text", ["[]", "null", '"llama"'])
def test_a_config_without_settings(copy: Path, text: str) -> None:
    (copy / "config.json").write_text(text)
    with pytest.raises(ModelError, match=r"config\.json holds no settings by name"):
        find_model(str(copy))


def test_a_model_of_another_kind(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "model_type": "t5"}))
    with pytest.raises(ModelError, match="the model cannot be loaded"):
        load(copy)


def test_truncated_weights(copy: Path) -> None:
    weights = copy / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1000])
    with pytest.raises(ModelError) as caught:
        find_model(str(copy))
    (problem,) = caught.value.problems
    assert problem.message == (
        f"model.safetensors has {len(whole) - 1000:,} bytes, and should by its header have {len(whole):,}"
    )
    assert problem.remedy == "download the model again"


@pytest.mark.parametrize(
    "data", [b"", b"\x02\0\0\0\0\0\0\0", b"\x02\0\0\0\0\0\0\0[]", b"version https://git-lfs"]
)
def test_weights_that_end_in_their_header_or_are_something_else(copy: Path, data: bytes) -> None:
    (copy / "model.safetensors").write_bytes(data)
    with pytest.raises(ModelError, match=r"model\.safetensors is no safetensors file, or not a whole one"):
        find_model(str(copy))


def test_a_file_of_weights_that_the_index_names_and_that_is_not_there(copy: Path) -> None:
    index = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors", "c": "model-3.safetensors"}}
    (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(
        ModelError, match=r"2 of 3 files of weights are missing, model-2\.safetensors for one"
    ):
        find_model(str(copy))
    (copy / "model.safetensors.index.json").write_text("[]")
    with pytest.raises(ModelError, match="is no index of weights"):
        find_model(str(copy))


def test_parameters_are_counted_by_the_headers(copy: Path) -> None:
    assert count_parameters(copy) == sum(p.numel() for p in load(copy).parameters())


def test_the_context_is_known_by_any_name(foundry: Any) -> None:
    """GPT-2 calls it n_positions."""
    files = [ModelFiles("m", foundry.model(name)) for name in ("llama", "gpt2")]
    assert [load_config(one).max_position_embeddings for one in files] == [512, 256]


def test_a_config_of_no_known_kind(copy: Path) -> None:
    (copy / "config.json").write_text('{"model_type": "nothing"}')
    with pytest.raises(ModelError, match=r"its config\.json cannot be used"):
        load_config(find_model(str(copy)))


def test_weights_that_miss_a_tensor_are_not_made_up(copy: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(copy / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"1 tensors are missing, model.layers.1.mlp.up_proj.weight"):
        load(copy)


def test_weights_of_another_shape(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "intermediate_size": 48}))
    with pytest.raises(ModelError, match="the model cannot be loaded"):
        load(copy)


def test_tied_embeddings_are_not_missing(tiny_model: Path) -> None:
    assert load(tiny_model).config.tie_word_embeddings


def test_no_tokenizer(copy: Path) -> None:
    for path in copy.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(ModelError, match="the model has no tokenizer"):
        load_tokenizer(find_model(str(copy)))


def test_a_broken_tokenizer(copy: Path) -> None:
    (copy / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="its tokenizer cannot be loaded"):
        load_tokenizer(find_model(str(copy)))


def test_remote_code_runs_only_if_asked_for(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    own = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}
    (copy / "config.json").write_text(json.dumps({**config, "model_type": "own", "auto_map": own}))
    (copy / "own.py").write_text(f"open({str(copy / 'ran')!r}, 'w')\n")
    with pytest.raises(ModelError) as caught:
        load(copy)
    assert "set model.trust_remote_code: true" in caught.value.problems[0].remedy
    assert not (copy / "ran").exists()


def test_the_content_address_is_of_content(copy: Path, tmp_path: Path) -> None:
    before = model_sha256(find_model(str(copy)))
    moved = copy.rename(tmp_path / "elsewhere")
    (moved / "README.md").write_text("a card")
    assert model_sha256(find_model(str(moved))) == before
    weights = bytearray((moved / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (moved / "model.safetensors").write_bytes(weights)
    assert model_sha256(find_model(str(moved))) != before


def test_precision() -> None:
    cpu = torch.device("cpu")
    assert resolve_dtype("bf16", cpu) == torch.bfloat16
    assert resolve_dtype("fp32", torch.device("cuda")) == torch.float32
    assert answering_dtype("auto", cpu) == torch.float32
    assert answering_dtype("bf16", cpu) == torch.bfloat16


@pytest.mark.parametrize(
    ("amx", "amd", "instructions", "wanted"),
    [
        (True, False, True, torch.bfloat16),
        (False, True, True, torch.bfloat16),
        (False, True, False, torch.float32),
        (False, False, True, torch.float32),  # Intel's without AMX lose by it
    ],
)
def test_auto_is_bf16_where_it_pays(
    monkeypatch: pytest.MonkeyPatch, amx: bool, amd: bool, instructions: bool, wanted: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: instructions)
    monkeypatch.setattr("calque.engines.device.onednn_is_faster", lambda: amd)
    assert resolve_dtype("auto", torch.device("cpu")) == wanted
