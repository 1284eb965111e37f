"""A place calls go to: its name, what it can do, and its secrets."""

from __future__ import annotations

import json
import traceback
from typing import Any

import httpx2
import pytest
from exchanges import BLOCKING, MOCK, QUESTION, answer, both_faces, causes, every_wire, failure
from wires import Face, Server, Wire, plain, streamed, words

from tapeline.client import chat_model
from tapeline.clock import VirtualClock
from tapeline.errors import ConfigError, LLMError

CANARY = "sk-canary-0123456789"


@every_wire
@both_faces
def test_a_key_shows_up_nowhere_but_in_its_header(wire: Wire, face: Face, clock: VirtualClock) -> None:
    """Not in the model, and not in any error, its attributes, its traceback or what is below it."""
    broken = [failure(401), httpx2.ConnectError("refused"), plain(b"<html>"), streamed([b"data: {\n\n"])]
    model = face.model(Server(clock, answer(wire)), wire, api_key=CANARY)
    said = [repr(model), str(model), repr(model.bind(temperature=0.5))]

    for response in broken:
        server = Server(clock, response)
        sending = face.model(server, wire, api_key=CANARY, max_retries=0)
        for call in (face.generate, face.stream):
            with pytest.raises(LLMError) as raised:
                call(sending, clock, QUESTION)
            said += traceback.format_exception(raised.value)
            said += [text for error in causes(raised.value) for text in (repr(error), repr(vars(error)))]
        assert (CANARY in str(server.requests[0].headers)) == (wire is not MOCK)

    assert [text for text in said if CANARY in text] == []


@pytest.mark.parametrize(
    "settings",
    [
        {"api_key": f"{CANARY}\n"},
        {"api_key": f"{CANARY}é"},
        {"api_key": CANARY, "timeout_s": -1},
        {"api_key": CANARY, "api_keys": CANARY},
        {"base_url": f"https://me:{CANARY}@host"},
        {"api_key": {"value": CANARY}},
    ],
    ids=lambda settings: "+".join(settings),
)
def test_a_setting_that_is_wrong_is_not_repeated(settings: dict[str, Any]) -> None:
    """The message names the setting, never the value."""
    with pytest.raises(ConfigError) as raised:
        chat_model("openai:m", **settings)

    error = raised.value
    said = ["".join(traceback.format_exception(error)), repr(vars(error)), repr(error.__context__)]
    assert [text for text in said if CANARY in text] == []


ECHOES = {
    "whole": f"Incorrect API key provided: {CANARY}.",
    "as a header": f"invalid authorization: Bearer {CANARY}",
    "starred, as OpenAI does": "Incorrect API key provided: sk-canar*********************6789.",
    "somebody else's": "upstream said: sk-ant-api03-abcdefghijklmnop is revoked",
}


@both_faces
@pytest.mark.parametrize("message", ECHOES.values(), ids=ECHOES.keys())
def test_a_key_that_a_server_echoes_is_taken_out(message: str, face: Face, clock: VirtualClock) -> None:
    """Of a stream that breaks later, too, and of the short form of an error that logs and debuggers show."""
    event = b"data: " + json.dumps({"error": {"message": message, "type": "server_error"}}).encode() + b"\n\n"
    words_first = MOCK.blocks(words(MOCK.reply()))[0]
    server = Server(clock, failure(401, message=message), streamed([words_first, event]))
    model = face.model(server, api_key=CANARY)

    said = []
    for call in (face.generate, face.stream):
        with pytest.raises(LLMError) as raised:
            call(model, clock, QUESTION)
        said += [str(raised.value), repr(raised.value), repr(vars(raised.value))]

    assert [text for text in said if "sk-" in text or "6789" in text] == []
    assert "[secret]" in said[0]
    assert len(server.requests) == 2


def test_a_short_key_is_a_secret_too(clock: VirtualClock) -> None:
    """It looks like nothing, but it is known."""
    model = BLOCKING.model(Server(clock, failure(401, message="no user hunter2")), api_key="hunter2")

    with pytest.raises(LLMError) as raised:
        model.generate(QUESTION)

    assert raised.value.message == "no user [secret]"
    assert "hunter2" not in repr(model.targets)


def test_a_target_has_the_name_that_makes_it() -> None:
    """And knows what its model can do."""
    [target] = chat_model("anthropic:claude-haiku-5-5", api_key="k").targets

    assert target.name == "anthropic:claude-haiku-5-5"
    assert target.capabilities == target.codec.capabilities("claude-haiku-5-5")
    assert "temperature" in target.capabilities.refused
