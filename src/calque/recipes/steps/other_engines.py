"""The run's store of requests, and the models behind it besides the run's own: here or behind a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from calque.engines.price import Purse
from calque.engines.server import ServerEngine
from calque.engines.store import RequestStore
from calque.engines.stored import StoredEngine
from calque.recipes.judging import AnyModel, LocalModel, ServerModel

if TYPE_CHECKING:
    from calque.engines.transformers_engine import TransformersEngine
    from calque.recipes.steps.workshop import Workshop


@contextmanager
def request_store(workshop: Workshop) -> Iterator[RequestStore]:
    """What models were asked in this run, and answered. Of a check nothing is kept."""
    with (
        TemporaryDirectory() as scratch,
        RequestStore(workshop.requests or Path(scratch) / "requests") as store,
    ):
        yield store


@contextmanager
def other_engine(
    workshop: Workshop, name: str, model: AnyModel, purse: Purse | None = None
) -> Iterator[StoredEngine]:
    """The engine of that name in the recipe; what it answers, and what is spent on it, is kept in the run's folder."""
    with request_store(workshop) as store:
        if isinstance(model, ServerModel):
            yield StoredEngine(_server(model), store, purse)
        else:
            yield StoredEngine(workshop.held(f"engines.{name}", lambda: _loaded(model)), store)


def _server(model: ServerModel) -> ServerEngine:
    from calque.engines.asking import Limits

    limits = Limits(model.concurrency, model.attempts, model.timeout)
    return ServerEngine(
        model.server,
        model.model,
        model.revision,
        model.key,
        model.template,
        model.echo,
        parameters=model.parameters,
        limits=limits,
    )


def _loaded(model: LocalModel) -> TransformersEngine:
    from calque.engines.device import answering_dtype, best_device
    from calque.engines.loading import find_model, load_model, load_tokenizer, model_sha256
    from calque.engines.transformers_engine import TransformersEngine
    from calque.prompts.encoding import make_encoder

    files = find_model(model.path, revision=model.revision, trust_remote_code=model.trust_remote_code)
    encoder = make_encoder(load_tokenizer(files), model.template)
    device = best_device()
    dtype = answering_dtype(model.precision, device)
    identity = f"{model_sha256(files)} {dtype}"
    return TransformersEngine(load_model(files, dtype=dtype, device=device), encoder, identity)
