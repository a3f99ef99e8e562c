"""The part of a recipe that names the files to learn from. Importable without torch."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from calque.corpora.passages import Markup, Unit
from calque.recipes.names import ByLanguage

Files = str | list[str]


class Form(BaseModel):
    """What all parts of a recipe have in common: what is not known is refused, and nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PairFiles(Form):
    """Parallel sentences in two files, line i of one with line i of the other."""

    english: str = Field(description="file of English sentences")
    target: str = Field(description="file of the same sentences in x")


class PairTable(Form):
    """Parallel sentences in the columns of a TSV file."""

    file: str = Field(description="TSV file without a header")
    english_column: int = Field(0, ge=0, description="column of the English sentence, from 0")
    target_column: int = Field(1, ge=0, description="column of the sentence in x, from 0")


class AlpacaPairs(Form):
    """Instruction data in two languages: Alpaca files whose rows are translations of one another.

    With `{range}` in both names, files go together that have the same in its place.
    """

    english: Files = Field(description="Alpaca files in English")
    target: Files = Field(description="the same in x")
    index: str | None = Field(
        None,
        description="JSON lines {en_row, LANG_row, and perhaps range, score} that say which rows belong together, "
        "counted from 0 in their files; without it row i belongs to row i",
    )
    minimal_score: float = Field(0.0, description="pairs that the index gives a lower score are left out")


class DollyPairs(Form):
    """Instruction data in Dolly's form, with the English original of each field beside it (`orig_instruction`, …)."""

    dolly: Files = Field(description="JSON lines")


class OasstPairs(Form):
    """OpenAssistant's conversation trees, with the English original of each message beside it (`orig_text`)."""

    oasst: Files = Field(description="JSON lines, one message each")
    best_branch: bool = Field(
        False, description="of each tree the conversation with the best replies alone, in place of all"
    )


class AnsweredQuestions(Form):
    """English questions in one file, their answers in x in another, by `question_id` (FastChat's forms)."""

    questions: Files = Field(description="JSON lines {question_id, turns}")
    answers: Files = Field(description="JSON lines {question_id, choices}")


class PassageSource(Form):
    """Native text whose files say not by themselves what a passage of them is."""

    files: Files = Field(
        description="text, Markdown, HTML, JSON or JSON lines, SQuAD-form JSON, Parquet, zip archives of these, or folders; "
        "text and JSON may be packed (gzip, zstd)"
    )
    unit: Unit = Field(
        "auto",
        description="what a passage is: a file or row (document), what stands under a heading (section), between blank "
        "lines (paragraph), or a line; auto = paragraphs of text, sections of Markdown and HTML, rows of JSON and Parquet",
    )
    markup: Markup = Field(
        "auto",
        description="markup to take out: none, markdown or html; auto = by the ending of the file's name",
    )
    text_field: str = Field(
        "",
        description="field or column of the text; empty = text, content, raw_content, document, passage, context or body",
    )
    licence: str = Field("", description="licence of the files, in place of sources.licence")


InstructionPairSource = AlpacaPairs | DollyPairs | OasstPairs
SeedSource = Files | AlpacaPairs | DollyPairs | OasstPairs | AnsweredQuestions
PairSource = str | PairFiles | PairTable
Passages = str | PassageSource | list[str | PassageSource]
PerLanguage = Files | ByLanguage[Files]


class Sources(Form):
    """The files to learn from."""

    instructions: ByLanguage[Files] = Field(
        default_factory=dict,
        description="JSON or JSONL per language, each row Alpaca's, or a conversation (messages, or ShareGPT's); `*` and "
        "lists of files are allowed",
    )
    translations: ByLanguage[PairSource] = Field(
        default_factory=dict,
        description="parallel text with English per language: TSV, TMX, JSONL, or two files",
    )
    parallel: ByLanguage[InstructionPairSource] = Field(
        default_factory=dict,
        description="instruction data with English beside x, row by row, per language: two Alpaca files, perhaps with "
        "an index, or Dolly's or OpenAssistant's form",
    )
    seed: ByLanguage[SeedSource] = Field(
        default_factory=dict,
        description="English instructions with answers in x, per language: Alpaca files that hold both in a row, or parallel "
        "instruction data as above, or {questions: FILE, answers: FILE}",
    )
    passages: ByLanguage[Passages] = Field(
        default_factory=dict,
        description="native text per language, to be cut into passages and filtered (curate.passages): files, or "
        "{files, unit, markup, text_field, licence}, or a list of these",
    )
    licence: str = Field("", description="licence of the files, kept with every row made from them")
