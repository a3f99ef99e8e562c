"""Verifiable instructions: whether an answer does what it was told, for each instruction of IFEval, M-IFEval and SEA-IFEval.

The rules of IFEval (Zhou et al. 2023) are followed to the letter where they can be, quirks included: a keyword is found
inside longer words and a forbidden word is not; an empty paragraph fails an answer, but not at its ends; `**` around
nothing is no highlight; letters are counted in small letters. Where we differ, and why:

- Sentences: a run of . ! ? … ! ? 。 and closing quotes ends one, if a space or a character without spaces follows; not
  behind a lone letter or the usual abbreviations. IFEval has NLTK's trained model of English, which no other language shares.
- Words in capitals are runs of letters with hyphens, points or apostrophes inside (NLTK's tokenizer there).
- The language is told by `calque.identify`, not by langdetect, which draws at random; where it cannot be told, the
  instruction counts as followed, as there.
- Keywords are words, not regular expressions; a letter that is none (# or !) is counted as it is, where IFEval draws another.

`benchmarks/ifeval.py` compares verdict by verdict.

SEA-IFEval (Susanto et al. 2025) has rules of its own (`sea`): keywords are whole words where the language parts words,
sections, bullets and paragraphs are counted exactly, sentences are parted by `***`, a repeated prompt wants an answer
behind it. M-IFEval's Spanish instructions are read from their wording: *al menos* is ≥ and *como máximo* ≤; ñ and ü are
wanted in exactly so many words; points of a list begin with `*` alone, and the numbers of one are no words. Words are there
those of spaCy's rules, and here runs of letters and digits.
"""

from __future__ import annotations

import json
import re
import string
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from calque.evaluation.sentences import sentence_count

