"""What steps share within one run: the base model's files and hashes, its encoder, and the engine of one system."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calque.recipes.code_version import engine_version
from calque.recipes.hashes import Hashes
from calque.recipes.schema import ModelSettings

if TYPE_CHECKING:
    from calque.engines.loading import ModelFiles
    from calque.engines.transformers_engine import TransformersEngine
    from calque.prompts.encoding import Encoder


@dataclass
class Workshop:
    """The base model and what is made from it, each once and only when a step asks for it."""

    settings: ModelSettings
    template: str
    base: ModelFiles
    hashes: Hashes
    requests: Path | None = None  # the file in which answers of models are kept
    _engine: tuple[str, TransformersEngine] | None = field(default=None, repr=False)

    @cached_property
    def weights_sha256(self) -> str:
        """Content address of the whole model: config, tokenizer, weights."""
        return self._sha256(self._content())

    @cached_property
    def tokenizer_sha256(self) -> str:
        """Content address of all but the weights."""
        return self._sha256([path for path in self._content() if path.suffix != ".safetensors"])

    @cached_property
    def config(self) -> Any:
        """The base model's configuration."""
        from calque.engines.loading import load_config

        return load_config(self.base)

    @cached_property
    def encoder(self) -> Encoder:
        """The one way from a conversation to token ids."""
        from calque.engines.loading import load_tokenizer
        from calque.prompts.encoding import make_encoder

        return make_encoder(load_tokenizer(self.base), self.template, self.settings.template_language)

    def engine(self, system: str, tuned: Path | None, precision: str) -> TransformersEngine:
        """The engine of a system, `tuned` being the folder of its tuning step. One is held at a time."""
        if self._engine is None or self._engine[0] != system:
            self.release()
            self._engine = (system, self._load(tuned, precision))
        return self._engine[1]

    def held(self, name: str, load: Callable[[], TransformersEngine]) -> TransformersEngine:
        """An engine of another model, in the place of the one that is held."""
        if self._engine is None or self._engine[0] != name:
            self.release()
            self._engine = (name, load())
        return self._engine[1]

    def release(self) -> None:
        """Let the engine's memory go."""
        self._engine = None

    def _load(self, tuned: Path | None, precision: str) -> TransformersEngine:
        from calque.engines.device import answering_dtype, best_device
        from calque.engines.loading import load_model
        from calque.engines.transformers_engine import TransformersEngine
        from calque.tuning.adapt import load_tuned, weights_of

        device = best_device()
        dtype = answering_dtype(precision, device)
        model: Any = load_model(weights_of(self.base, tuned), dtype=dtype, device=device)
        if tuned is not None and (tuned / "adapter").is_dir():
            model = load_tuned(model, tuned)
        identity = f"{self.weights_sha256} {self._learnt_sha256(tuned)} {dtype} {engine_version()}"
        return TransformersEngine(model, self.encoder, identity)

    def _learnt_sha256(self, tuned: Path | None) -> str:
        """Content address of what a tuning step made of the base model."""
        if tuned is None:
            return ""
        folders = [tuned / name for name in ("adapter", "model", "start")]
        return self._sha256(sorted(p for folder in folders for p in folder.rglob("*") if p.is_file()))

    def _content(self) -> list[Path]:
        from calque.engines.loading import content

        return sorted(content(self.base.folder))

    def _sha256(self, paths: list[Path]) -> str:
        total = hashlib.sha256()
        for path in paths:
            total.update(f"{path.name}\0{self.hashes.sha256(path)}\n".encode())
        return total.hexdigest()
