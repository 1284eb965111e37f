"""Structured output: how to ask a model for a value of a schema, and how to read it in the answer.

There are three ways: the API takes the schema (native), the answer is the call of a tool, or the model is
told in words (prompt). Pure decisions: nothing here sends; who retries is the client.
A schema is a pydantic model, a dataclass, a TypedDict, another type of JSON values, or a JSON schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Set
from dataclasses import replace
from itertools import takewhile
from typing import Any

import msgspec

from tapeline.capabilities import Capabilities
from tapeline.errors import ErrorCode, LLMError
from tapeline.types import ChatRequest, Json, Message, Reply, Tool, ToolCall, system, tool_result, user
from tapeline.validation import adapter_of, checked_schema, explained, per_type, schema_of, value_of

ANSWER_TOOL = "Give your answer by calling this tool."
ASK_FOR_CALL = "When you have your answer, give it by calling the tool {name}, not as text."
ASK_FOR_JSON = (
    "Answer with one JSON object that follows this JSON schema, and with nothing else: "
    "no explanation, no Markdown.\n{schema}"
)
ASK_AGAIN = "{problem}\nGive the whole answer again, corrected, in the same form."

DEFINITIONS = ("$schema", "$defs", "definitions")
"""Keywords that belong to the root of a schema, wherever the rest of it goes."""

OPENING = re.compile(r"[{\[]")


# The schema that is sent ----------------------------------------------------------------------------


def json_schema(schema: Any) -> Mapping[str, Json]:
    """Return the JSON schema to send: strict where it comes from a type, an object at its root in any case.

    Raises ConfigError for what is no schema.
    """
    if not isinstance(schema, Mapping):
        return _schema_of_type(schema)
    checked_schema(schema)
    return _with_object_root(dict(schema))


@per_type
def _schema_of_type(kind: Any) -> Mapping[str, Json]:
    return _with_object_root(_strict(schema_of(adapter_of(kind))))


def schema_name(schema: Any) -> str:
    """Return a name for the schema, as some APIs want one."""
    title = schema.get("title") if isinstance(schema, Mapping) else getattr(schema, "__name__", None)
    return "".join(c if c.isalnum() and c.isascii() else "_" for c in title or "answer")[:64]


def _with_object_root(schema: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return the schema, in an object of one `value` if it describes anything else: APIs want an object."""
    if _describes_object(schema):
        return schema
    value = {keyword: part for keyword, part in schema.items() if keyword not in DEFINITIONS}
    root = {keyword: part for keyword, part in schema.items() if keyword in DEFINITIONS}
    wrapper = {"type": "object", "properties": {"value": value}, "required": ["value"]}
    return {**root, **wrapper, "additionalProperties": False}


def _is_object(schema: Any) -> bool:
    """Whether the values of a schema are JSON objects, so that none had to be put around them."""
    return _describes_object(schema) if isinstance(schema, Mapping) else _is_object_type(schema)


@per_type
def _is_object_type(kind: Any) -> bool:
    return _describes_object(schema_of(adapter_of(kind)))


def _describes_object(schema: Mapping[str, Json]) -> bool:
    return schema.get("type") == "object" or "properties" in schema


def _strict(schema: Json) -> Json:
    """Return a schema of pydantic's in the form that strict APIs demand, as OpenAI's SDK and pydantic-ai do.

    Objects are closed and require all they have: the model writes null, or the default it is told of. A
    reference stands alone, and a choice is `anyOf`.
    """
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {keyword: _strict_value(keyword, value) for keyword, value in schema.items()}
    _tell_default(strict)
    if "properties" in strict:
        strict.setdefault("additionalProperties", False)
        strict["required"] = list(strict["properties"])
    if "oneOf" in strict:
        strict["anyOf"] = strict.pop("oneOf")
        strict.pop("discriminator", None)
    if "$ref" in strict and len(strict) > 1:
        strict["anyOf"] = [{"$ref": strict.pop("$ref")}]
    return strict


def _strict_value(keyword: str, value: Json) -> Json:
    """Walk into the schemas below a keyword. Names and data are none, even if called "properties"."""
    if keyword in {"properties", "patternProperties", "$defs"}:
        return {name: _strict(schema) for name, schema in value.items()}
    return value if keyword in {"default", "const", "enum", "examples", "discriminator"} else _strict(value)


def _tell_default(schema: dict[str, Json]) -> None:
    """Move a default into the description. A null goes without saying."""
    default = schema.pop("default", None)
    if default is not None:
        said = schema.get("description", "")
        schema["description"] = f"{said} Default: {json.dumps(default)}".lstrip()


# The request ----------------------------------------------------------------------------------------


def prepared(request: ChatRequest, schema: Any, capabilities: Capabilities) -> ChatRequest:
    """Return the request that asks for a value of `schema` in the way the model knows.

    Raises ConfigError for what is no schema.
    """
    match capabilities.structured_output:
        case "native":
            return replace(request, schema=json_schema(schema), schema_name=schema_name(schema))
        case "tool":
            return _answered_by_tool(request, schema, capabilities.tool_choices)
        case "prompt":
            return _instructed(request, ASK_FOR_JSON.format(schema=json.dumps(json_schema(schema))))


