"""Scenarios with their cassettes: a file as people write it, and answers as a provider would have given them.

The bytes are those of the codec's own encoder; nothing here opens a socket.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from tapeline.cassettes.interaction import Interaction, RecordedResponse
from tapeline.cassettes.storage.fileformat import save
from tapeline.latency.pacing import IncomingRequest, RecordedTimes
from tapeline.providers.openai import OpenAICodec
from tapeline.scenarios import ScenarioFile, load_scenario
from tapeline.structured import schema_name
from tapeline.types import ChatRequest, Chunk, Reply, Usage, assistant, messages_of

URL = "http://127.0.0.1:1/v1"
NAME = "greet"
USAGE = Usage(input_tokens=4, output_tokens=2)

_CODEC = OpenAICodec()


def scenario_in(folder: Path, **keys: Any) -> Path:
    """Write `scenarios/greet.yaml`, with these keys over what every scenario needs; None leaves one out."""
    content = {
        "name": NAME,
        "prompt": "Say two words.",
        "targets": [{"model": "openai:m", "base_url": URL}],
    } | keys
    path = folder / "scenarios" / f"{content['name']}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump({key: value for key, value in content.items() if value is not None}))
    return path


def taped(folder: Path, *answers: RecordedResponse, **keys: Any) -> ScenarioFile:
    """Write a scenario, and a cassette in which its first target gave these answers, one a call."""
    file = load_scenario(scenario_in(folder, **keys))
    save(file.cassette(file.scenario.targets[0]), [_recorded(file, answer) for answer in answers])
    return file


def answered(text: str) -> RecordedResponse:
    """A whole answer."""
    reply = Reply(message=assistant(text), finish_reason="stop", usage=USAGE, model="m", id="answer-1")
    return RecordedResponse(
        status=200,
        reason="OK",
        headers=(("content-type", "application/json"),),
        body=_CODEC.encode_response(reply),
    )


def streamed(*words: str, head_s: float = 0.0, gap_s: float = 0.0) -> RecordedResponse:
    """A stream whose words came `gap_s` apart, the first one that long after the head."""
    chunks = [*(Chunk(text=word) for word in words), Chunk(finish_reason="stop", usage=USAGE)]
    blocks = list(_CODEC.encode_stream(chunks, model="m"))
    ends_s = [gap_s * min(number, len(words)) for number in range(1, len(blocks) + 1)]
    times = RecordedTimes(
        head_s=head_s, blocks=tuple((len(b), s) for b, s in zip(blocks, ends_s, strict=True))
    )
    return RecordedResponse(
        status=200,
        reason="OK",
        headers=(("content-type", "text/event-stream"),),
        body=b"".join(blocks),
        times=times,
    )


def refused(status: int, message: str, code: str | None = None) -> RecordedResponse:
    """An error in the provider's own form."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return RecordedResponse(
        status=status,
        reason="",
        headers=(("content-type", "application/json"),),
        body=json.dumps({"error": error}).encode(),
    )


def _recorded(file: ScenarioFile, answer: RecordedResponse) -> Interaction:
    scenario = file.scenario
    request = ChatRequest(
        model="m",
        messages=messages_of(scenario.conversation()),
        schema=scenario.json_schema,
        schema_name=schema_name(scenario.json_schema) if scenario.json_schema else "",
        is_stream=scenario.stream,
    )
    asked = IncomingRequest(
        method="POST",
        url=f"{URL}/chat/completions",
        headers={},
        body=_CODEC.encode_request(request).body,
    )
    return Interaction(request=asked, response=answer)
