"""The part of a recipe that names other models, here or behind a server, and has them judge answers. Importable without torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from calque.engines.address import fault_of
from calque.recipes.names import CodeOrX, Name
from calque.recipes.sources import Form, PerLanguage

Precision = Literal["auto", "fp32", "bf16"]


class TokenPrice(Form):
    """What a server costs, in any one currency, per million tokens."""

    read: float = Field(ge=0, description="per million tokens of prompts")
    written: float = Field(ge=0, description="per million tokens of answers")


class ServerModel(Form):
    """A model behind an OpenAI-compatible server."""

    server: str = Field(description="address up to /v1, such as http://localhost:8000/v1")
    model: str = Field(
        description="the model's name as the server knows it; with `revision` it says what answers are whose"
    )
    revision: str = Field("", description="any word that tells apart what is served under one name")
    key: str = Field(
        "",
        description="NAME of the environment variable that holds the key; never the key itself",
        pattern=r"^[A-Za-z_]?[A-Za-z0-9_]*$",
    )
    template: str = Field(
        "chat",
        description="chat (the server's own), or alpaca, plain, or a YAML file of one's own, whose words then go to /completions",
    )
    echo: bool = Field(
        True,
        description="with a template: whether /completions sends a prompt back with its log-probabilities, so that choices can "
        "be compared; vLLM and SGLang do, llama.cpp does not",
    )
    parameters: dict[str, Any] = Field(
        default_factory=dict, description="what goes into every request besides, such as reasoning_effort"
    )
    concurrency: int = Field(32, ge=1, description="requests at a time")
    attempts: int = Field(6, ge=1, description="tries of a request before it fails")
    timeout: float = Field(600.0, gt=0, description="seconds for one try")
    price: TokenPrice | None = Field(None, description="price, for what is told before and for budgets")

    @field_validator("server")
    @classmethod
    def _address(cls, given: str) -> str:
        if (fault := fault_of(given)) is not None:
            raise ValueError(fault)
        return given

    @property
    def compares(self) -> bool:
        """Whether it tells log-likelihoods of choices."""
        return self.template != "chat" and self.echo

    @property
    def rates(self) -> bool:
        """Whether it tells those of ratings, which are a character each."""
        return self.template == "chat" or self.echo


class LocalModel(Form):
    """A model in this process."""

    path: str = Field(description="folder of a model in hub form, or a hub id")
    revision: str | None = Field(None, description="revision of a hub id")
    template: str = Field(
        "chat", description="chat (the model's own), alpaca, plain, or a YAML file of one's own"
    )
    precision: Precision = Field("auto", description="precision of answering")
    trust_remote_code: bool = Field(False, description="let the model's own Python code run")


AnyModel = ServerModel | LocalModel


class Judging(Form):
    """Models that judge the answers to open questions, for every comparison of the recipe."""

    by: list[Name] = Field(
        min_length=1, description="names of `engines`: one judge, or several, whose agreement is reported"
    )
    mode: Literal["pairwise", "single"] = Field(
        "pairwise",
        description="which of two answers is better, in both orders; or how good each is, from 1 to 10",
    )
    languages: list[CodeOrX] = Field(["x"], description="languages of the questions: x, and codes")
    prompt_language: Literal["en", "item"] = Field(
        "en",
        description="language of the judge's instructions: English, or that of the question where there is a wording in it",
    )
    limit: int | None = Field(
        None,
        ge=1,
        description="judge at most so many questions of each comparison and language, drawn by seed",
    )
    max_new_tokens: int = Field(
        512, ge=1, description="longest verdict in tokens, its reason and thoughts included"
    )
    structured: bool = Field(
        False,
        description="hold the judges' servers to the form of a verdict (response_format with a JSON schema); vLLM, SGLang, llama.cpp and "
        "OpenAI can. What comes is checked in any case",
    )
    known: PerLanguage | None = Field(
        None,
        description="Alpaca files of right answers, on which each judge is measured first: it must prefer them to those of other "
        "questions, to the same in another language (from the file in English, row by row), and to a quarter of them",
    )
    usable_from: float = Field(
        0.8,
        ge=0,
        le=1,
        description="share of known answers, of each kind, that a judge must get right for its verdicts to count",
    )
    may_fail: float = Field(
        0.02,
        ge=0,
        le=1,
        description="share of questions that may stay without a verdict; more of them end the run, to be asked again",
    )
    budget: float | None = Field(
        None,
        gt=0,
        description="most that all verdicts of the run may cost together, in the currency of the prices; what it may not hold for ends the run",
    )