def _answered_by_tool(request: ChatRequest, schema: Any, known: Set[str]) -> ChatRequest:
    name = schema_name(schema)
    answer = Tool(name=name, description=ANSWER_TOOL, parameters=json_schema(schema))
    choice = _forcing_choice(name, has_others=bool(request.tools), known=known)
    asking = replace(request, tools=(*request.tools, answer), tool_choice=choice)
    return _instructed(asking, ASK_FOR_CALL.format(name=name)) if choice is None else asking


def _forcing_choice(name: str, *, has_others: bool, known: Set[str]) -> str | None:
    """Return the choice that makes a model call the answer; None if it can only be asked to.

    Beside tools of the caller's, the answer is not forced: they could never be called.
    """
    if "named" in known and not has_others:
        return name
    return "required" if "required" in known else None


def _instructed(request: ChatRequest, instruction: str) -> ChatRequest:
    """Return the request with one more system message, after those it begins with."""
    opening = len(list(takewhile(lambda message: message.role == "system", request.messages)))
    messages = (*request.messages[:opening], system(instruction), *request.messages[opening:])
    return replace(request, messages=messages)


# The answer -----------------------------------------------------------------------------------------


def is_answer(reply: Reply, schema: Any) -> bool:
    """Whether a reply is meant to hold the value; False while the model asks for other tools first."""
    return not reply.tool_calls or _answering_call(reply, schema) is not None


def parse(reply: Reply, schema: Any) -> Any:
    """Return the value a reply holds: in the answering tool's arguments, else in its text.

    Raises LLMError with the reply on `.partial`: invalid_response if the answer does not fit, tool_call_error
    if there is none yet.
    """
    call = _answering_call(reply, schema)
    if call is None and reply.tool_calls:
        names = ", ".join(call.name for call in reply.tool_calls)
        problem = f"no answer yet: the model asks for {names}. Send it the results first"
        raise LLMError(problem, code=ErrorCode.TOOL_CALL_ERROR, partial=reply)
    try:
        return _read(reply.text if call is None else call.raw_arguments, schema)
    except ValueError as error:
        problem = _obstacle(reply) or f"the answer does not fit the schema: {explained(error)}"
        raise LLMError(problem, code=ErrorCode.INVALID_RESPONSE, partial=reply) from error


def _answering_call(reply: Reply, schema: Any) -> ToolCall | None:
    name = schema_name(schema)
    return next((call for call in reply.tool_calls if call.name == name), None)


def _obstacle(reply: Reply) -> str | None:
    """Return why there is no whole answer, if it is not for want of trying."""
    if reply.finish_reason == "length":
        return "the answer was cut off at max_tokens: allow more, or ask for less"
    if reply.finish_reason == "refusal" or reply.refusal:
        return f"the model refused to answer: {reply.refusal or reply.text or 'it did not say why'}"
    if reply.finish_reason == "content_filter":
        return "the provider's content filter stopped the answer"
    return None


def _read(text: str, schema: Any) -> Any:
    """Return the value in a text; whoever was only told to write JSON may have put words around it."""
    try:
        return value_of(_unwrapped(text, schema), schema)
    except ValueError:
        inner = lone_json(text)
        if inner is None or inner == text.strip():
            raise
        return value_of(_unwrapped(inner, schema), schema)


class _Wrapper(msgspec.Struct, forbid_unknown_fields=True):
    value: msgspec.Raw


_WRAPPER = msgspec.json.Decoder(_Wrapper)


def _unwrapped(text: str, schema: Any) -> str:
    """Return the text without the object we asked for around it; a model may also have left it away."""
    if _is_object(schema):
        return text
    try:
        return bytes(_WRAPPER.decode(text).value).decode()
    except (msgspec.DecodeError, UnicodeError):
        return text


def lone_json(text: str) -> str | None:
    """Return the one JSON object or array in a text, as it is written, such as in a Markdown fence.

    It must be the first thing in brackets, and no other object may follow: what is cut off has whole
    objects inside that are not the answer.
    """
    opening = OPENING.search(text)
    if opening is None:
        return None
    try:
        _, end = json.JSONDecoder().raw_decode(text, opening.start())
    except (ValueError, RecursionError):
        return None
    return None if "{" in text[end:] else text[opening.start() : end]


# One more try ---------------------------------------------------------------------------------------


def is_correctable(error: LLMError) -> bool:
    """Whether the model may do better if it is told what was wrong: not if it refused or was cut off."""
    reply = error.partial
    return error.code is ErrorCode.INVALID_RESPONSE and reply is not None and _obstacle(reply) is None


def correction(reply: Reply, error: LLMError) -> tuple[Message, ...]:
    """Return the messages that go after the request's own: the answer that was wrong, and what was."""
    problem = ASK_AGAIN.format(problem=error.message)
    if reply.tool_calls:  # APIs want a result for each call
        results = (tool_result(call.id, problem, is_error=True) for call in reply.tool_calls)
        return (reply.message, *results)
    if not reply.message.content:  # nor do they take a turn without content
        return (user(problem),)
    return (reply.message, user(problem))
