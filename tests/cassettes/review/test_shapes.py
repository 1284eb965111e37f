"""Shapes: what an API changed is seen, what a model said otherwise is not."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

import pytest
from external import FILES, needs_recordings, recorded
from recordings import response

from tapeline.cassettes.interaction import Interaction, RecordedResponse
from tapeline.cassettes.matching import json_of
from tapeline.cassettes.review.shapes import ShapeDifference, shape_differences, shape_of
from tapeline.providers.eventstream import encode_event
from tapeline.types import Json


def plain(value: Json, **facts: int) -> RecordedResponse:
    return response(json.dumps(value).encode(), headers=[("content-type", "application/json")], **facts)


def sse(*events: tuple[str, Json]) -> RecordedResponse:
    """Events as (type, JSON); without a type there is no event line, and a text is sent as it is."""
    frames = [
        f"event: {type}\n" * bool(type) + f"data: {value if isinstance(value, str) else json.dumps(value)}"
        for type, value in events
    ]
    return response("\n\n".join(frames).encode(), headers=[("content-type", "text/event-stream")])


def frames(*events: tuple[str, Json]) -> RecordedResponse:
    body = b"".join(encode_event(type, json.dumps(value).encode()) for type, value in events)
    return response(body, headers=[("content-type", "application/vnd.amazon.eventstream")])


def lines(*values: Json) -> RecordedResponse:
    body = "\n".join(json.dumps(value) for value in values).encode()
    return response(body, headers=[("content-type", "application/x-ndjson")])


def differences(old: RecordedResponse, new: RecordedResponse) -> list[str]:
    return [str(found) for found in shape_differences(old, new)]


# Answers ------------------------------------------------------------------------------------------------


def completion(text: str | None = "Paris", reason: str = "stop", **more: Json) -> dict[str, Json]:
    message = {"role": "assistant", "content": text}
    return {
        "id": f"chatcmpl-{text}",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {"prompt_tokens": 3, "total_tokens": 5},
    } | more


def chat_chunks(*texts: str, reason: str = "stop") -> RecordedResponse:
    choices = [{"index": 0, "delta": {"content": text}, "finish_reason": None} for text in texts]
    choices.append({"index": 0, "delta": {}, "finish_reason": reason})
    chunks = [("", {"object": "chat.completion.chunk", "choices": [choice]}) for choice in choices]
    return sse(*chunks, ("", "[DONE]"))


def message_events(*texts: str, usage: Json = None) -> list[tuple[str, Json]]:
    deltas = [
        ("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": text}}) for text in texts
    ]
    return [
        ("message_start", {"message": {"role": "assistant", "usage": {"input_tokens": 3}}}),
        ("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}),
        *deltas,
        ("content_block_stop", {"index": 0}),
        ("message_delta", {"delta": {"stop_reason": "end_turn"}, "usage": usage or {"output_tokens": 2}}),
        ("message_stop", {"type": "message_stop"}),
    ]


def without(events: Iterable[tuple[str, Json]], type: str) -> list[tuple[str, Json]]:
    return [event for event in events if event[0] != type]


ping = ("ping", {"type": "ping"})
tool_call = {"type": "tool_use", "id": "1", "name": "look"}
calls = {"choices": [{"message": {"tool_calls": [{"function": {"arguments": '{"a": 1}'}}]}}]}
other_calls = {"choices": [{"message": {"tool_calls": [{"function": {"arguments": "[]"}}] * 2}}]}
converse = [("messageStart", {"role": "assistant"}), ("messageStop", {"stopReason": "end_turn"})]

SAME = {
    "another text": (plain(completion("Paris")), plain(completion("It is Paris, in France."))),
    "an integer and a fraction": (plain({"x": 1}), plain({"x": 1.5})),
    "another order of keys": (plain({"a": 1, "b": 2}), plain({"b": 2, "a": 1})),
    "chunks, more or fewer": (chat_chunks("Pa", "ris"), chat_chunks("P", "a", "r", "i", "s")),
    "a ping": (sse(*message_events("Paris")), sse(ping, *message_events("Pa", "ris"), ping)),
    "frames": (frames(*converse), frames(converse[0], *converse)),
    "lines": (
        lines({"done": False}, {"done": True}),
        lines({"done": False}, {"done": False}, {"done": True}),
    ),
    "JSON inside a text": (plain(calls), plain(other_calls)),
    "a tool's arguments": (
        plain({"content": [tool_call | {"input": {"city": "Paris"}}]}),
        plain({"content": [tool_call | {"input": {"town": {"type": "x"}, "zip": 1}}]}),
    ),
    "metadata": (plain({"metadata": {"a": "1"}}), plain({"metadata": {}})),
    "tokens as keys": (plain({"top_logprobs": [{" Paris": -1}]}), plain({"top_logprobs": [{" Rome": -2}]})),
    "ids as keys": (plain({"by id": {"x-123456789": 1}}), plain({"by id": {"x-987654321": 1}})),
    "a list without items": (plain({"items": [{"a": 1}]}), plain({"items": []})),
    "a kind of items that did not come": (
        plain({"content": [{"type": "text", "text": "a"}, tool_call]}),
        plain({"content": [tool_call]}),
    ),
    "an item named by its only key": (
        plain({"content": [{"text": "a"}, {"toolUse": {"name": "b"}}]}),
        plain({"content": [{"toolUse": {"name": "c"}}]}),
    ),
    "text": (response(b"one"), response(b"two")),
}


@pytest.mark.parametrize(("old", "new"), SAME.values(), ids=SAME.keys())
def test_what_a_model_may_vary_is_no_difference(old: RecordedResponse, new: RecordedResponse) -> None:
    assert differences(old, new) == []


paris = message_events("Paris")
swapped = [*paris[:-2], paris[-1], paris[-2]]

CHANGED = {
    "status": (plain({}), plain({}, status=429), ["changed: status: 200 -> 429"]),
    "media type": (
        plain({"a": 1}),
        chat_chunks("a"),
        ["changed: content-type: application/json -> text/event-stream", "changed: body: json -> sse"],
    ),
    "no JSON any more": (
        plain({}),
        replace(plain({}), body=b"<html>"),
        ["changed: body: json -> text"],
    ),
    "a key that is gone": (
        plain(completion()),
        plain(completion() | {"usage": {"total_tokens": 5}}),
        ["removed: $.usage.prompt_tokens (number)"],
    ),
    "an object that is gone, told once": (
        plain(completion()),
        plain({key: value for key, value in completion().items() if key != "usage"}),
        ["removed: $.usage (object)"],
    ),
    "a key that is new": (
        plain(completion()),
        plain(completion(service_tier="default")),
        ["added: $.service_tier (string)"],
    ),
    "another type": (
        plain(completion()),
        plain(completion(id=7)),
        ["changed: $.id: string -> number"],
    ),
    "a flag for a number": (plain({"x": 1}), plain({"x": True}), ["changed: $.x: number -> boolean"]),
    "a text that became a list": (
        plain({"content": "a"}),
        plain({"content": ["a"]}),
        ["changed: $.content: string -> array"],
    ),
    "null for a value": (
        plain(completion("a")),
        plain(completion(None)),
        ["optional: $.choices[].message.content: string -> null"],
    ),
    "null for an object, told once": (
        plain({"usage": {"a": 1}}),
        plain({"usage": None}),
        ["optional: $.usage: object -> null"],
    ),
    "a null that is gone": (plain({"a": None}), plain({}), ["optional: $.a (null)"]),
    "another finish reason": (
        plain(completion()),
        plain(completion(reason="length")),
        ['changed: $.choices[].finish_reason: "stop" -> "length"'],
    ),
    "another finish reason, streamed": (
        chat_chunks("a"),
        chat_chunks("a", reason="length"),
        [
            'changed: event chat.completion.chunk $.choices[].finish_reason: "stop" or null'
            ' -> "length" or null'
        ],
    ),
    "another object": (
        plain(completion()),
        plain(completion(object="chat")),
        ['changed: $.object: "chat.completion" -> "chat"'],
    ),
    "an item that was renamed": (
        plain({"content": [{"type": "text", "text": "a"}]}),
        plain({"content": [{"type": "output_text", "text": "a"}]}),
        ['changed: $.content[]: "text" -> "output_text"'],
    ),
    "a kind of items that is new": (
        plain({"content": [{"type": "text", "text": "a"}]}),
        plain({"content": [{"type": "text", "text": "a"}, tool_call]}),
        ['added: $.content[]: "text" -> "text" or "tool_use"'],
    ),
    "a key that is gone in one kind of items": (
        plain({"content": [{"type": "text", "text": "a", "id": 1}, tool_call]}),
        plain({"content": [{"type": "text", "text": "a"}, tool_call]}),
        ["removed: $.content[text].id (number)"],
    ),
    "an event that is gone": (
        sse(*paris),
        sse(*without(paris, "content_block_stop")),
        ["removed: event content_block_stop (event)"],
    ),
    "an event that is new": (
        sse(*paris),
        sse(*paris, ("message_end", {})),
        ["added: event message_end (event)"],
    ),
    "no [DONE]": (
        chat_chunks("a"),
        sse(("", {"object": "chat.completion.chunk", "choices": []})),
        ["removed: event [DONE] (event)"],
    ),
    "events in another order": (
        sse(*paris),
        sse(*swapped),
        [
            "changed: order of events: message_start, content_block_start, content_block_delta, "
            "content_block_stop, message_delta, message_stop -> message_start, content_block_start, "
            "content_block_delta, content_block_stop, message_stop, message_delta"
        ],
    ),
    "a key of one event": (
        sse(*message_events("a", usage={"output_tokens": 2, "cached": 0})),
        sse(*message_events("a", usage={"output_tokens": "2"})),
        [
            "removed: event message_delta $.usage.cached (number)",
            "changed: event message_delta $.usage.output_tokens: number -> string",
        ],
    ),
    "a frame that is gone": (
        frames(*converse),
        frames(converse[0]),
        ["removed: event messageStop (event)"],
    ),
    "a frame's word": (
        frames(*converse),
        frames(converse[0], ("messageStop", {"stopReason": "max_tokens"})),
        ['changed: event messageStop $.stopReason: "end_turn" -> "max_tokens"'],
    ),
    "a line's key": (
        lines({"done": False}, {"done": True, "eval_count": 3}),
        lines({"done": False}, {"done": True}),
        ["removed: $.eval_count (number)"],
    ),
}


@pytest.mark.parametrize(("old", "new", "expected"), CHANGED.values(), ids=CHANGED.keys())
def test_each_kind_of_change_is_told(
    old: RecordedResponse, new: RecordedResponse, expected: list[str]
) -> None:
    assert differences(old, new) == expected


def test_what_breaks_comes_first() -> None:
    """Removed, then changed, then null, then new."""
    old = plain({"a": "x", "b": 1, "c": 1})
    new = plain({"a": None, "b": "x", "d": 1})

    found = shape_differences(old, new)

    assert [(item.severity, item.is_breaking) for item in found] == [
        ("removed", True),
        ("changed", True),
        ("optional", False),
        ("added", False),
    ]
    assert found[1] == ShapeDifference(severity="changed", place="$.b", old="number", new="string")


def test_no_text_of_an_answer_is_shown() -> None:
    """Neither values nor keys that are data; nothing a terminal would obey."""
    old = plain({"a": "secret text", "status": "some \x1b[2J words"})
    new = plain({"a": 1, "status": 1, "a whole sentence": 1, "\x1b[2J": "secret text"})

    text = "\n".join(differences(old, new))

    assert "$.a:" in text
    assert "$.*" in text
    assert not any(word in text for word in ("secret", "words", "sentence", "\x1b"))


def test_an_answer_may_be_nested_as_deeply_as_it_likes() -> None:
    """Where Python reads it at all, its shape is found."""
    shape = shape_of(replace(plain({}), body=b'{"a":' * 500 + b"1" + b"}" * 500))

    assert len(shape.events[""]) == 501


# External recordings ------------------------------------------------------------------------------------


def alike(known: Interaction) -> tuple[object, ...] | None:
    """What two calls have in common that should be answered in one shape: the file, keys, kind of answer."""
    asked = json_of(known.request.body)
    shape = shape_of(known.response)
    if not isinstance(asked, dict) or known.response.status != 200:
        return None
    words = {
        (event, path, types)
        for event, paths in shape.events.items()
        for path, types in paths.items()
        if path.lower().endswith(("reason", "[]", "delta", "content_block"))
    }
    keys = {key: type(value) for key, value in asked.items()}
    return known.request.url, asked.get("model"), tuple(sorted(keys.items(), key=str)), frozenset(words)


@needs_recordings
def test_real_answers_to_calls_of_one_kind_have_one_shape() -> None:
    """Of the pairs within a file, recorded minutes apart; their texts differ."""
    pairs = []
    for path in FILES:
        groups = defaultdict(list)
        for known in recorded(path):
            groups[alike(known)].append(known.response)
        groups.pop(None, None)
        pairs += [pair for group in groups.values() for pair in itertools.combinations(group, 2)]
    pairs = [(old, new) for old, new in pairs if old.body != new.body]

    breaking = [found for old, new in pairs for found in shape_differences(old, new) if found.is_breaking]

    assert len(pairs) > 20
    assert breaking == []


@needs_recordings
def test_a_real_answer_has_its_own_shape_and_misses_what_is_taken_away() -> None:
    """Each top-level key of plain answers out of every fifth file, taken out in turn."""
    checked = 0
    for known in (known for path in FILES[::5] for known in recorded(path)):
        body = json_of(known.response.body)
        if not isinstance(body, dict) or shape_of(known.response).kind != "json":
            continue
        assert shape_differences(known.response, known.response) == []
        for key in body:
            rest = {name: value for name, value in body.items() if name != key}
            cut = replace(known.response, body=json.dumps(rest).encode())
            (found,) = shape_differences(known.response, cut)
            assert (found.severity, found.place) in {("removed", f"$.{key}"), ("optional", f"$.{key}")}
            checked += 1
    assert checked > 200
