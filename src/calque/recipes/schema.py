"""The form of a recipe: every setting with its meaning, unit and default. Importable without torch.

`languages` are the target languages; wherever a recipe says `x`, it means each of them in turn. In file names,
`{language}` stands for the code.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, create_model, field_validator

from calque.curation.settings import PassageSettings
from calque.evaluation.benchmarks import BENCHMARKS
from calque.recipes.judging import AnyModel, Judging
from calque.recipes.measured import AnySystem
from calque.recipes.names import Code, CodeOrX, Name
from calque.recipes.refine import Refine
from calque.recipes.shots import ShotsSettings
from calque.recipes.sources import Form, PerLanguage, Sources
from calque.recipes.views import Part
from calque.tuning.settings import TuningSettings

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
