"""What a passage must be like to be kept: every setting with its meaning, unit and default. Importable without torch."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
Worst = Literal["earlier", "mismatched", "wrong_language", "truncated"]  # what level 1 is made of


class PassageSettings(BaseModel):
    """Filters on passages, in the order in which they are asked. A share of 1 (or 0, of one that is a least) is no filter."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    take_out_boilerplate: bool = Field(
        True,
        description="take out lines of navigation, cookie notices and credits, by lists for each language",
    )
    most_boilerplate: Share = Field(
        0.5, description="drop where such lines held more of the characters than this"
    )
    least_characters: int = Field(
        200,
        ge=1,
        description="shortest passage; in Chinese and Japanese, which say more with one, a third of it",
    )
    most_characters: int = Field(
        8000, ge=1, description="longest passage; in Chinese and Japanese a third of it"
    )
    most_tokens: int | None = Field(
        None, ge=1, description="longest passage in tokens of the model's tokenizer; null = any"
    )
    damaged_characters: bool = Field(
        True, description="drop where characters were lost or misread in an earlier conversion"
    )
    least_script: Share = Field(0.6, description="letters in the script of the language")
    most_symbols: Share = Field(
        0.1, description="symbols (neither letters, digits nor punctuation) among the characters"
    )
    most_digits: Share = Field(0.2, description="digits among the characters")
    most_links: Share = Field(0.1, description="characters of web and mail addresses")
    most_bullets: Share = Field(0.8, description="lines that are items of a list")
    most_ellipses: Share = Field(0.3, description="lines that break off with dots")
    most_repeated_lines: Share = Field(0.3, description="characters in lines that stood there before")
    most_repeated_text: Share = Field(
        0.3, description="places from which 20 characters stand as they stood before"
    )
    whole: bool = Field(True, description="drop what ends amid a sentence, as far as the script tells")
    foreign: Share = Field(
        0.75,
        description="how sure it is to be (calque.identify) that a text is in another language to be dropped",
    )
    least_language: Share = Field(
        0.7, description="characters of longer lines that are in the language, told line by line"
    )
    near_duplicates: Annotated[float, Field(gt=0, le=1)] | None = Field(
        0.7,
        description="similarity (Jaccard, of 5-grams of characters, estimated by MinHash) from which the later of two "
        "passages is dropped; null = exact duplicates alone",
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.least_characters > self.most_characters:
            raise ValueError("least_characters is more than most_characters")
        return self
