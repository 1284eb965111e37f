"""What a scenario file may say, checked by pydantic. Durations are seconds.

One declaration is a test, a recording and a benchmark: what to send, to whom, and what must come back.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    field_validator,
    model_validator,
)

from tapeline.cassettes.matching import parse_path
from tapeline.errors import ConfigError, ErrorCode
from tapeline.scenarios.checks import CHECKS, NEGATION, wrong_value
from tapeline.types import Message, Prompt, assistant, system, user

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_CONSTRUCTORS = {"system": system, "user": user, "assistant": assistant}

SnapshotField = Literal["text", "parsed", "finish_reason", "usage", "error", "model"]


class Strict(BaseModel):
    """A table that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Repeated(Strict):
    """A long text, written short: `text` said `times` times."""

    text: str
    times: PositiveInt


class MessageSpec(Strict):
    """One message of the conversation."""

    role: Literal["system", "user", "assistant"]
    content: str | Repeated

    def message(self) -> Message:
        content = self.content
        text = content if isinstance(content, str) else content.text * content.times
        return _CONSTRUCTORS[self.role](text)


class Options(Strict):
    """Options of the call, as `model.generate` takes them."""

    max_tokens: PositiveInt | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    stop: tuple[str, ...] = ()
    seed: int | None = None
    extra: dict[str, Any] = Field(default_factory=dict)

    def given(self) -> dict[str, Any]:
        """Return the options that were set."""
        return self.model_dump(exclude_defaults=True)


class Target(Strict):
    """A model to try. In a file, `openai:gpt-5.4-mini` alone is short for `{model: ...}`.

    price_as: cost the tokens at the list price of that model; for models that run on your own machine.
    upstream: what really answered, stored with recordings.
    """

    model: str
    name: str = ""
    base_url: str | None = None
    options: Options = Options()
    price_as: str | None = None
    upstream: str | None = None

    @field_validator("model", "price_as")
    @classmethod
    def _has_provider(cls, model: str | None) -> str | None:
        if model is not None and not re.fullmatch(r"[\w-]+:.+", model):
            raise ValueError(f'{model!r} is no model name; write "provider:model"')
        return model

    @property
    def provider(self) -> str:
        return self.model.partition(":")[0]

    @property
    def id(self) -> str:
        """What tells targets of one scenario apart, and names their cassettes."""
        return self.name or self.provider


def _target(value: Any) -> Any:
    return {"model": value} if isinstance(value, str) else value


class Check(Strict):
    """One expectation: a name such as `contains` or `not-contains`, and its value."""

    name: str
    value: Any = None


def _check(value: Any) -> Any:
    if isinstance(value, dict) and len(value) == 1:
        [(name, expected)] = value.items()
        if str(name).removeprefix(NEGATION) in CHECKS:
            if problem := wrong_value(str(name), expected):
                raise ValueError(f"{name}: {problem}")
            return {"name": name, "value": expected}
        raise ValueError(
            f"unknown check {name!r}; known are {', '.join(sorted(CHECKS))}, each also with not-"
        )
    raise ValueError('a check is one key and its value, such as "contains: Paris"')


class Match(Strict):
    """How a request is compared with recorded ones."""

    ignore: tuple[str, ...] = ()

    @field_validator("ignore")
    @classmethod
    def _are_paths(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(path for path in paths if parse_path(path))
        except ConfigError as error:
            raise ValueError(error.message) from None


class Load(Strict):
    """How much traffic a benchmark sends: `requests` calls, `concurrency` of them at a time."""

    requests: PositiveInt = 40
    concurrency: PositiveInt = 4


class Scenario(Strict):
    """What to send, to whom, and what must come back.

    repeat: calls recorded one after the other; the test makes as many, a benchmark goes round them.
    error: the code of the error that must come instead of an answer.
    """

    name: str
    description: str = ""
    prompt: str | None = None
    messages: tuple[MessageSpec, ...] = ()
    stream: bool = False
    json_schema: dict[str, Any] | None = Field(default=None, alias="schema")
    options: Options = Options()
    targets: Annotated[tuple[Annotated[Target, BeforeValidator(_target)], ...], Field(min_length=1)]
    repeat: PositiveInt = 1
    checks: tuple[Annotated[Check, BeforeValidator(_check)], ...] = ()
    error: ErrorCode | None = None
    snapshot: tuple[SnapshotField, ...] = ("text", "parsed", "finish_reason", "usage", "error")
    match: Match = Match()
    load: Load = Load()

    @field_validator("name")
    @classmethod
    def _names_a_file(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError("a name has letters, digits, '.', '_' and '-' only: it also names the cassettes")
        return name

    @model_validator(mode="after")
    def _is_consistent(self) -> Scenario:
        if (self.prompt is None) == (not self.messages):
            raise ValueError("give either prompt or messages")
        ids = [target.id for target in self.targets]
        if twice := {name for name in ids if ids.count(name) > 1}:
            raise ValueError(f"several targets are called {', '.join(sorted(twice))}: give them a name")
        for name in ids:
            if not _NAME.fullmatch(name):
                raise ValueError(f"a target cannot be called {name!r}: its name also names a cassette")
        return self

    def conversation(self) -> Prompt:
        return self.prompt if self.prompt is not None else tuple(spec.message() for spec in self.messages)
