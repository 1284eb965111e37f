"""What a scenario file may say, checked by pydantic. Durations are seconds.

One declaration is a test, a recording and a benchmark: what to send, to whom, and what must come back.
Short forms (a model's name for a target, a text for a message) are made long before they are checked, so
that each table has one form and an error names one place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    BeforeValidator,
    Field,
    PositiveInt,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from tapeline.cassettes.matching import parse_path
from tapeline.errors import ConfigError, ErrorCode
from tapeline.latency.fault_spec import FaultSpec
from tapeline.latency.pacing import parse_pace
from tapeline.scenarios.cases import CaseSpec, tag_names, variable_names
from tapeline.scenarios.expectations import Check, Checks, over
from tapeline.scenarios.messages import Content, MessageSpec, Part
from tapeline.scenarios.slos import Slo, parse_slo
from tapeline.scenarios.strict import Strict, Variables, WrongPartError, valid_schema
from tapeline.scenarios.targets import Options, Targets
from tapeline.scenarios.templates import filled_text
from tapeline.scenarios.tool_specs import ToolSpec
from tapeline.scenarios.variables import Steps, check_variables
from tapeline.types import Message, Prompt, user

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

CASES_LIMIT = 1_000  # each is a scenario of its own in memory, and a file or two for each target

SnapshotField = Literal[
    "text",
    "parsed",
    "finish_reason",
    "usage",
    "error",
    "model",
    "tool_calls",
    "thinking",
    "events",
    "request_digest",
]


class TurnSpec(Strict):
    """What the user says next, once the answer before it has come."""

    content: Content
    checks: Checks = Field(
        default=(), description="Checks of this answer, over the scenario's of the same name."
    )

    def message(self, folder: Path = Path()) -> Message:
        return user(*(part.content(folder) for part in self.content))

    def filled(self, variables: Variables) -> TurnSpec:
        return self.model_copy(
            update={
                "content": tuple(part.filled(variables) for part in self.content),
                "checks": tuple(check.filled(variables) for check in self.checks),
            }
        )


def _turn(value: Any) -> Any:
    return {"content": value} if isinstance(value, (str, list)) else value


Turns: TypeAlias = tuple[
    Annotated[TurnSpec, BeforeValidator(_turn, json_schema_input_type=str | list[str | Part] | TurnSpec)], ...
]


class Match(Strict):
    """How a request is compared with recorded ones."""

    ignore: tuple[str, ...] = Field(
        default=(), description="JSON paths of the request body that may differ, such as $.metadata.run."
    )

    @field_validator("ignore")
    @classmethod
    def _are_paths(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(path for path in paths if parse_path(path))
        except ConfigError as error:
            raise ValueError(error.message) from None


class Load(Strict):
    """How much traffic a benchmark sends."""

    requests: PositiveInt = Field(default=40, description="Calls in all.")
    concurrency: PositiveInt = Field(default=4, description="Calls at a time.")


class Scenario(Strict):
    """What to send, to whom, and what must come back."""

    name: str = Field(description="Letters, digits, '.', '_' and '-'; it also names the cassettes.")
    description: str = Field(default="", description="For people.")
    tags: tuple[str, ...] = Field(default=(), description="pytest markers of its tests: pytest -m TAG.")
    skip: str | None = Field(default=None, description="Why it is not run.")
    xfail: str | None = Field(default=None, description="Why it is known to fail.")
    vars: dict[str, Any] = Field(
        default_factory=dict, description="Variables: {{name}} in prompt, messages, turns, tools, checks."
    )
    cases: tuple[CaseSpec, ...] = Field(
        default=(), max_length=CASES_LIMIT, description="A table: the scenario is run once for each row."
    )
    prompt: str | None = Field(default=None, description="What is sent, if it is one message of the user.")
    messages: tuple[MessageSpec, ...] = Field(default=(), description="What is sent, message by message.")
    turns: Turns = Field(
        default=(), description="What the user says, each answered before the next; messages come before."
    )
    stream: bool = Field(default=False, description="Whether answers are streamed.")
    tools: tuple[ToolSpec, ...] = Field(default=(), description="Tools the model may call.")
    tool_choice: str | None = Field(
        default=None, description="auto, none, required, or the name of the tool to call first."
    )
    max_rounds: PositiveInt = Field(default=10, description="How often tools may be run in one turn.")
    json_schema: dict[str, Any] | None = Field(
        default=None, alias="schema", description="The JSON schema the answer must follow."
    )
    options: Options = Field(default=Options(), description="Options of each call.")
    targets: Targets = Field(min_length=1, description="The models to try: each case with each of them.")
    repeat: PositiveInt = Field(
        default=1, description="Calls recorded one after the other; a benchmark goes round them."
    )
    pace: str | None = Field(
        default=None,
        description="Pace of replayed answers: none, recorded, recorded*FACTOR or a profile. Tests wait for "
        "it in virtual time. Default: recorded where latency or ttft is checked, else none.",
    )
    faults: tuple[FaultSpec, ...] = Field(default=(), description="What goes wrong on purpose in replays.")
    checks: Checks = Field(default=(), description="What must be true of each answer.")
    error: ErrorCode | None = Field(
        default=None, description="The error that must come, instead of the (last) answer."
    )
    snapshot: tuple[SnapshotField, ...] = Field(
        default=("text", "parsed", "finish_reason", "usage", "error"),
        description="What of each answer its snapshot holds.",
    )
    match: Match = Field(default=Match(), description="How requests are compared with recorded ones.")
    load: Load = Field(default=Load(), description="How much traffic a benchmark sends.")
    slos: tuple[Annotated[Slo, BeforeValidator(parse_slo), WithJsonSchema({"type": "string"})], ...] = Field(
        default=(), description="What a benchmark must keep, such as: ttft_p95 < 800ms."
    )

    @field_validator("name")
    @classmethod
    def _names_a_file(cls, name: str) -> str:
        if not NAME.fullmatch(name):
            raise ValueError("a name has letters, digits, '.', '_' and '-' only: it also names the cassettes")
        return name

    @field_validator("vars")
    @classmethod
    def _are_variables(cls, variables: dict[str, Any]) -> dict[str, Any]:
        return variable_names(variables)

    @field_validator("tags")
    @classmethod
    def _are_tags(cls, tags: tuple[str, ...]) -> tuple[str, ...]:
        return tag_names(tags)

    @field_validator("json_schema")
    @classmethod
    def _is_a_schema(cls, schema: dict[str, Any] | None) -> dict[str, Any] | None:
        return None if schema is None else valid_schema(schema)

    @field_validator("pace")
    @classmethod
    def _is_a_pace(cls, pace: str | None) -> str | None:
        if pace is not None:
            try:
                parse_pace(pace)
            except ConfigError as error:
                raise ValueError(error.message) from None
        return pace

    @model_validator(mode="after")
    def _says_one_thing(self) -> Scenario:
        if self.prompt is not None and (self.messages or self.turns):
            raise ValueError("give either prompt or messages and turns")
        if self.prompt is None and not self.messages and not self.turns:
            raise ValueError("give either prompt or messages: there is nothing to send")
        return self

    @model_validator(mode="after")
    def _tells_targets_apart(self) -> Scenario:
        ids = [target.id for target in self.targets]
        for m, name in enumerate(ids):
            if not NAME.fullmatch(name):
                raise WrongPartError(
                    f"a target cannot be called {name!r}: its name also names a cassette", "targets", m
                )
        if (n := second(ids)) is not None:
            raise WrongPartError(
                f"another target is called {ids[n]!r} too: give them names that tell them apart", "targets", n
            )
        return self

    @model_validator(mode="after")
    def _tells_tools_apart(self) -> Scenario:
        names = [tool.name for tool in self.tools]
        for n, name in enumerate(names):
            if name in names[:n]:
                raise WrongPartError(f"another tool is called {name!r} too", "tools", n)
        if self.tool_choice not in (None, "auto", "none", "required", *names):
            raise WrongPartError(
                f"{self.tool_choice!r} is neither auto, none or required nor one of the tools", "tool_choice"
            )
        return self

    @model_validator(mode="after")
    def _fills_in(self) -> Scenario:
        if (n := second([case.name for case in self.cases])) is not None:
            raise WrongPartError("another case is called so too: they would share a cassette", "cases", n)
        check_variables(self)
        return self

    def conversation(self, folder: Path = Path()) -> Prompt:
        """Return what is sent before the turns. folder: the scenario's, for the files it names."""
        return self.prompt if self.prompt is not None else tuple(m.message(folder) for m in self.messages)

    def placed_texts(self) -> Iterator[tuple[Steps, Any]]:
        """Yield what may hold variables, checks aside, with the steps that lead to it."""
        yield ("prompt",), self.prompt
        for key in ("messages", "turns"):
            for n, message in enumerate(getattr(self, key)):
                yield (key, n, "content"), [part.model_dump() for part in message.content]
        for n, tool in enumerate(self.tools):
            yield ("tools", n, "description"), tool.description
            yield ("tools", n, "result"), tool.result

    def placed_checks(self) -> Iterator[tuple[Steps, Check]]:
        """Yield the checks, those of the turns too, with the steps that lead to them."""
        yield from ((("checks", n), check) for n, check in enumerate(self.checks))
        for m, turn in enumerate(self.turns):
            yield from ((("turns", m, "checks", n), check) for n, check in enumerate(turn.checks))

    def checks_of_turn(self, number: int) -> tuple[Check, ...]:
        """Return the checks of a turn, counted from 0."""
        return over(self.turns[number].checks, self.checks) if self.turns else self.checks

    def filled(self, variables: Variables) -> Scenario:
        """Return the scenario with these variables filled in, and no others left."""
        return self.model_copy(
            update={
                "vars": dict(variables),
                "prompt": None if self.prompt is None else filled_text(self.prompt, variables),
                "messages": tuple(message.filled(variables) for message in self.messages),
                "turns": tuple(turn.filled(variables) for turn in self.turns),
                "tools": tuple(tool.filled(variables) for tool in self.tools),
                "checks": tuple(check.filled(variables) for check in self.checks),
            }
        )


def second(names: Sequence[str]) -> int | None:
    """Return the first position of a name that a file system may take for one before it, if there is one."""
    folded = [name.casefold() for name in names]
    return next((n for n, name in enumerate(folded) if name and name in folded[:n]), None)
