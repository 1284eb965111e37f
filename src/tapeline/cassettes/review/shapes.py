"""The shape of a response: what an API promises, without what a model happened to say.

Status, media type, event types, key paths with the types of their values, and a few words of the API itself
such as finish reasons. Never text: two answers to the same question have one shape. What is free by nature,
such as the arguments of a tool, is an object and no more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tapeline.cassettes.interaction import RecordedResponse
from tapeline.cassettes.review.contents import Content, ContentKind, content_of, media_type
from tapeline.cassettes.review.differences import readable
from tapeline.types import Json

Severity = Literal["removed", "changed", "optional", "added"]
"""From what breaks a client to what it will not notice. optional: null on one side, a value on the other."""

SEVERITIES: tuple[Severity, ...] = ("removed", "changed", "optional", "added")

WORDS = frozenset(
    {"finish_reason", "stop_reason", "stopReason", "done_reason", "status", "type", "role", "object"}
)
"""Keys whose texts are words of the API: another word there is another shape."""

FREE_KEYS = frozenset(
    {
        *("arguments", "args", "input", "parameters", "schema", "json_schema", "input_schema", "inputSchema"),
        *("metadata", "requestMetadata", "additionalModelResponseFields", "top_logprobs", "logit_bias"),
    }
)
"""Keys whose objects are the caller's or the model's: what is in them is no one's promise."""

MAY_BE_MISSING = frozenset({"ping"})
"""Events that come when the server likes."""

_NAME = re.compile(r"(?!.*\d{6})[A-Za-z_@$][\w:@$-]{0,63}")
_WORD = re.compile(r"[A-Za-z_][\w.:-]{0,63}")

Types: TypeAlias = frozenset[str]
"""Types of the values in one place, named as in JSON; a word of the API stands for itself, in quotes."""

