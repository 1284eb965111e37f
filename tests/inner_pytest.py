"""A pytest inside pytest, as bare as can be, and what an OpenAI server once told its tests."""

from __future__ import annotations

import json

# pytester forgets the modules that an inner run imported first; the SDKs' HTTP stack must not be loaded
# twice, or its exceptions have two identities and nothing translates them any more.
import anthropic  # noqa: F401
import boto3  # noqa: F401
import httpcore  # noqa: F401
import httpcore2  # noqa: F401
import ollama  # noqa: F401
import openai  # noqa: F401
import vcr  # noqa: F401

from tapeline.cassettes.interaction import Interaction, RecordedResponse
from tapeline.latency.pacing import IncomingRequest, RecordedTimes
from tapeline.providers.openai import OpenAICodec
from tapeline.types import Reply, Usage, assistant

BARE = [f"-pno:{name}" for name in ("randomly", "cacheprovider", "hypothesispytest", "anyio", "platformdirs")]
"""Without the plugins that take long to start."""

ALONE = [*BARE, "-pno:xdist"]
URL = "http://127.0.0.1:1/v1"


def recording(prompt: str = "hi", answer: str = "hello", url: str = URL) -> Interaction:
    """What an OpenAI server said, after two seconds."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": prompt}]}).encode()
    reply = Reply(message=assistant(answer), finish_reason="stop", usage=Usage(), model="m", id="1")
    answered = OpenAICodec().encode_response(reply)
    return Interaction(
        request=IncomingRequest(
            method="POST",
            url=f"{url}/chat/completions",
            headers={"content-type": "application/json"},
            body=body,
        ),
        response=RecordedResponse(
            status=200,
            reason="OK",
            headers=(("content-type", "application/json"),),
            body=answered,
            times=RecordedTimes(head_s=2.0, blocks=((len(answered), 0.5),)),
        ),
    )
