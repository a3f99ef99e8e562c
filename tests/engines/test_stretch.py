"""A stretch by the model's weights: the logits of its modules, and none where these compute something else."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from tests.engines.test_step import FORMS, model_of
from transformers import (
    GraniteConfig,
    LlamaConfig,
    PretrainedConfig,
)
from transformers.models.llama.modeling_llama import LlamaMLP

from calque.engines import stretch
from calque.engines.choosing import Asked, score_in_passes
from calque.engines.passes import Passes, make_passes

STEM = [3 + i % 50 for i in range(40)]
ASKED = [
    Asked([*STEM[: 8 * i], 60 + i, *range(70, 70 + 3 * i)], [[5], [6, 7], [8, 9, 10]][: 1 + i % 3])
    for i in range(6)
]


def passes_of(model: Any, room: int = 60) -> Passes:
    made = make_passes(model)
    assert made is not None
    made.room = room
    return made


def scores(passes: Passes) -> dict[int, tuple[float, ...]]:
    with torch.inference_mode():
        return dict(score_in_passes(passes, ASKED, 1 << 27))


def alone(model: Any) -> dict[int, tuple[float, ...]]:
    """Each answer in a row of its own, by the model's own attention."""
    found = {}
    for i, one in enumerate(ASKED):
        sums = []
        for answer in one.answers:
            with torch.no_grad():
                logits = model(torch.tensor([one.prompt + answer]), use_cache=False).logits[0]
            likely = logits[len(one.prompt) - 1 : -1].log_softmax(-1)
            sums.append(sum(float(likely[k, token]) for k, token in enumerate(answer)))
        found[i] = tuple(sums)
    return found


def near(found: dict[int, tuple[float, ...]], wanted: dict[int, tuple[float, ...]]) -> bool:
    return found.keys() == wanted.keys() and all(
        found[i] == pytest.approx(wanted[i], abs=1e-4, rel=1e-4) for i in wanted
    )


@pytest.mark.parametrize(("form", "options"), FORMS)
@pytest.mark.parametrize("fused", [False, True])
def test_scores_by_the_weights_are_those_of_rows_alone(
    form: type[PretrainedConfig], options: dict[str, Any], fused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_of(form, **options)
    passes = passes_of(model)
    assert passes.by_weights
    wanted = alone(model)

    def by_modules(*_: Any, **__: Any) -> None:
        raise AssertionError("a pass by the model's modules")

    monkeypatch.setattr(passes, "model", by_modules_of(model, by_modules))
    if fused:
        monkeypatch.setattr(stretch, "MOST", 0)
    assert near(scores(passes), wanted)


def by_modules_of(model: Any, called: Any) -> Any:
    """The model as it is, but that calling it is what is given."""

    class Uncalled:
        def __getattr__(self, name: str) -> Any:
            return getattr(model, name)

        __call__ = staticmethod(called)

    return Uncalled()


def test_in_bf16_too() -> None:
    assert passes_of(model_of(LlamaConfig).bfloat16()).by_weights


def test_what_computes_something_else_goes_by_its_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Granite's parts have Llama's names, and it multiplies what a layer adds; a clamp changes nothing in a probe."""
    model = model_of(GraniteConfig, residual_multiplier=0.5)
    passes = passes_of(model)
    assert not passes.by_weights
    assert near(scores(passes), alone(model))
    whole = LlamaMLP.forward
    monkeypatch.setattr(LlamaMLP, "forward", lambda *given: whole(*given).clamp(-1e6, 1e6))
    assert not passes_of(model_of(LlamaConfig)).by_weights


def test_hooks_are_called_and_weights_are_those_that_there_are_now() -> None:
    model = model_of(LlamaConfig)
    passes = passes_of(model)
    found = [scores(passes)]
    hook = model.model.layers[1].mlp.register_forward_hook(lambda _module, _given, made: -made)
    found.append(scores(passes))
    assert near(found[1], alone(model))
    hook.remove()
    assert scores(passes) == found[0]
    model.model.layers[0].mlp.down_proj.weight = torch.nn.Parameter(
        -3 * model.model.layers[0].mlp.down_proj.weight
    )
    found.append(scores(passes))
    assert near(found[2], alone(model))
    assert not near(found[1], found[0])
    assert not near(found[2], found[0])


def test_the_last_layer_keeps_keys_of_all_tokens() -> None:
    """Answers go on from them, though the pass computed the last hidden states of few."""
    model = model_of(LlamaConfig)
    passes = passes_of(model)
    passes.stretch = stretch.stretch_of(model, nullcontext)
    row = np.array(STEM[:12])
    with torch.inference_mode():
        passes.run([row], 0, [1])
        found = passes.laid_out([np.arange(12)])
        wanted = model(torch.tensor([row.tolist()])).past_key_values
    for (keys, values), layer in zip(found, wanted.layers, strict=True):
        torch.testing.assert_close(keys, layer.keys)
        torch.testing.assert_close(values, layer.values)


def test_a_row_alone_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no mask: fused attention is causal, and the last layer's tokens see what is before them."""
    model = model_of(LlamaConfig)
    row = np.array(STEM)
    with torch.inference_mode():
        wanted = model(torch.tensor([row.tolist()])).logits[0, -3:]
        for most in (stretch.MOST, 0):
            monkeypatch.setattr(stretch, "MOST", most)
            passes = passes_of(model)
            passes.stretch = stretch.stretch_of(model, nullcontext)
            found, which, _ = passes.run([row], 0, [3])
            torch.testing.assert_close(found[torch.from_numpy(which[0])], wanted, rtol=1e-4, atol=1e-4)


def test_what_is_not_read_to_its_end_leaves_nothing_behind() -> None:
    model = model_of(LlamaConfig)
    passes = passes_of(model, 10)
    asked = [Asked([*STEM, 60 + i], [[5]]) for i in range(4)]
    with torch.inference_mode():
        scoring = score_in_passes(passes, asked, 1 << 27)
        next(scoring)
        assert len(passes.trunk.ids)
        scoring.close()  # type: ignore[attr-defined]
    assert not len(passes.trunk.ids)
