"""Faster products where the processor has them: never other ones than fp32's, and nothing of them outlasts the block."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch
from transformers import LlamaConfig

from calque.engines import products
from calque.engines.products import WIDE, fast_products, onednn_is_faster, products_of

SETTINGS = torch.backends.mkldnn.matmul


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    onednn_is_faster.cache_clear()
    yield
    SETTINGS.fp32_precision = "none"
    onednn_is_faster.cache_clear()


def test_products_are_those_of_fp32() -> None:
    """bf16 keeps 8 bits: 1 + 2⁻¹² would be 1, and the sum 0."""
    first = torch.full((64, 64), 1 + 2**-12)
    with fast_products():
        assert torch.equal(first @ torch.eye(64), first)
    assert SETTINGS.fp32_precision in ("none", "ieee")


def test_the_setting_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "onednn_is_faster", lambda: True)
    seen = []

    @fast_products()
    def inside() -> None:
        seen.append(SETTINGS.fp32_precision)
        raise KeyError

    for _ in range(2):
        with pytest.raises(KeyError):
            inside()
        seen.append(SETTINGS.fp32_precision)
    assert seen == ["bf16", "none", "bf16", "none"]
    SETTINGS.fp32_precision = "tf32"
    with fast_products():
        assert SETTINGS.fp32_precision == "tf32", "somebody else's choice"


def test_where_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(
        maker: str = "AuthenticAMD", capability: str = "AVX512", *, amx: bool = False, exact: bool = True
    ) -> bool:
        onednn_is_faster.cache_clear()
        monkeypatch.setattr(products, "_maker", lambda: maker)
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
        monkeypatch.setattr(products, "_are_fp32", lambda: exact)
        return onednn_is_faster()

    both = torch.backends.mkldnn.is_available() and torch.backends.mkl.is_available()
    assert taken() is both
    assert not taken("GenuineIntel")
    assert not taken(capability="AVX2")
    assert not taken(amx=True), "there it would compute in bf16"
    assert not taken(exact=False)


@pytest.mark.parametrize(("width", "told"), [(WIDE, "bf16"), (WIDE - 64, "none")])
def test_small_models_answer_by_what_is_there(width: int, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "onednn_is_faster", lambda: True)
    model = SimpleNamespace(config=LlamaConfig(hidden_size=width))
    with products_of(model)():
        assert SETTINGS.fp32_precision == told
        with products.products_in_place():
            assert SETTINGS.fp32_precision == "none"


def test_a_model_that_does_not_tell_its_width_answers_by_what_is_there() -> None:
    config = SimpleNamespace(get_text_config=SimpleNamespace)
    with products_of(SimpleNamespace(config=config))():
        assert SETTINGS.fp32_precision in ("none", "ieee")


def test_the_probe_finds_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    product = torch.Tensor.__matmul__

    def rounded(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        if first.dtype == torch.float32 and SETTINGS.fp32_precision == "bf16":
            first, second = first.bfloat16().float(), second.bfloat16().float()
        return product(first, second)

    monkeypatch.setattr(torch.Tensor, "__matmul__", rounded)
    assert not products._are_fp32()
    assert SETTINGS.fp32_precision == "none"


@pytest.mark.parametrize("laid_out", [False, True])
@torch.inference_mode()
def test_products_without_the_setting_are_those_of_fp32(*, laid_out: bool) -> None:
    """bf16 keeps 8 bits: 1 + 2⁻¹² would be 1."""
    if not products._is_by_itself():
        pytest.skip("this torch has no such products")
    weight = torch.full((48, 64), 1.0)
    weight[:, 1:] = 0.0
    rows, there = torch.full((41, 64), 1 + 2**-12), torch.ones(41, 48)
    wanted = torch.full((41, 48), 1 + 2**-12)
    bias = torch.ones(48)
    assert torch.equal(products.linear(weight, None, laid_out=laid_out)(rows), wanted)
    assert torch.equal(products.linear(weight, bias, laid_out=laid_out)(rows[:3]), wanted[:3] + 1)
    assert torch.equal(products.linear_sum(weight, laid_out=laid_out)(there, rows), wanted + 1)
    assert SETTINGS.fp32_precision in ("none", "ieee")
