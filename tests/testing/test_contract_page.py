"""docs/contract.md is true: its provider keeps the contract, recorded and replayed as the page says."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import schoolchild
from inner_pytest import ALONE
from local_server import Answer, Asked, LocalServer

import tapeline
from tapeline import registry
from tapeline.testing.misuse import NO_MODEL, WRONG_KEY
from tapeline.testing.stand_in import stream_blocks
from tapeline.types import ChatRequest, HttpRequest

pytest_plugins = ["pytester"]

PAGE = Path(__file__).parents[2] / "docs" / "contract.md"
PROVIDER, TEST = (
    re.search(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)[1]
    for language in ("python", "py")
)


@pytest.fixture
def acme(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module on the page, whose provider is forgotten afterwards."""
    monkeypatch.setattr(registry, "_PROVIDERS", dict(registry._PROVIDERS))
    module = ModuleType("acme")
    exec(compile(PROVIDER, str(PAGE), "exec"), module.__dict__)
    return module


def server_of(codec: Any) -> Any:
    """Return what answers as Acme's servers would."""

    def answer(asked: Asked) -> Answer:
        http = HttpRequest(method=asked.method, path=asked.path, headers=asked.headers, body=asked.body)
        request = codec.decode_request(http)
        if WRONG_KEY in asked.headers["authorization"]:
            return Answer(blocks=[b'{"error": "who are you?"}'], status=401)
        if request.model == NO_MODEL:
            return Answer(blocks=[b'{"error": "no such rocket"}'], status=404)
        reply = said(request)
        if request.is_stream:
            return Answer(blocks=tuple(stream_blocks(codec, reply)), media_type=codec.stream_media_type)
        return Answer(blocks=[codec.encode_response(reply)])

    return answer


def said(request: ChatRequest) -> tapeline.Reply:
    mock = tapeline.Mock(replies=schoolchild.answer)
    return tapeline.chat_model("mock:rocket-1", client=mock).answer(request)


@pytest.mark.slow
def test_the_provider_on_the_page_keeps_the_contract(acme: Any, pytester: pytest.Pytester) -> None:
    """Recorded from a server, then replayed without it."""
    with LocalServer(server_of(acme.AcmeCodec())) as server:
        pytester.makepyfile(acme=PROVIDER, test_acme=TEST.replace("https://api.acme.example", server.url))
        recorded = pytester.runpytest_inprocess(*ALONE, "-q", "--record-mode=new_episodes")
    replayed = pytester.runpytest_inprocess(*ALONE, "-q")

    for result in (recorded, replayed):
        outcomes = result.parseoutcomes()
        assert set(outcomes) == {"passed", "skipped"}, outcomes
        assert outcomes["passed"] > 90