Rules = Literal["ifeval", "sea"]


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: its name without the language, what it asks for, and by whose rules it is checked."""

    name: str
    wants: Mapping[str, Any]
    language: str
    rules: Rules = "ifeval"

    def is_followed(self, answer: str) -> bool:
        """Whether the answer does it; an empty one never does."""
        return bool(answer.strip()) and _CHECKS[self.name](answer, self)

    @property
    def asked_language(self) -> str:
        """The language that the answer should be in."""
        named = self.wants.get("language") or self.wants.get("response_language")
        return str(named) if self.name == "language:response_language" else self.language


def is_known(name: str) -> bool:
    """Whether there is a check of that name."""
    return name in _CHECKS


def loosened(answer: str) -> list[str]:
    """The answer, and it without its first line, its last, and both; each also without asterisks (IFEval's loose check)."""
    lines = answer.split("\n")
    cut = [answer, *("\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1]))]
    return cut + [text.replace("*", "") for text in cut]


_CHECKS: dict[str, Callable[[str, Instruction], bool]] = {}


def _check(name: str) -> Callable[[Callable[[str, Instruction], bool]], Callable[[str, Instruction], bool]]:
    def add(check: Callable[[str, Instruction], bool]) -> Callable[[str, Instruction], bool]:
        _CHECKS[name] = check
        return check

    return add


def _compare(found: int, wanted: Any, relation: str) -> bool:
    """Relations of all files; none is `at least`."""
    number = int(wanted)
    if relation in ("less than", "menos de"):
        return found < number
    if relation == "como máximo":
        return found <= number
    return found == number if relation == "exactly" else found >= number


def _amount(found: int, of: Instruction, wanted: str, relation: str = "relation") -> bool:
    return _compare(found, of.wants[wanted], str(of.wants.get(relation) or "at least"))


def _is_in(text: str, *codes: str) -> bool:
    from calque.identify import UNDETERMINED, identify

    found = identify(text).code
    return found in (*codes, UNDETERMINED) or (found == "ms" and "id" in codes)


# Keywords


def _occurrences(word: str, text: str, of: Instruction, whole: bool) -> int:
    if of.rules == "sea":
        whole = of.language in ("en", "id", "vi", "ms", "jv", "su")
    edge = r"\b" if whole else ""
    return len(re.findall(f"{edge}{re.escape(word)}{edge}", text, flags=re.IGNORECASE))


@_check("keywords:existence")
def _existence(text: str, of: Instruction) -> bool:
    return all(_occurrences(word, text, of, whole=False) for word in of.wants["keywords"])


@_check("keywords:forbidden_words")
def _forbidden(text: str, of: Instruction) -> bool:
    return not any(_occurrences(word, text, of, whole=True) for word in of.wants["forbidden_words"])


@_check("keywords:frequency")
def _frequency(text: str, of: Instruction) -> bool:
    return _amount(_occurrences(of.wants["keyword"], text, of, whole=False), of, "frequency")


@_check("keywords:number_frequency")
def _number_frequency(text: str, of: Instruction) -> bool:
    return _amount(text.count(str(of.wants["number"])), of, "frequency")


@_check("keywords:letter_frequency")
def _letters(text: str, of: Instruction) -> bool:
    return _amount(text.lower().count(of.wants["letter"].lower()), of, "let_frequency", "let_relation")


# Lengths


@_check("length_constraints:number_words")
def _words(text: str, of: Instruction) -> bool:
    if of.language == "es":
        text = re.sub(r"^\s*\d+\.\s*", "", text, flags=re.MULTILINE)
    return _amount(len(re.findall(r"\w+", text)), of, "num_words")


@_check("length_constraints:number_sentences")
def _sentences(text: str, of: Instruction) -> bool:
    found = sum(map(bool, _blocks(text.strip("*"), "***"))) if of.rules == "sea" else sentence_count(text)
    return _amount(found, of, "num_sentences")


@_check("length_constraints:number_paragraphs")
def _paragraphs(text: str, of: Instruction) -> bool:
    blocks = _blocks(text, "***")
    if of.rules != "sea" and not all(blocks[1:-1]):
        return False
    return sum(map(bool, blocks)) == int(of.wants["num_paragraphs"])


@_check("length_constraints:nth_paragraph_first_word")
def _first_word(text: str, of: Instruction) -> bool:
    paragraphs = text.split("\n\n")
    nth, whole = int(of.wants["nth_paragraph"]), sum(bool(p.strip()) for p in paragraphs)
    if nth > whole or not paragraphs[nth - 1].strip() or whole != int(of.wants["num_paragraphs"]):
        return False
    paragraph, wanted = (
        paragraphs[nth - 1].strip().lstrip("'").lstrip('"').lower(),
        of.wants["first_word"].lower(),
    )
    if " " in wanted:
        return paragraph.startswith(wanted)
    return re.split(r"[.,?!'\"]", paragraph.split()[0])[0] == wanted if paragraph else False


def _blocks(text: str, mark: str) -> list[str]:
    return [block.strip() for block in text.split(mark)]


# Content and form


@_check("detectable_content:number_placeholders")
def _placeholders(text: str, of: Instruction) -> bool:
    found = re.findall(r"\[(.*?)\]", text)
    return _amount(sum(bool(f.strip(" []")) or of.rules != "sea" for f in found), of, "num_placeholders")


@_check("detectable_content:postscript")
def _postscript(text: str, of: Instruction) -> bool:
    parts = [re.escape(part) for part in of.wants["postscript_marker"].lower().split(".")]
    return bool(re.search(r"\.\s?".join(parts), text.lower()))


@_check("detectable_format:number_bullet_lists")
def _bullets(text: str, of: Instruction) -> bool:
    forms = [r"^\s*\*[^\*].*$", r"^\s*-.*$"]
    if of.rules == "ifeval" and of.language == "es":
        forms.pop()
    if of.rules == "sea":
        forms = [r"^\s*\* \*?\*?[^\*\n\s].*$", r"^\s*- \*?\*?[^\*\n\s].*$"]
    found = sum(len(re.findall(form, text, flags=re.MULTILINE)) for form in forms)
    return found == int(of.wants["num_bullets"])


@_check("detectable_format:number_highlighted_sections")
def _highlights(text: str, of: Instruction) -> bool:
    found = re.findall(r"\*[^\n\*]*\*", text) + re.findall(r"\*\*[^\n\*]*\*\*", text)
    return _amount(sum(bool(f.strip("*").strip()) for f in found), of, "num_highlights")


@_check("detectable_format:multiple_sections")
def _sections(text: str, of: Instruction) -> bool:
    if of.rules == "sea":
        title = re.escape(of.wants["section_title"])
        return len(re.findall(rf"\b{title}\s+[\d|\w]+\b", text)) == int(of.wants["num_sections"])
    return _amount(
        len(re.findall(rf"{re.escape(of.wants['section_spliter'])}\s?\d+", text)), of, "num_sections"
    )


@_check("detectable_format:json_format")
def _json(text: str, of: Instruction) -> bool:  # noqa: ARG001
    text = text.strip()
    for fence in ("```json", "```Json", "```JSON", "```"):
        text = text.removeprefix(fence)
    try:
        json.loads(text.removesuffix("```").strip())
    except (ValueError, RecursionError):
        return False
    return True


@_check("detectable_format:title")
def _title(text: str, of: Instruction) -> bool:  # noqa: ARG001
    return any(t.lstrip("<").rstrip(">").strip() for t in re.findall(r"<<[^\n]+>>", text))


_OPTIONS = {
    "en": ("My answer is yes.", "My answer is no.", "My answer is maybe."),
    "es": ("Sí.", "No.", "Quizás."),
    "id": ("Jawaban saya adalah ya.", "Jawaban saya adalah tidak.", "Jawaban saya adalah mungkin."),
    "th": ("คำตอบของฉันคือใช่", "คำตอบของฉันคือไม่", "คำตอบของฉันคืออาจจะ"),
}


@_check("detectable_format:constrained_response")
def _constrained(text: str, of: Instruction) -> bool:
    return any(option in text for option in _OPTIONS.get(of.language, ()))


# Beginning and end


@_check("startend:end_checker")
def _end(text: str, of: Instruction) -> bool:
    text = text.strip() if of.rules == "sea" else text.strip().strip('"')
    return text.lower().endswith(of.wants["end_phrase"].strip().lower())


@_check("startend:first_word")
def _start(text: str, of: Instruction) -> bool:
    return text.strip().lower().startswith(of.wants["first_word"].lower())


@_check("startend:quotation")
def _quotation(text: str, of: Instruction) -> bool:
    text = text.strip()
    quoted = len(text) > 1 and text[0] == '"' and text[-1] == '"'
    return quoted and (of.rules != "sea" or bool(text.strip('"').strip()))


@_check("combination:repeat_prompt")
def _repeat(text: str, of: Instruction) -> bool:
    text, prompt = text.strip().lower(), of.wants["prompt_to_repeat"].strip().lower()
    return text.startswith(prompt) and (of.rules != "sea" or bool(text.removeprefix(prompt).strip()))


@_check("combination:two_responses")
def _two(text: str, of: Instruction) -> bool:
    blocks = _blocks(text, "******")
    if of.rules == "sea":
        return sum(bool(block.strip(string.punctuation)) for block in blocks) == 2
    found = [block for block in blocks if block]
    return all(blocks[1:-1]) and len(found) == 2 and found[0] != found[1]


# Case, marks, language


@_check("change_case:english_capital")
@_check("change_case:spanish_capital")
def _capital(text: str, of: Instruction) -> bool:
    return text.isupper() and _is_in(text.lower(), of.language)


@_check("change_case:english_lowercase")
@_check("change_case:spanish_lowercase")
def _lowercase(text: str, of: Instruction) -> bool:
    return text.islower() and _is_in(text, of.language)


@_check("change_case:capital_word_frequency")
def _capital_words(text: str, of: Instruction) -> bool:
    found = sum(word.isupper() for word in re.findall(r"\w+(?:[-.'’]\w+)*", text))
    return _amount(found, of, "capital_frequency", "capital_relation")


@_check("punctuation:no_comma")
def _no_comma(text: str, of: Instruction) -> bool:  # noqa: ARG001
    return "," not in text


@_check("punctuation:question_marks")
def _questions(text: str, of: Instruction) -> bool:  # noqa: ARG001
    return bool(re.search(r"¿[^?]+\?", text))


@_check("punctuation:exclamation_marks")
def _exclamations(text: str, of: Instruction) -> bool:  # noqa: ARG001
    return bool(re.search(r"¡[^!]+!", text))


def _words_with(letters: str, text: str) -> int:
    words = re.findall(r"\w+", unicodedata.normalize("NFC", text).lower())
    return sum(any(letter in word for letter in letters) for word in words)


@_check("special_character:enie")
def _enie(text: str, of: Instruction) -> bool:
    return _words_with("ñ", text) == int(of.wants["let_frequency"])


@_check("special_character:dieresis")
def _dieresis(text: str, of: Instruction) -> bool:
    return _words_with("ü", text) == int(of.wants["let_frequency"])


@_check("special_character:tildes")
def _tildes(text: str, of: Instruction) -> bool:
    return _amount(_words_with("áéíóú", text), of, "num_words")


@_check("language:response_language")
def _language(text: str, of: Instruction) -> bool:
    return _is_in(text, of.asked_language)
