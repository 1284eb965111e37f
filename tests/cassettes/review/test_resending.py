"""Sending again: today's answers are compared by shape, nothing is changed, and no key goes astray."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from local_server import Answer, Asked, LocalServer, echo
from recordings import chat, interaction, request, response

from tapeline.cassettes.interaction import Interaction, RecordedResponse
from tapeline.cassettes.review.resending import Rechecked, Sender, signed, verify
from tapeline.cassettes.review.shapes import ShapeDifference
from tapeline.errors import ConfigError, LLMError
from tapeline.latency.pacing import IncomingRequest, TransportFailure
from tapeline.types import Json

JSON = ("content-type", "application/json")
URL = "https://api.openai.com/v1/chat/completions"


def known(answer: Json, *, body: Json = None, url: str = URL) -> Interaction:
    return interaction(
        request(body or chat("hi"), url=url), response(json.dumps(answer).encode(), headers=[JSON])
    )


def answering(answer: Json, *, status: int = 200) -> RecordedResponse:
    return response(json.dumps(answer).encode(), headers=[JSON], status=status, reason="Said")


# Comparing ----------------------------------------------------------------------------------------------


def test_an_answer_of_the_same_shape_is_fine() -> None:
    """Whatever it says."""
    [found] = verify([known({"text": "yes"})], lambda _: answering({"text": "no"}))

    assert found == Rechecked(number=1, name=f"POST {URL}")
    assert not found.is_breaking


def test_differences_are_told_by_interaction() -> None:
    live = answering({"text": 1, "more": True})

    first, second = verify(
        [known({"text": 2, "more": False}), known({"text": "yes"}, body=chat("2"))], lambda _: live
    )

    assert (first.number, first.differences) == (1, ())
    assert (second.number, second.is_breaking) == (2, True)
    assert second.differences == (
        ShapeDifference(severity="changed", place="$.text", old="string", new="number"),
        ShapeDifference(severity="added", place="$.more", old="", new="boolean"),
    )


def test_what_is_only_more_breaks_nothing() -> None:
    [found] = verify([known({})], lambda _: answering({"more": 1}))

    assert (len(found.differences), found.is_breaking) == (1, False)


def test_equal_requests_are_sent_once() -> None:
    """They cost money; each recorded answer is compared all the same."""
    sent: list[IncomingRequest] = []

    def send(asked: IncomingRequest) -> RecordedResponse:
        sent.append(asked)
        return answering({"a": 1})

    found = list(verify([known({"a": 1}), known({"a": "1"}), known({"a": 1}, body=chat("else"))], send))

    assert len(sent) == 2
    assert [bool(each.differences) for each in found] == [False, True, False]


@pytest.mark.parametrize("status", [401, 403, 429, 500, 529])
def test_a_status_that_says_nothing_of_the_api_is_a_problem(status: int) -> None:
    [found] = verify([known({})], lambda _: answering({}, status=status))

    assert found.problem == f"not answered: {status} Said"


def test_a_recorded_error_is_compared_with_that_of_today() -> None:
    recorded = known({"error": "x"})
    refused = replace(recorded, response=replace(recorded.response, status=429))

    [found] = verify([refused], lambda _: answering({"error": "y"}, status=429))

    assert (found.problem, found.differences) == (None, ())


def test_another_status_is_another_shape() -> None:
    [found] = verify([known({})], lambda _: answering({}, status=404))

    assert [str(each) for each in found.differences] == ["changed: status: 200 -> 404"]


def test_no_answer_is_a_problem() -> None:
    def send(_: IncomingRequest) -> RecordedResponse:
        raise LLMError("no answer: it was night")

    [found] = verify([known({})], send)

    assert found.problem == "no answer: it was night"


NOT_SENT = {
    "what might change something": known({}, url="https://api.openai.com/v1/files"),
    "what ended in a failure": interaction(
        request(chat("hi")), response(failure=TransportFailure(kind="reset", at_s=1.0))
    ),
}


@pytest.mark.parametrize("recorded", NOT_SENT.values(), ids=NOT_SENT.keys())
def test_some_is_not_sent(recorded: Interaction) -> None:
    [found] = verify([recorded], lambda _: pytest.fail("sent"))

    assert found.is_skipped
    assert (found.problem or "").startswith("not sent: ")


def test_embeddings_are_sent() -> None:
    [found] = verify([known({"a": 1}, url="https://any.test/v1/embeddings")], lambda _: answering({}))

    assert [str(each) for each in found.differences] == ["removed: $.a (number)"]


# Sending ------------------------------------------------------------------------------------------------


def test_a_request_is_sent_as_it_was_recorded() -> None:
    """To the target, without what the transport adds and without anything secret."""
    body = {**chat("hi"), "stream": True}
    headers = {
        "user-agent": "sdk",
        "cookie": "id=1",
        "x-api-key": "old",
        "accept-encoding": "gzip",
        "host": "x",
    }
    recorded = request(body, url=f"{URL}?a=1", headers=headers)

    with LocalServer(echo) as server, Sender(target=server.url) as sender:
        answer = sender(recorded)

    [asked] = server.asked
    assert (asked.method, asked.path, asked.body) == ("POST", "/v1/chat/completions?a=1", recorded.body)
    assert asked.headers["user-agent"] == "sdk"
    assert asked.headers["accept-encoding"] == "identity"
    assert not {"cookie", "x-api-key", "authorization"} & asked.headers.keys()
    assert (answer.status, dict(answer.headers)["content-type"]) == (200, "text/event-stream")
    assert answer.body.endswith(b"data: [DONE]\n\n")


def test_a_redirect_is_an_answer() -> None:
    """Keys must not follow one."""

    def redirect(_: Asked) -> Answer:
        return Answer(blocks=[b""], status=307, headers={"location": "http://127.0.0.1:1/"})

    with LocalServer(redirect) as server, Sender(target=server.url) as sender:
        assert sender(request(chat("hi"))).status == 307


def test_a_server_that_is_not_there_gives_no_answer() -> None:
    with (
        Sender(target="http://127.0.0.1:9", timeout_s=5) as sender,
        pytest.raises(LLMError, match="no answer: "),
    ):
        sender(request(chat("hi")))


@pytest.mark.parametrize("target", ["localhost:80", "ftp://x", "http://", "http://x/v1", "http://x?y=1"])
def test_a_target_is_scheme_and_host(target: str) -> None:
    with pytest.raises(ConfigError, match="such as http://localhost:11434"):
        Sender(target=target)


# Keys ---------------------------------------------------------------------------------------------------

PATH = "/v1/chat/completions"
BEDROCK = "https://bedrock-runtime.eu-west-1.amazonaws.com/model/m/converse"
VARIABLES = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "AWS_BEARER_TOKEN_BEDROCK", "OLLAMA_API_KEY")


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """One for each vendor: its variable is its value."""
    for name in VARIABLES:
        monkeypatch.setenv(name, name)


OWNERS = {
    "OpenAI": (f"https://api.openai.com{PATH}", {"authorization": "Bearer OPENAI_API_KEY"}),
    "Anthropic": ("https://api.anthropic.com/v1/messages", {"x-api-key": "ANTHROPIC_API_KEY"}),
    "Anthropic in OpenAI's format": (f"https://api.anthropic.com{PATH}", {"x-api-key": "ANTHROPIC_API_KEY"}),
    "Bedrock": (BEDROCK, {"authorization": "Bearer AWS_BEARER_TOKEN_BEDROCK"}),
    "Ollama's cloud": ("https://ollama.com/api/chat", {"authorization": "Bearer OLLAMA_API_KEY"}),
    "this machine": (f"http://localhost:11434{PATH}", {}),
}


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(("url", "headers"), OWNERS.values(), ids=OWNERS.keys())
def test_a_key_goes_to_its_owner(url: str, headers: dict[str, str]) -> None:
    assert signed(request({}, url=url), url, {}, is_trusted=False) == headers


STRANGERS = [
    f"https://evil.test{PATH}",
    f"https://api.openai.com.evil.test{PATH}",
    f"https://api.openai.com@evil.test{PATH}",
    f"http://api.openai.com{PATH}",
    f"https://evilapi.openai.com{PATH}",
    "https://bedrock-runtime.eu-west-1.amazonaws.com.evil.test/model/m/converse",
    "https://evil.s3.amazonaws.com/model/m/converse",
    "http://bedrock-runtime.eu-west-1.amazonaws.com/model/m/converse",
]


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("url", STRANGERS)
def test_no_key_goes_to_a_stranger(url: str) -> None:
    """A cassette may name any host."""
    with pytest.raises(ConfigError, match="not sent: "):
        signed(request({}, url=url), url, {}, is_trusted=False)


TRUSTED = {
    "OpenAI's format": (PATH, {"authorization": "Bearer OPENAI_API_KEY"}),
    "Anthropic's": ("/v1/messages", {"x-api-key": "ANTHROPIC_API_KEY"}),
    "Bedrock's": ("/model/m/converse", {"authorization": "Bearer AWS_BEARER_TOKEN_BEDROCK"}),
    "embeddings": ("/v1/embeddings", {"authorization": "Bearer OPENAI_API_KEY"}),
}


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(("path", "headers"), TRUSTED.values(), ids=TRUSTED.keys())
def test_a_host_the_user_names_gets_the_key_of_the_wire_format(path: str, headers: dict[str, str]) -> None:
    """Over TLS; without, it gets none."""
    asked = request({}, url=f"https://old.test{path}")

    assert signed(asked, f"https://mine.test{path}", {}, is_trusted=True) == headers
    assert signed(asked, f"http://mine.test{path}", {}, is_trusted=True) == {}


def test_a_key_that_is_not_set_is_named() -> None:
    url = f"https://api.openai.com{PATH}"

    with pytest.raises(ConfigError, match="OPENAI_API_KEY is not set"):
        signed(request({}, url=url), url, {}, is_trusted=False)


def test_bedrock_is_signed_for_its_region(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no bearer token."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    headers = signed(request({}, url=BEDROCK), BEDROCK, {"accept": "*/*"}, is_trusted=False)

    assert "/eu-west-1/bedrock/aws4_request" in {k.lower(): v for k, v in headers.items()}["authorization"]
