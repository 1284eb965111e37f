"""Tools from what people have, and running one that a model has called.

A tool is made of a typed function, a pydantic model, a dataclass or a JSON schema. What goes wrong when it
is run (no such tool, arguments that do not fit, an exception) is told to the model as the tool's result, so
that it can do better; only a mistake of the program's is raised. How often to go round is the client's
business.
"""

from __future__ import annotations

import functools
import inspect
import json
import logging
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from inspect import Parameter
from typing import Annotated, Any, NotRequired, TypeAlias, get_type_hints, overload

from pydantic import ConfigDict, Field, TypeAdapter, with_config
from pydantic.fields import FieldInfo
from pydantic_core import to_json
from typing_extensions import TypedDict  # pydantic takes typing's own only from Python 3.12 on

from tapeline.errors import ConfigError, ErrorCode, LLMError
from tapeline.http.io import run_blocking
from tapeline.media import Document, Image
from tapeline.telemetry import tool_span
from tapeline.types import Json, Text, Tool, ToolCall, ToolResult
from tapeline.validation import adapter_of, check, checked_schema, explained, new_adapter, schema_of

TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")  # what every provider takes
BY_NAME = {Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY}
NO_PARAMETERS: Mapping[str, Json] = {"type": "object", "properties": {}}

Part: TypeAlias = Text | Image | Document
PARTS = (Text, Image, Document)

logger = logging.getLogger(__name__)


# Making tools ---------------------------------------------------------------------------------------


@overload
def tool(source: Callable[..., Any], /) -> Tool: ...


@overload
def tool(
    *, name: str | None = None, description: str | None = None
) -> Callable[[Callable[..., Any]], Tool]: ...


