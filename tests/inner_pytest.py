"""A pytest inside pytest, as bare as can be, and what an OpenAI server once told its tests."""

from __future__ import annotations

import json
from pathlib import Path

# pytester forgets the modules that an inner run imported first; the SDKs' HTTP stack must not be loaded
# twice, or its exceptions have two identities and nothing translates them any more.
import anthropic  # noqa: F401
import boto3  # noqa: F401
import httpcore  # noqa: F401
import httpcore2  # noqa: F401
import ollama  # noqa: F401
import openai  # noqa: F401
import pytest
import vcr  # noqa: F401
from local_server import LocalServer

from tapeline.cassettes.interaction import Interaction, RecordedResponse
from tapeline.cassettes.storage.fileformat import save
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


NOBODY = '"http://127.0.0.1:1/v1"'

ASK = """
    import openai, pytest

    def ask(prompt="hi", url="http://127.0.0.1:1/v1", model="m", **options):
        with openai.OpenAI(base_url=url, api_key="key-of-nobody", max_retries=0) as client:
            return client.chat.completions.create(
                model=model, messages=[{"role": "user", "content": prompt}], **options
            )

    def said(answer):
        return answer.choices[0].message.content

    def streamed(prompt, url):
        with openai.OpenAI(base_url=url, api_key="key-of-nobody", max_retries=0) as client:
            messages = [{"role": "user", "content": prompt}]
            stream = client.chat.completions.create(model="m", messages=messages, stream=True)
            return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
"""


class Inner:
    """A folder with one test module, `test_it.py`, and cassettes for its tests."""

    def __init__(self, pytester: pytest.Pytester, server: LocalServer | None = None) -> None:
        self.pytester = pytester
        self.server = server

    def cassette(self, test: str) -> Path:
        return self.pytester.path / "cassettes" / "test_it" / f"{test}.yaml"

    def run(self, code: str, *arguments: str, **cassettes: list[Interaction]) -> pytest.RunResult:
        self.write(code, **cassettes)
        return self.again(*arguments)

    def write(self, code: str, **cassettes: list[Interaction]) -> None:
        for test, interactions in cassettes.items():
            save(self.cassette(test), interactions)
        self.pytester.makepyfile(test_it=f"{ASK}\n{code}")

    def record(self, code: str, *arguments: str, mode: str = "once") -> pytest.RunResult:
        """Run with the server at the address that `ask` uses, and at `URL`."""
        assert self.server is not None
        url = f'"{self.server.url}/v1"'
        self.pytester.makepyfile(test_it=f"{ASK.replace(NOBODY, url)}\n    URL = {url}\n{code}")
        return self.again(f"--record-mode={mode}", *arguments)

    def again(self, *arguments: str) -> pytest.RunResult:
        """Run what is there."""
        return self.pytester.runpytest_inprocess(*ALONE, *arguments)
