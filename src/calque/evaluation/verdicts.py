"""What a judge said, read out of its answer: a JSON object, checked; anything else is no verdict."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from calque.engines import Completion, Failure

Said = Literal["A", "B", "tie"]
NO_VERDICT = "no_verdict"
_SPELT = {"a": "A", "b": "B", "tie": "tie"}


def _spelt(value: Any) -> Any:
    return _SPELT.get(value.strip().lower(), value) if isinstance(value, str) else value


class Which(BaseModel):
    """Which of two answers is better."""

    verdict: Annotated[Said, BeforeValidator(_spelt)]
    reason: str = ""


class HowGood(BaseModel):
    """How good an answer is."""

    rating: int = Field(ge=1, le=10, strict=True)
    reason: str = ""


Form = TypeVar("Form", Which, HowGood)
_SAID: dict[str, dict[str, Any]] = {
    "pairwise": {"verdict": {"type": "string", "enum": list(get_args(Said))}},
    "single": {"rating": {"type": "integer", "minimum": 1, "maximum": 10}},
}


def response_format(mode: Literal["pairwise", "single"]) -> dict[str, Any]:
    """The form of a verdict as servers take it: reasons first, so that the verdict follows from them."""
    fields = {"reason": {"type": "string"}, **_SAID[mode]}
    schema = {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}
    return {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": schema}}


def read_verdict(text: str, form: type[Form]) -> Form:
    """The last JSON object of that form in a text (thoughts and fences may stand around it). `ValueError` if there is none."""
    for value in reversed(list(_objects(text))):
        try:
            return form.model_validate(value)
        except ValidationError:
            continue
    raise ValueError(f"there is no verdict in it: {text[-200:]!r}")


def holds(form: type[Form]) -> Callable[[Completion], Failure | None]:
    """Whether an answer holds a verdict: the failure if it does not."""

    def check(answer: Completion) -> Failure | None:
        try:
            read_verdict(answer.text, form)
        except ValueError as error:
            return Failure(NO_VERDICT, str(error))
        return None

    return check


def _objects(text: str) -> Iterator[Any]:
    decoder, at = json.JSONDecoder(), text.find("{")
    while at >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
        except ValueError:
            end = at + 1
        else:
            yield value
        at = text.find("{", end)
