"""Models of Llama's form, their layers taken apart: so that what runs through them is half as many operations as their modules take.

The form is that of Llama, Mistral, Qwen2 and Qwen3: norms by the root mean square, rotated queries and keys (whose heads may have
norms), heads that share keys and values, a gated product. What has the names of it may still compute something else. So what goes by
the weights must give the logits of a plain pass (`Decoder.agrees`, `make_passes`), and the model itself may run no operations but those
of the form: a clamp or a cap changes large numbers alone, and a probe has none. Products that are not plain, as those with an adapter, are
called as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from calque.engines.products import fast_products, is_wide, linear, linear_sum, runs_by_itself

MODEL = {"embed_tokens", "layers", "norm", "rotary_emb"}
LAYER = {"input_layernorm", "self_attn", "post_attention_layernorm", "mlp"}
ATTENTION = {"q_proj", "k_proj", "v_proj", "o_proj"}
NORMS = {"q_norm", "k_norm"}
GATED = {"gate_proj", "up_proj", "down_proj", "act_fn"}
COMPUTED = "add add_ bmm cos embedding gelu linear mean mul mul_ neg pow relu rsqrt silu sin softmax"
MOVED = """
    alias cat clone contiguous copy_ detach detach_ dropout expand flatten lift_fresh reshape resolve_conj resolve_neg
    select slice squeeze to transpose unsqueeze view
"""
OPERATIONS = {f"aten::{name}" for name in (COMPUTED + MOVED).split()}  # of the form
SMALL = 1 << 26  # bytes of weights, up to which a copy of them is laid out for steps
Product = Callable[[torch.Tensor], torch.Tensor]
Products = Callable[[], AbstractContextManager[None]]
Sum = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes which operations run inside of it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: set[str] = set()

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        self.seen.add(str(operation.name()).partition(".")[0])
        return operation(*args, **(kwargs or {}))


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer, its modules taken apart."""

    before: Product  # the norm before attention
    query: Product
    key: Product
    value: Product
    norms: tuple[Product, Product] | None  # of the heads of queries and keys
    size: int
    scaling: float
    heard: Sum  # what attention adds
    between: Product
    gate: Product
    up: Product
    activation: Product
    thought: Sum  # what the gated product adds


class ByWeights:
    """A model of the form that runs by these layers, what is not plain products in these `products`."""

    def __init__(
        self, causal: Any, layers: list[Layer], products: Products, *, laid_out: bool = False
    ) -> None:
        self.model, self.layers, self.products = causal.base_model, layers, products
        self._head = _head(causal.get_output_embeddings(), laid_out=laid_out and is_small(causal))

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """[rows, vocabulary] of hidden states [rows, width]."""
        return self._head(self.model.norm(hidden[None]))[0]


def layers_of(causal: Any, *, laid_out: bool = False) -> list[Layer] | None:
    """The layers of a model as it is now, or none where its modules are not those of the form, or it is not on a CPU.

    Those of a small model may be `laid_out` for products of few rows, at the cost of a copy.
    """
    if not has_the_form(causal):
        return None
    wide, laid_out = is_wide(causal), laid_out and is_small(causal)
    return [_taken_apart(layer, wide=wide, laid_out=laid_out) for layer in causal.base_model.layers]


def has_the_form(causal: Any) -> bool:
    """Whether the modules of a model on a CPU are those of the form, as it is now."""
    model = causal.base_model
    named = _parts(model) == MODEL and causal.get_output_embeddings() is not None
    on_cpu = causal.device.type == "cpu"
    return on_cpu and named and _is_bare(causal) and _is_bare(model) and all(map(_is_layer, model.layers))


def is_small(causal: Any) -> bool:
    """Whether a model's weights are few."""
    size: int = sum(p.numel() * p.element_size() for p in causal.parameters())
    return size <= SMALL


def needs_no_setting(causal: Any) -> bool:
    """Whether the head runs by itself, where the layers are taken apart: all else does without the faster products."""
    head = causal.get_output_embeddings()
    return _is_plain(head) and runs_by_itself(head.weight)


