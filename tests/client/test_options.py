"""What may be said per call, and what a model takes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from exchanges import BLOCKING, MOCK, QUESTION, R1, answer, both_faces
from wires import FACES, WIRES, Face, Server, Wire

from tapeline.capabilities import Capabilities
from tapeline.client.options import OPTIONS, POLICY_NAMES, check
from tapeline.client.policies import POLICIES
from tapeline.clock import VirtualClock
from tapeline.errors import ConfigError
from tapeline.media import Audio, Document, Image
from tapeline.types import ChatRequest, Tool, tool_result, user

# What may be said ----------------------------------------------------------------------------------

BAD_OPTIONS = {
    "unknown": (
        {"temprature": 1},
        "unknown option temprature; did you mean temperature. Known are extra, frequency_penalty",
    ),
    "a setting": ({"api_key": "sk-1"}, "unknown option api_key"),
    "too hot": ({"temperature": 2.5}, "option temperature: .*less than or equal to 2"),
    "not a number": ({"temperature": float("nan")}, "option temperature"),
    "no tokens": ({"max_tokens": 0}, "option max_tokens: .*greater than 0"),
    "no mapping": ({"extra": 3}, "option extra: .*dictionary"),
}


@both_faces
@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS.values(), ids=BAD_OPTIONS.keys())
def test_a_bad_option_is_refused_before_anything_is_sent(
    options: dict[str, Any], message: str, face: Face, clock: VirtualClock
) -> None:
    server = Server(clock, answer())
    model = face.model(server)

    for call in (face.generate, face.stream):
        with pytest.raises(ConfigError, match=message):
            call(model, clock, QUESTION, **options)
    with pytest.raises(ConfigError, match=message):
        model.bind(**options)

    assert server.requests == []


def test_options_of_a_call_go_over_those_of_the_model(clock: VirtualClock) -> None:
    """chat_model, then bind, then the call; None takes one back; each model keeps its own."""
    server = Server(clock, answer())
    model = FACES["blocking"].model(server, temperature=0.1, stop="END")

    hot = model.bind(temperature=0.9)
    hot.generate(QUESTION, temperature=0.5, seed=3)
    hot.generate(QUESTION, stop=None)
    model.generate(QUESTION, extra={"logprobs": True})

    bodies = [json.loads(request.body) for request in server.requests]
    assert [{k: v for k, v in body.items() if k not in {"model", "messages"}} for body in bodies] == [
        {"temperature": 0.5, "stop": ["END"], "seed": 3},
        {"temperature": 0.9},
        {"temperature": 0.1, "stop": ["END"], "logprobs": True},
    ]
    assert (model.name, hot.name, repr(hot)) == ("echo-1", "echo-1", "chat_model(mock:echo-1)")


def test_every_option_has_a_field_in_the_request_and_in_the_settings() -> None:
    fields = set(ChatRequest.__dataclass_fields__)
    assert fields >= OPTIONS
    assert fields - OPTIONS == {
        "model",
        "messages",
        "is_stream",
        "tools",
        "schema",
        "schema_name",
    }


# What a model takes --------------------------------------------------------------------------------

ANTHROPIC, OPENAI = WIRES["anthropic"], WIRES["openai"]
LOOK = Tool(name="look")
PIXEL = Image(data=b"\x89PNG", media_type="image/png")
CLIP = Audio(data=b"RIFF", media_type="audio/wav")
NOT_TAKEN: dict[str, tuple[Wire, dict[str, Any], str]] = {
    "refused": (ANTHROPIC, {"temperature": 0.5}, "5-5 does not take temperature: .* say it in the prompt"),
    "no such field": (OPENAI, {"top_k": 5}, r'gpt-5.4-mini does not take top_k: .*extra={"top_k": ...}'),
    "out of range": (
        replace(ANTHROPIC, name="anthropic:mine"),
        {"temperature": 1.5},
        "temperature of anthropic:mine goes from 0 to 1, not 1.5",
    ),
    "no tools": (R1, {"tools": [LOOK]}, "deepseek.r1-v1:0 knows no tools"),
    "no forced call": (
        replace(ANTHROPIC, name="anthropic:claude-opus-5-5"),
        {"tools": [LOOK], "tool_choice": "look"},
        "does not know the tool choice 'look', only auto, none",
    ),
    "no such tool": (
        MOCK,
        {"tools": [LOOK], "tool_choice": "loook"},
        "tool_choice 'loook' is neither auto, none or required nor one of the tools",
    ),
    "sound": (ANTHROPIC, {"prompt": user("What is this?", CLIP)}, "claude-haiku-5-5 takes no audio"),
}


@pytest.mark.parametrize(("wire", "given", "message"), NOT_TAKEN.values(), ids=NOT_TAKEN.keys())
def test_what_a_model_does_not_take_is_refused_before_it_is_sent(
    wire: Wire, given: dict[str, Any], message: str, clock: VirtualClock
) -> None:
    """It says which model, which option, and what to do instead."""
    server = Server(clock, answer(wire))
    model = BLOCKING.model(server, wire)
    options = {"prompt": QUESTION} | given

    for call in (model.generate, model.stream, model.run_tools):
        with pytest.raises(ConfigError, match=message):
            call(**options)

    assert server.requests == []


def test_what_is_not_known_to_fail_is_let_through(clock: VirtualClock) -> None:
    """An option at the end of its range, a picture, a choice that is no name, and no option at all."""
    server = Server(clock, answer())
    model = BLOCKING.model(server, temperature=2.0, top_k=0, metadata={})

    model.generate(user("What is this?", PIXEL), tools=[LOOK], tool_choice="auto")

    body = json.loads(server.requests[0].body)
    assert (body["temperature"], body["tool_choice"]) == (2.0, "auto")


def test_media_in_the_results_of_tools_counts_too() -> None:
    page = Document(media_type="application/pdf", data=b"%PDF-1.7")
    request = ChatRequest(model="m", messages=(tool_result("call-1", "see", page),))

    with pytest.raises(ConfigError, match=r"^m takes no documents"):
        check(request, "m", Capabilities(documents=False))
    check(request, "m", Capabilities(images=False))


MISPLACED = {
    "a policy": ({"retry": 3}, r"retry is a policy, .*model\.with_\(retry=\.\.\.\)"),
    "nearly right": ({"max_token": 3}, "did you mean max_tokens"),
}


@pytest.mark.parametrize(("options", "advice"), MISPLACED.values(), ids=MISPLACED.keys())
def test_what_is_no_option_is_refused_with_advice(options: dict[str, Any], advice: str) -> None:
    with pytest.raises(ConfigError, match=advice):
        BLOCKING.model(Server(VirtualClock(), answer())).generate(QUESTION, **options)


def test_a_schema_cannot_be_bound() -> None:
    with pytest.raises(ConfigError, match="a schema goes with each call"):
        BLOCKING.model(Server(VirtualClock(), answer())).bind(schema=dict)


def test_all_policies_are_known_when_they_are_misplaced() -> None:
    assert POLICY_NAMES == POLICIES