def tool(
    source: Callable[..., Any] | None = None, /, *, name: str | None = None, description: str | None = None
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a tool of a function: `@tool`, or `@tool(name="weather")`. The function is its `.function`."""
    make = functools.partial(as_tool, name=name, description=description)
    return make if source is None else make(source)


def as_tools(sources: Iterable[Any]) -> tuple[Tool, ...]:
    """Return the tools that the sources are, by `as_tool`. Raises ConfigError, also for two of one name."""
    if isinstance(sources, Tool | Mapping) or callable(sources):
        raise ConfigError("tools are several: put the one you have into a list")
    made = tuple(as_tool(source) for source in sources)
    names = Counter(tool.name for tool in made)
    if twice := [name for name, count in names.items() if count > 1]:
        raise ConfigError(f"more than one tool is called {twice[0]!r}: take names that tell them apart")
    return made


def as_tool(source: Any, *, name: str | None = None, description: str | None = None) -> Tool:
    """Return the tool that `source` is or describes; `name` and `description` go over its own.

    source: a Tool; a function or coroutine function with a type for each parameter (none means any),
    described by its docstring in Google's, NumPy's or Sphinx's style; a pydantic model or a dataclass; a dict
    of name, description and parameters (a JSON schema), also in OpenAI's or Anthropic's form.
    Raises ConfigError.
    """
    made = _tool_of(source, name)
    if description is not None:
        made = replace(made, description=description)
    if not TOOL_NAME.fullmatch(made.name):
        raise ConfigError(
            f"{made.name!r} is no name for a tool: take 1 to 64 of a-z, A-Z, 0-9, _ and -, with name=..."
        )
    return made


def _tool_of(source: Any, name: str | None) -> Tool:
    match source:
        case Tool():
            return source if name is None else replace(source, name=name)
        case Mapping():
            return _described_tool(source, name)
        case type():
            return _class_tool(source, name or source.__name__)
        case _ if callable(source):
            return _function_tool(source, name or _name_of(source))
        case _:
            raise ConfigError(f"{source!r} is no tool: pass a function, a pydantic model, a dict or a Tool")


def _described_tool(source: Mapping[str, Json], name: str | None) -> Tool:
    definition = source["function"] if isinstance(source.get("function"), Mapping) else source
    # Anthropic's word is input_schema.
    parameters = definition.get("parameters") or definition.get("input_schema") or NO_PARAMETERS
    checked_schema(parameters)
    return Tool(
        name=name or definition.get("name") or "",
        description=definition.get("description") or "",
        parameters=parameters,
    )


def _class_tool(kind: type, name: str) -> Tool:
    """A tool whose result is an instance, for models that shall fill one in."""
    reader = adapter_of(kind)
    schema = schema_of(reader)
    if "properties" not in schema:
        raise ConfigError(f"{name} has no fields that a model could fill in: pass a model or a dataclass")
    docstring = schema.pop("description", "")
    return _typed_tool(name, docstring, schema, TypedFunction(reader=reader, run=lambda instance: instance))


def _function_tool(function: Callable[..., Any], name: str) -> Tool:
    arguments = _arguments_type(function, name)
    try:
        reader = new_adapter(arguments)
        schema = schema_of(reader)
    except ConfigError as error:
        raise ConfigError(f"tool {name}: {error.message}") from error
    runner = TypedFunction(reader=reader, run=lambda arguments: function(**arguments))
    return _typed_tool(name, inspect.getdoc(_inner(function)), schema, runner)


def _typed_tool(name: str, docstring: str | None, schema: dict[str, Json], function: TypedFunction) -> Tool:
    from docstring_parser import parse

    documented = parse(docstring or "")
    for parameter in documented.params:
        if parameter.description and parameter.arg_name in schema["properties"]:
            text = " ".join(parameter.description.split())
            schema["properties"][parameter.arg_name].setdefault("description", text)
    schema.pop("title", None)  # the tool's name says it
    description = (documented.description or "").strip()
    return Tool(name=name, description=description, parameters=schema, function=function)


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedFunction:
    """What runs a tool whose arguments pydantic reads: `run` takes what `reader` made of them."""

    reader: TypeAdapter[Any]
    run: Callable[[Any], Any]

    def __call__(self, **arguments: Any) -> Any:
        """Run the tool. Raises pydantic's ValidationError for arguments that do not fit."""
        return self.run(self.reader.validate_python(arguments))


# Reading signatures ---------------------------------------------------------------------------------


def _inner(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function inside a `functools.partial`: it has the name, the docstring and the globals."""
    return function.func if isinstance(function, functools.partial) else function


def _name_of(function: Callable[..., Any]) -> str:
    return getattr(_inner(function), "__name__", type(function).__name__)


def _arguments_type(function: Callable[..., Any], name: str) -> Any:
    """Return the type of a function's arguments: a TypedDict of its parameters.

    Not a pydantic model: parameters may be called `schema`, `copy` or `_unit`.
    """
    parameters = _parameters(function, name)
    types = _types(function, parameters, name)
    fields = {parameter.name: _field(parameter, types) for parameter in parameters}
    arguments = TypedDict(name, fields)  # type: ignore[misc]  # mypy wants the fields written out
    return with_config(ConfigDict(extra="forbid"))(arguments)


def _parameters(function: Callable[..., Any], name: str) -> list[Parameter]:
    """Return the parameters that a model may fill in: all but those a partial has fixed."""
    fixed = function.keywords if isinstance(function, functools.partial) else {}
    try:
        signature = inspect.signature(function)
    except ValueError as error:  # some functions written in C
        raise ConfigError(f"tool {name}: {error}. Wrap it in a function of yours.") from error
    parameters = [parameter for parameter in signature.parameters.values() if parameter.name not in fixed]
    for parameter in parameters:
        _refuse_unnamed(parameter, name)
    return parameters


def _refuse_unnamed(parameter: Parameter, tool_name: str) -> None:
    if parameter.kind not in BY_NAME:
        raise ConfigError(
            f"tool {tool_name}: a model gives arguments by name, which {parameter} does not take. "
            "Give each parameter a name of its own."
        )
    if parameter.name == "self" and parameter.annotation is Parameter.empty:
        raise ConfigError(f"tool {tool_name}: this is a method without its object; pass the bound method")


def _types(function: Callable[..., Any], parameters: list[Parameter], name: str) -> dict[str, Any]:
    """Return the annotations of parameters, those in quotes resolved. The result's type is not looked at."""

    def stand_in() -> None: ...

    stand_in.__annotations__ = {
        parameter.name: parameter.annotation
        for parameter in parameters
        if parameter.annotation is not Parameter.empty
    }
    try:
        return get_type_hints(stand_in, globalns=_globals(function), include_extras=True)
    except (NameError, TypeError) as error:
        raise ConfigError(
            f"tool {name}: cannot read its annotations: {error}. Define the types it names in its module."
        ) from error


def _globals(function: Callable[..., Any]) -> dict[str, Any]:
    inner = inspect.unwrap(_inner(function))
    holder = inner if hasattr(inner, "__globals__") else type(inner).__call__
    return getattr(holder, "__globals__", {})  # what is written in C has none


def _field(parameter: Parameter, types: Mapping[str, Any]) -> Any:
    kind = types.get(parameter.name, Any)
    if parameter.default is Parameter.empty:
        return kind
    is_field = isinstance(parameter.default, FieldInfo)  # city: str = Field(description=...)
    field = parameter.default if is_field else Field(default=parameter.default)
    return Annotated[kind, field] if field.is_required() else NotRequired[Annotated[kind, field]]


# Running tools --------------------------------------------------------------------------------------


def run_tool(tools: Mapping[str, Tool], call: ToolCall) -> ToolResult:
    """Run the tool that was called; what goes wrong is in the result, marked as an error.

    Raises ConfigError for a tool without a function, or one whose function is a coroutine's.
    """
    return run_blocking(_answer(tools, call, _refuse_awaitable))


async def arun_tool(tools: Mapping[str, Tool], call: ToolCall) -> ToolResult:
    """`run_tool` for asyncio: a coroutine is awaited.

    A plain function runs where it is and so blocks the loop; put a slow one into a coroutine function that
    calls `asyncio.to_thread`.
    """
    return await _answer(tools, call, _await)


Settle: TypeAlias = Callable[[ToolCall, Any], Awaitable[Any]]
"""Makes a result of what a tool returned, which may be something to await."""


async def _answer(tools: Mapping[str, Tool], call: ToolCall, settle: Settle) -> ToolResult:
    with tool_span(name=call.name, call_id=call.id) as record:
        try:
            run = _called(tools, call)
            with _failures(call):
                value = run()
            value = await settle(call, value)
            with _failures(call):
                return ToolResult(id=call.id, content=_content(value))
        except ConfigError:
            raise  # nothing a model could mend
        except LLMError as error:
            record.failed(error)
            return ToolResult(id=call.id, content=error.message, is_error=True)


def _called(tools: Mapping[str, Tool], call: ToolCall) -> Callable[[], Any]:
    """Return what there is to run, the arguments read. Raises LLMError."""
    tool = tools.get(call.name)
    if tool is None:
        known = ", ".join(sorted(tools)) or "none"
        raise LLMError(f"no tool is called {call.name!r}; there are: {known}", code=ErrorCode.TOOL_NOT_FOUND)
    if tool.function is None:
        raise ConfigError(
            f"nothing runs the tool {tool.name}: give it a function, or answer its calls yourself"
        )
    try:
        return _with_arguments(tool.function, tool, call)
    except (ValueError, RecursionError) as error:
        raise LLMError(
            f"the arguments of {call.name} do not fit: {explained(error)}", code=ErrorCode.TOOL_CALL_ERROR
        ) from error


def _with_arguments(function: Callable[..., Any], tool: Tool, call: ToolCall) -> Callable[[], Any]:
    if isinstance(function, TypedFunction):
        return functools.partial(function.run, function.reader.validate_json(call.raw_arguments or "{}"))
    arguments = call.arguments
    check(arguments, tool.parameters)
    return functools.partial(function, **arguments)


@contextmanager
def _failures(call: ToolCall) -> Iterator[None]:
    """Turn whatever a tool raises into LLMError (tool_execution_error); cancellation is no failure."""
    try:
        yield
    except Exception as error:
        logger.debug("tool %s failed", call.name, exc_info=True)
        said = ": ".join(filter(None, (type(error).__name__, str(error))))
        raise LLMError(said, code=ErrorCode.TOOL_EXECUTION_ERROR) from error


async def _await(call: ToolCall, value: Any) -> Any:
    if not inspect.isawaitable(value):
        return value
    with _failures(call):
        return await value


async def _refuse_awaitable(call: ToolCall, value: Any) -> Any:
    if not inspect.isawaitable(value):
        return value
    if inspect.iscoroutine(value):
        value.close()  # or Python warns that it was never awaited
    raise ConfigError(f"the tool {call.name} is a coroutine function: use arun_tools, or a plain function")


# Results --------------------------------------------------------------------------------------------


def _content(value: Any) -> str | tuple[Part, ...]:
    if isinstance(value, PARTS):
        return (value,)
    if isinstance(value, (list, tuple)) and any(isinstance(item, PARTS) for item in value):
        return tuple(item if isinstance(item, PARTS) else Text(_text(item)) for item in value)
    return _text(value)


def _text(value: Any) -> str:
    """Return a value as JSON; what JSON says as a mere string (a date, any other object) without quotes."""
    if isinstance(value, str):
        return value
    try:
        text = to_json(value, fallback=str).decode()
    except ValueError:  # it refers to itself, or holds bytes that are no text
        return str(value)
    return json.loads(text) if text.startswith('"') else text
