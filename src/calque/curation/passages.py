"""Which passages are kept: the filters that a setting asks for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from calque.curation.characters import damaged, digits, length, links, script, symbols
from calque.curation.drop import Drop, Filter, first_drop, too_high
from calque.curation.language import mixed_languages, wrong_language
from calque.curation.lines import bullets, cut_off, ellipses, without_boilerplate
from calque.curation.repetition import repeated_lines, repeated_text
from calque.curation.settings import PassageSettings
from calque.records import Passage

WITHOUT_STOPS = ("th", "lo")  # languages that end no sentence with a sign
DENSE = 3  # characters of an alphabet for one of Chinese or Japanese


def filters_of(settings: PassageSettings, language: str) -> tuple[Filter, ...]:
    """The filters for passages in a language, the cheap ones first. A new one is one function and a line here."""
    s = settings
    dense = DENSE if language in ("zh", "ja") else 1
    filters: list[Filter] = [
        partial(length, least=s.least_characters // dense, most=s.most_characters // dense)
    ]
    if s.damaged_characters:
        filters.append(damaged)
    filters += [
        partial(links, most=s.most_links),
        partial(bullets, most=s.most_bullets),
        partial(ellipses, most=s.most_ellipses),
        partial(repeated_lines, most=s.most_repeated_lines),
    ]
    if s.whole:
        filters.append(partial(cut_off, without_stops=language in WITHOUT_STOPS))
    filters += [
        partial(symbols, most=s.most_symbols),
        partial(digits, most=s.most_digits),
        partial(script, language=language, least=s.least_script),
        partial(repeated_text, most=s.most_repeated_text),
    ]
    if s.foreign < 1:
        filters.append(partial(wrong_language, language=language, sure=s.foreign))
        filters.append(partial(mixed_languages, language=language, least=s.least_language, sure=s.foreign))
    return tuple(filters)


@dataclass(frozen=True, slots=True)
class Judged:
    """A passage as it would be kept, how many characters of boilerplate were taken out of it, and why it is dropped."""

    passage: Passage
    taken_out: int
    drop: Drop | None


def judged(passages: Iterable[Passage], settings: PassageSettings, language: str) -> Iterator[Judged]:
    """Each passage with what the filters say of it; duplicates are another matter (`curation.duplicates`)."""
    filters = filters_of(settings, language)
    for passage in passages:
        before, taken, drop = passage.text, 0, None
        if settings.take_out_boilerplate:
            text, taken = without_boilerplate(before, language)
            if taken:
                passage = replace(passage, text=text)  # noqa: PLW2901 — what follows is about what is left
                share = taken / max(1, len(before))
                drop = too_high("boilerplate", "characters in boilerplate", share, settings.most_boilerplate)
        yield Judged(passage, taken, drop or first_drop(passage.text, filters))
