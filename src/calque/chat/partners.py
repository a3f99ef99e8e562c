"""Whom to talk to: the systems of a run, or a model's folder or hub id; loaded when they are first asked."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calque.chat.talk import Manner, Way, Writes
from calque.engines import Completion, Sampling
from calque.errors import ModelError, Problem, UsageError
from calque.languages import UnknownLanguageError
from calque.languages import language as language_of
from calque.recipes.measured import ServedSystem
from calque.recipes.systems import by_way_of_english
from calque.recipes.tuned import RunSystem, Tuned, read_tuned
from calque.recipes.views import ChatPart, PivotPart
from calque.records import Conversation

MARK = "calque_export.json"  # what `calque export` says of a model

if TYPE_CHECKING:
    from calque.engines.streaming import Writer


@dataclass(frozen=True, eq=False)
class Partner:
    """A model to talk to. `languages` are those that it was tuned for; `way` is how it is asked if nothing else is said.

    `taught` are the parts by which it learnt to answer by way of English.
    """

    name: str
    languages: tuple[str, ...]
    source: Source
    system: RunSystem | None = None
    way: Way = "direct"
    taught: Mapping[Way, ChatPart | PivotPart] = field(default_factory=dict)

    def manner(self, manner: Manner) -> Manner:
        """The manner of asking, with English asked for as it was taught."""
        part = self.taught.get(manner.way)
        in_english = part is not None and part.prompt_language == "english"
        asked_for = part.english_asked_for if isinstance(part, ChatPart) else True
        return replace(manner, words="en" if in_english else "", english_asked_for=asked_for)

    def writer(self) -> Writes:
        """The model, loaded."""
        return self.source.load(self)


@dataclass
class Source:
    """Where partners come from: a run, or one model. `precision` is auto, fp32 or bf16."""

    partners: tuple[Partner, ...] = ()
    default: Partner | None = None
    tuned: Tuned | None = None
    base: str | None = None
    model: str = ""
    template: str | None = None
    precision: str = "auto"
    _workshop: Any = field(default=None, repr=False)

    def find(self, name: str, language: str | None) -> Partner:
        """The partner of a name or a role."""
        if self.tuned is None:
            if name != self.partners[0].name:
                raise UsageError(Problem(f"there is one model here: {self.partners[0].name}"))
            return self.partners[0]
        system = self.tuned.wanted(name, language)
        return next(partner for partner in self.partners if partner.system == system)

    def load(self, partner: Partner) -> Writes:
        """The model of a partner, in memory, or behind its server."""
        if partner.system is not None and partner.system.served is not None:
            return Served(partner.system.served)
        from calque.engines.device import answering_dtype, best_device
        from calque.engines.loading import load_model
        from calque.engines.streaming import Writer
        from calque.tuning.adapt import load_tuned, weights_of
        from calque.tuning.start import earlier_lineage

        device = best_device()
        dtype = answering_dtype(self.precision, device)
        if self.tuned is None or partner.system is None:
            return self._alone(device, dtype)
        if self._workshop is None:
            self._workshop = self.tuned.workshop(self.base)
        step = partner.system.step
        if step is not None:
            earlier_lineage(step, self._workshop.weights_sha256)
        model: Any = load_model(weights_of(self._workshop.base, step), dtype=dtype, device=device)
        if step is not None and (step / "adapter").is_dir():
            model = load_tuned(model, step)
        return Writer(model, self._workshop.encoder)

    def _alone(self, device: Any, dtype: Any) -> Writer:
        """A model's folder or hub id, or the folder of an adapter, with its base model."""
        from calque.engines.loading import find_model, load_model, load_tokenizer
        from calque.engines.streaming import Writer
        from calque.prompts.encoding import make_encoder

        folder = Path(self.model).expanduser()
        adapter = folder / "adapter_config.json"
        name, tokenizer = self.model, None
        if adapter.is_file() and not (folder / "config.json").is_file():
            name = self.base or str(
                json.loads(adapter.read_text(encoding="utf-8"))["base_model_name_or_path"]
            )
        try:
            files = find_model(name)
        except ModelError as error:
            if name == self.model:
                raise
            message = f"its base model is not found: {error.problems[0].message}"
            raise ModelError(Problem(message, self.model, remedy="say --base FOLDER_OR_HUB_ID")) from None
        model: Any = load_model(files, dtype=dtype, device=device)
        tokenizer = load_tokenizer(files)
        if name != self.model:
            from peft import PeftModel
            from transformers import AutoTokenizer

            model = PeftModel.from_pretrained(model, folder).eval()
            if (folder / "tokenizer_config.json").is_file():
                tokenizer = AutoTokenizer.from_pretrained(folder)
        own = "chat" if getattr(tokenizer, "chat_template", None) else "plain"
        return Writer(model, make_encoder(tokenizer, self.template or own))


