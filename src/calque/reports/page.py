"""One self-contained HTML page for one run, or for several side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from calque.corpora.writing import write_text
from calque.errors import Problem, UsageError
from calque.languages import LANGUAGES
from calque.reports import numbers
from calque.reports.answers import draw_samples
from calque.reports.asked import costs, questions, served
from calque.reports.consistency import consistency
from calque.reports.contamination import WORDS
from calque.reports.figures import loss_panels, score_panels, style_of
from calque.reports.folder import read_run
from calque.reports.judges import judges, verdicts_of
from calque.reports.layout import MOST_ACROSS, layout, portions
from calque.reports.leads import leads
from calque.reports.pace import pace_costs, pace_panels
from calque.reports.passages import STYLES, bars
from calque.reports.people import people
from calque.reports.rounds import TICKS
from calque.reports.run import Run
from calque.reports.side_by_side import side_by_side
from calque.reports.verdict import english, unscored, verdict

LONGEST = 1200  # characters of a text that are shown


def write_report(runs: Sequence[Path], out: Path) -> Path:
    """Read run folders and write the page to `out`, all of it or nothing. The same runs give the same bytes.

    Raises `RunError` where a folder is no run or a file in it is damaged, `UsageError` where `out` cannot be written.
    """
    page = render([read_run(folder) for folder in runs])
    try:
        write_text(out, page)
    except OSError as error:
        reason = "it is a folder" if out.is_dir() else error.strerror
        remedy = f"name a file to write, such as {out / 'report.html' if out.is_dir() else 'report.html'}"
        raise UsageError(Problem(f"the page cannot be written: {reason}", str(out), remedy=remedy)) from None
    return out


def render(runs: Sequence[Run]) -> str:
    """Render the page. A single run is called by its recipe, several by the names of their folders."""
    environment = _environment()
    css, _, _ = (
        environment.loader.get_source(environment, "page.css") if environment.loader else ("", None, None)
    )
    return environment.get_template("page.html").render(
        css=Markup(css),  # noqa: S704 — our own file
        runs=[_view(run) for run in runs],
        together=side_by_side(runs) if len(runs) > 1 else None,
    )


def _view(run: Run) -> dict[str, Any]:
    """Gather what the templates show of one run."""
    found, in_english = verdict(run), english(run)
    return {
        "run": run,
        "verdict": found,
        "tables": layout(found),
        "unscored": unscored(run),
        "every_metric": layout(verdict(run, every_metric=True)),
        "leads": leads(run, found, in_english),
        "questions": questions(run),
        "costs": costs(run),
        "served": served(run),
        "panels": score_panels(run),
        "english": in_english,
        "consistency": consistency(run),
        "losses": loss_panels(run),
        "pace": pace_panels(run),
        "pace_costs": pace_costs(run),
        "people": people(run, verdicts_of(run.judged)),
        "judges": judges(run),
        "passages": bars(run.passages),
        "passage_groups": STYLES,
        "rounds": run.rounds,
        "round_ticks": TICKS,
        "samples": draw_samples(run),
        "style": partial(style_of, run),
    }


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("calque.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    names = ("percent", "points", "points_interval", "count", "span", "decimal")
    environment.filters.update({name: getattr(numbers, name) for name in names})
    environment.globals.update(kinds_of_hits=WORDS)
    environment.globals.update(span=numbers.span, interval=numbers.interval, most=MOST_ACROSS)
    environment.filters.update(language_name=language_name, shortened=shortened, settings=settings)
    environment.filters.update(portions=portions, breakable=breakable)
    return environment


def visible(value: object) -> object:
    """Make control characters and lone surrogates visible: HTML may not hold them, and a reader must see them."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "".join(_visible(c) for c in value)


def _visible(character: str) -> str:
    code = ord(character)
    if code < 0x20 and character not in "\n\t":
        return chr(0x2400 + code)
    return "\ufffd" if 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000 else character


def language_name(code: str) -> str:
    """Name a language in English; a code that the registry does not know stays as it is."""
    return LANGUAGES[code].name if code in LANGUAGES else code


def breakable(name: str) -> Markup:
    """A name at the head of a column, which may be broken behind an underscore."""
    return Markup("_<wbr>").join(str(visible(name)).split("_"))


def shortened(text: str) -> str:
    """Cut a long text and say how much is left out."""
    left = len(text) - LONGEST
    return text if left <= 0 else f"{text[:LONGEST]} … ({left:,} more characters)"


def settings(value: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Flatten nested settings into `a.b` and its value, in their own order."""
    flat: list[tuple[str, str]] = []
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            flat += settings(inner, f"{prefix}{key}.")
        else:
            text = ", ".join(map(str, inner)) if isinstance(inner, list) else str(inner)
            flat.append((f"{prefix}{key}", text))
    return flat