def heads_of(layer: Layer, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Queries [rows, heads, size], keys and values [rows, groups, size] of hidden states [rows, width], not yet rotated."""
    query, key, value = (
        made(hidden).view(len(hidden), -1, layer.size) for made in (layer.query, layer.key, layer.value)
    )
    if layer.norms is not None:
        query, key = layer.norms[0](query), layer.norms[1](key)
    return query, key, value


def turn_of(rotary: Any, embedded: torch.Tensor, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and signed sines [..., 1, size] of places [rows, tokens]: what `rotated` takes."""
    cos, sin = rotary(embedded, position_ids=places)
    half = sin.shape[-1] // 2
    signed = torch.cat((-sin[..., :half], sin[..., half:]), dim=-1)
    return cos.flatten(0, 1)[:, None], signed.flatten(0, 1)[:, None]


def rotated(heads: torch.Tensor, turn: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Heads [rows, heads, size], turned as far as their places say."""
    return torch.addcmul(heads * turn[0], heads.roll(heads.shape[-1] // 2, -1), turn[1])


def thought(layer: Layer, hidden: torch.Tensor) -> torch.Tensor:
    """Hidden states [rows, width] behind the gated product."""
    normed = layer.between(hidden)
    return layer.thought(hidden, layer.activation(layer.gate(normed)).mul_(layer.up(normed)))


def _is_layer(layer: Any) -> bool:
    if _parts(layer) != LAYER or _parts(layer.mlp) != GATED:
        return False
    if _parts(layer.self_attn) not in (ATTENTION, ATTENTION | NORMS):
        return False
    norms = [layer.input_layernorm, layer.post_attention_layernorm]
    norms += [getattr(layer.self_attn, name) for name in NORMS if hasattr(layer.self_attn, name)]
    return (
        all(map(_is_bare, (layer, layer.self_attn, layer.mlp, *norms)))
        and all(hasattr(norm, "variance_epsilon") and norm.weight.ndim == 1 for norm in norms)
        and hasattr(layer.self_attn, "head_dim")
        and hasattr(layer.self_attn, "scaling")
    )


def _taken_apart(layer: Any, *, wide: bool, laid_out: bool) -> Layer:
    def product(module: Any) -> Product:
        return _product(module, wide=wide, laid_out=laid_out)

    def added(module: Any) -> Sum:
        return _sum(module, wide=wide, laid_out=laid_out)

    attention, mlp = layer.self_attn, layer.mlp
    norms = (_norm(attention.q_norm), _norm(attention.k_norm)) if hasattr(attention, "q_norm") else None
    return Layer(
        _norm(layer.input_layernorm),
        product(attention.q_proj),
        product(attention.k_proj),
        product(attention.v_proj),
        norms,
        attention.head_dim,
        attention.scaling,
        added(attention.o_proj),
        _norm(layer.post_attention_layernorm),
        product(mlp.gate_proj),
        product(mlp.up_proj),
        mlp.act_fn,
        added(mlp.down_proj),
    )


def _norm(module: Any) -> Product:
    shape, weight, eps = [len(module.weight)], module.weight, module.variance_epsilon
    return lambda hidden: torch.rms_norm(hidden, shape, weight, eps)


def _head(module: Any, *, laid_out: bool) -> Product:
    """A vocabulary is wide, however narrow the model."""
    product = _product(module, wide=True, laid_out=laid_out)
    return product if _is_plain(module) and runs_by_itself(module.weight) else fast_products()(product)


def _product(module: Any, *, wide: bool, laid_out: bool) -> Product:
    if not _is_plain(module):
        called: Product = module
        return called
    weight, bias = module.weight, module.bias
    if wide and runs_by_itself(weight):
        return linear(weight, bias, laid_out=laid_out)
    return lambda hidden: functional.linear(hidden, weight, bias)


def _sum(module: Any, *, wide: bool, laid_out: bool) -> Sum:
    """A product added to what there is."""
    if _is_plain(module) and module.bias is None:
        if wide and runs_by_itself(module.weight):
            return linear_sum(module.weight, laid_out=laid_out)
        weight = module.weight.t()
        return lambda hidden, found: torch.addmm(hidden, found, weight)
    product = _product(module, wide=wide, laid_out=laid_out)
    return lambda hidden, found: hidden + product(found)


def _is_plain(module: Any) -> bool:
    return type(module) is torch.nn.Linear and _is_bare(module)


def _is_bare(module: Any) -> bool:
    """Whether calling a module is its class's `forward` and nothing else."""
    return not (module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module))


def _parts(module: Any) -> set[str]:
    return {name for name, _ in module.named_children()}