class Served:
    """A model behind a server, which answers in one piece; how much it reads at once is its own affair."""

    def __init__(self, system: ServedSystem) -> None:
        from calque.engines.asking import Limits
        from calque.engines.server import ServerEngine

        limits = Limits(1, system.attempts, system.timeout)
        named = (system.server, system.model, system.revision, system.key, system.template)
        self._engine = ServerEngine(*named, parameters=system.parameters, limits=limits)

    def room(self, conversation: Conversation) -> int:  # noqa: ARG002 — the protocol's
        """As much as is asked for."""
        return 1 << 30

    def write(
        self, conversation: Conversation, *, max_new_tokens: int, sampling: Sampling | None = None
    ) -> Generator[str, None, Completion]:
        """The answer."""
        (done,) = self._engine.complete([conversation], max_new_tokens=max_new_tokens, sampling=sampling)
        yield done.text
        return done


def partners_of(
    name: str, *, base: str | None = None, template: str | None = None, precision: str = "auto"
) -> Source:
    """All that can be talked to at `name`: a run's folder, a model's folder, or a hub id."""
    folder = Path(name).expanduser()
    if not (folder / "recipe.yaml").is_file():
        source = Source(base=base, model=name, template=template, precision=precision)
        label = folder.absolute().name if folder.exists() else name
        source.partners = (Partner(label, _languages(folder), source),)
        return source
    if template is not None:
        raise UsageError(Problem("a run has its template", "--template", remedy="leave --template out"))
    tuned = read_tuned(folder)
    source = Source(tuned=tuned, base=base, precision=precision)
    source.partners = tuple(_partner(tuned, system, source) for system in tuned.systems)
    return source


def _languages(folder: Path) -> tuple[str, ...]:
    """Those that an export says it was tuned for; of other models nothing is known."""
    try:
        told = json.loads((folder / MARK).read_text(encoding="utf-8"))["languages"]
        return tuple(language_of(code).code for code in told)
    except (OSError, ValueError, KeyError, TypeError, UnknownLanguageError):
        return ()


def default_partner(source: Source, language: str | None) -> Partner:
    """Whom to talk to if nobody is named: what the recipe is about, in the language or in its first one."""
    tuned = source.tuned
    if tuned is None:
        return source.partners[0]
    some = any(system.step is not None for system in tuned.systems)
    codes: Sequence[str | None] = [language] if language is not None else [None, *tuned.recipe.languages]
    for code in codes:
        try:
            return source.find(tuned.wanted(None, code, tuned=some).name, code)
        except UsageError as error:
            problem = error
    raise problem


def _partner(tuned: Tuned, system: RunSystem, source: Source) -> Partner:
    way: Way = "direct" if "direct" in system.ways else system.ways[0]
    languages = (system.language,) if system.language else tuple(tuned.recipe.languages)
    return Partner(system.name, languages, source, system, way, by_way_of_english(tuned.recipe, system.role))