Paths: TypeAlias = dict[str, set[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What an answer looks like. events: event types in the order they first came -> the paths in them.

    A plain JSON body is one event without a type. Lists have one path for all their items, "$.a[].b", but
    objects that name their type are kept apart: "$.content[text].text".
    """

    status: int
    media_type: str
    kind: ContentKind
    events: Mapping[str, Mapping[str, Types]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeDifference:
    """One thing that changed. place: "status", an event, or a path. old, new: "" where there was nothing."""

    severity: Severity
    place: str
    old: str
    new: str

    @property
    def is_breaking(self) -> bool:
        """Whether a client may stumble over it."""
        return self.severity in ("removed", "changed")

    def __str__(self) -> str:
        if not self.old or not self.new:
            return f"{self.severity}: {self.place} ({self.old or self.new})"
        return f"{self.severity}: {self.place}: {self.old} -> {self.new}"


def shape_of(response: RecordedResponse) -> Shape:
    """Return the shape of a response, whatever its framing."""
    content = content_of(response)
    return Shape(
        status=response.status,
        media_type=media_type(response),
        kind=content.kind,
        events=_events(content) if content.kind != "text" else {},
    )


def shape_differences(recorded: RecordedResponse, live: RecordedResponse) -> list[ShapeDifference]:
    """Return how the shape of a live answer differs from the recorded one, what breaks first.

    Answers of another status or media type are not compared further.
    """
    old, new = shape_of(recorded), shape_of(live)
    if heads := list(_head_differences(old, new)):
        return heads
    found = [*_event_differences(old, new)]
    for type in old.events.keys() & new.events.keys():
        found += _path_differences(type, old.events[type], new.events[type])
    return sorted(found, key=lambda item: (SEVERITIES.index(item.severity), item.place))


# Shapes -------------------------------------------------------------------------------------------------


def _events(content: Content) -> dict[str, dict[str, Types]]:
    found: dict[str, Paths] = {}
    for event in content.events:
        if event.type not in MAY_BE_MISSING:
            _add_paths(event.value, found.setdefault(event.type, {}))
    return {type: {path: frozenset(types) for path, types in paths.items()} for type, paths in found.items()}


def _add_paths(value: Json, paths: Paths) -> None:
    """Note the types of a value and of all that is in it. No recursion: it may be nested at will."""
    waiting: list[tuple[str, str, Json]] = [("$", "", value)]
    while waiting:
        path, key, value = waiting.pop()
        kind = _kind_of_object(path, key, value)
        paths.setdefault(path, set()).add(f'"{kind}"' if kind else _type(key, value))
        if isinstance(value, list):
            waiting += ((f"{path}[]", key, item) for item in value)
        elif isinstance(value, dict) and key not in FREE_KEYS:
            inside = f"{path.removesuffix('[]')}[{kind}]" if kind else path
            paths.setdefault(inside, set()).add("object")
            waiting += ((f"{inside}.{_name(name)}", name, item) for name, item in value.items())


def _kind_of_object(path: str, key: str, value: Json) -> str:
    """Return which one of several an object is, if it says so: by its type, or as the only key of an item.

    The latter is Bedrock's way: {"text": ...} or {"toolUse": ...}. An event has its type already.
    """
    if not isinstance(value, dict) or path == "$" or key in FREE_KEYS:
        return ""
    kind = next(iter(value)) if len(value) == 1 and path.endswith("[]") else value.get("type")
    return kind if isinstance(kind, str) and _WORD.fullmatch(kind) else ""


def _type(key: str, value: Json) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return f'"{value}"' if key in WORDS and _WORD.fullmatch(value) else "string"
        case list():
            return "array"
        case _:
            return "object"


def _name(key: str) -> str:
    """Return a key, or "*" for one that is data itself: an id, a token, a sentence."""
    return key if _NAME.fullmatch(key) else "*"


# Differences --------------------------------------------------------------------------------------------


def _head_differences(old: Shape, new: Shape) -> Iterator[ShapeDifference]:
    pairs = {
        "status": (str(old.status), str(new.status)),
        "content-type": (old.media_type, new.media_type),
        "body": (old.kind, new.kind),
    }
    for place, (was, is_now) in pairs.items():
        if was != is_now:
            yield _difference("changed", place, was, is_now)


def _event_differences(old: Shape, new: Shape) -> Iterator[ShapeDifference]:
    for type in old.events.keys() - new.events.keys():
        yield _difference("removed", _place(type, ""), "event", "")
    for type in new.events.keys() - old.events.keys():
        yield _difference("added", _place(type, ""), "", "event")
    was = [type for type in old.events if type in new.events]
    is_now = [type for type in new.events if type in old.events]
    if was != is_now:
        yield _difference("changed", "order of events", ", ".join(was), ", ".join(is_now))


def _path_differences(
    type: str, old: Mapping[str, Types], new: Mapping[str, Types]
) -> Iterator[ShapeDifference]:
    for path in old.keys() - new.keys():
        if _is_expected(path, new):
            severity: Severity = "optional" if old[path] == {"null"} else "removed"
            yield _difference(severity, _place(type, path), _named(old[path]), "")
    for path in new.keys() - old.keys():
        if _is_expected(path, old):
            yield _difference("added", _place(type, path), "", _named(new[path]))
    for path in old.keys() & new.keys():
        if change := _type_change(old[path], new[path]):
            yield _difference(change, _place(type, path), _named(old[path]), _named(new[path]))


def _is_expected(path: str, paths: Mapping[str, Types]) -> bool:
    """Whether it says something that a path is missing: only if the object is there that would have it.

    An empty list says nothing of its items, and where an object became null, that is what is told.
    """
    return not path.endswith("]") and "object" in paths.get(path.rpartition(".")[0], ())


def _type_change(old: Types, new: Types) -> Severity | None:
    """Say how the types in one place changed; fewer of them are no change, as each answer has only some."""
    before, after = old - {"null"}, new - {"null"}
    if not before or not after:
        return "optional" if before != after else None
    if after <= before:
        return None
    is_only_more = before <= after and all(type.startswith('"') for type in after)
    return "added" if is_only_more else "changed"


def _difference(severity: Severity, place: str, old: str, new: str) -> ShapeDifference:
    return ShapeDifference(severity=severity, place=readable(place), old=readable(old), new=readable(new))


def _place(type: str, path: str) -> str:
    return f"event {type} {path}".strip() if type else path or "event"


def _named(types: Types) -> str:
    return " or ".join(sorted(types))
