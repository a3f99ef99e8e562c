"""The other models that a recipe names, and what its judges need: found, and checked."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from calque.errors import CalqueError, Problem
from calque.prompts.render import load_template
from calque.recipes.document import Loc
from calque.recipes.finding import Finder
from calque.recipes.judging import AnyModel, LocalModel, ServerModel
from calque.recipes.links import unknown
from calque.recipes.refine import Elsewhere
from calque.recipes.schema import Recipe

IN_PLACE = {
    "writing": "writes the instructions, in place of a generator that is tuned on the seed",
    "answering": "answers for level 2, in place of the newest follower",
    "rating": "rates, in place of an evaluator that is tuned in each round",
}


def engines_of(recipe: Recipe, folder: Path) -> dict[str, AnyModel]:
    """The other models, with folders and files as seen from here; `folder` is the recipe's."""
    found: dict[str, AnyModel] = {}
    for name, engine in recipe.engines.items():
        found[name] = engine.model_copy(update={"template": template_from(engine.template, folder)})
        if isinstance(engine, LocalModel):
            place = folder / Path(engine.path).expanduser()
            path = str(place) if place.exists() else engine.path
            found[name] = found[name].model_copy(update={"path": path})
    return found


def template_from(template: str, folder: Path) -> str:
    """A template's name, or the path of a file of one's own as seen from here."""
    own = template.endswith((".yaml", ".yml"))
    return str(folder / Path(template).expanduser()) if own else template


def readable(finder: Finder, template: str, loc: Loc) -> None:
    """Tell what is wrong with a template; the model's own is known to its tokenizer alone."""
    try:
        if template != "chat":
            load_template(template)
    except CalqueError as error:
        finder.problems += [
            finder.places.problem(loc, problem.message, problem.remedy) for problem in error.problems
        ]


def keys_not_set(models: Iterable[ServerModel]) -> Iterator[Problem]:
    """A problem for each environment variable that should hold a server's key, and does not."""
    for model in models:
        if model.key and not os.environ.get(model.key, "").strip():
            message = f"the environment variable {model.key}, which should hold the server's key, is not set"
            yield Problem(message, model.server, remedy=f"export {model.key}=…")


def engines_of_rounds(recipe: Recipe, finder: Finder) -> None:
    """Note which models rounds of refinement ask in place of tuned ones, and tell what is wrong with them."""
    refine = recipe.curate.refine
    if refine is None:
        return
    roles: list[tuple[str, Elsewhere]] = [
        ("writing", refine.writing),
        ("answering", refine.answering),
        ("rating", refine.rating),
    ]
    for role, said in roles:
        loc, name = ("curate", "refine", role), said.engine
        if name is None:
            if said.budget is not None:
                remedy = f"say curate.refine.{role}.engine=NAME, or leave the budget out"
                finder.problems.append(
                    finder.places.problem((*loc, "budget"), "there is no engine to pay for", remedy)
                )
            continue
        engine = recipe.engines.get(name)
        if engine is not None:
            model = engine.model if isinstance(engine, ServerModel) else Path(engine.path).name
            finder.notes.append(f"{model} {IN_PLACE[role]}")
        if engine is None:
            known = list(recipe.engines)
            finder.problems.append(unknown(finder.places, loc, ("engine",), "engine", name, known)[1])
        elif said.budget is not None and getattr(engine, "price", None) is None:
            remedy = f"say engines.{name}.price={{read: …, written: …}}"
            message = f"what {name} costs is not known"
            finder.problems.append(finder.places.problem((*loc, "budget"), message, remedy))
        elif role == "rating" and isinstance(engine, ServerModel) and not engine.rates:
            message = f"{name} answers without echo, which does not tell how likely each rating is"
            remedy = (
                f"leave engines.{name}.template out where the server tells top_logprobs of chats, or name a model of "
                "this machine"
            )
            finder.problems.append(finder.places.problem((*loc, "engine"), message, remedy))


def known_answers(recipe: Recipe, finder: Finder, codes: Sequence[str]) -> dict[str, tuple[Path, ...]]:
    """The files of answers that judges are measured on, out of languages `codes`; all that is wrong with judges is told."""
    judging = recipe.judge
    if judging is None:
        return {}

    def tell(loc: Loc, message: str, remedy: str) -> None:
        finder.problems.append(Problem(message, *finder.places.at(loc), remedy))

    for i, name in enumerate(judging.by):
        if name not in recipe.engines:
            known = list(recipe.engines)
            finder.problems.append(unknown(finder.places, ("judge", "by"), (i,), "engine", name, known)[1])
    if recipe.evaluate.files_of("open") is None:
        remedy = "say evaluate.open=FILE: JSON lines of questions"
        tell(("judge",), "judge: there are no open questions whose answers could be judged", remedy)
    if not recipe.comparisons:
        tell(("judge",), "judge: there are no comparisons to judge", "say comparisons: [[BASELINE, METHOD]]")
    prices = [getattr(recipe.engines.get(name), "price", None) for name in judging.by]
    if judging.budget is not None and None in prices:
        name = judging.by[prices.index(None)]
        remedy = f"say engines.{name}.price={{read: …, written: …}}"
        tell(("judge", "budget"), f"judge.budget: what {name} costs is not known", remedy)
    for name in judging.by:
        if judging.structured and isinstance(recipe.engines.get(name), LocalModel):
            message = f"judge.structured: {name} is in this process, and can be held to no form"
            tell(("judge", "structured"), message, "leave it out, or judge by servers alone")
    if judging.known is None:
        return {}
    given = judging.known if isinstance(judging.known, dict) else dict.fromkeys(codes, judging.known)
    if not isinstance(judging.known, dict) and "en" in given and finder.not_in_english(judging.known):
        del given["en"]
    return {
        code: finder.files(("judge", "known", code), files, code)
        for code, files in given.items()
        if code in codes
    }
