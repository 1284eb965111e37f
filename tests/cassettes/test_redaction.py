"""Secrets: known ones are blanked, suspected ones refuse the file, and no message says them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import clients
import httpx2
import openai
import pytest
from local_server import Answer, Asked, LocalServer
from recordings import chat, interaction, request, response, timed

from tapeline.cassettes import use_cassette
from tapeline.cassettes.fileformat import load, save
from tapeline.cassettes.interaction import Interaction
from tapeline.cassettes.matching import Matcher
from tapeline.cassettes.redaction import KEPT_HEADERS, masked, redacted
from tapeline.errors import CassetteError, CassetteMissError
from tapeline.latency.pacing import IncomingRequest
from tapeline.providers.bedrock import BedrockCodec
from tapeline.types import Chunk

CANARY = "canary-0123456789"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cassette.yaml"


# Known secrets ------------------------------------------------------------------------------------------

CARRIERS: Mapping[str, IncomingRequest] = {
    "bearer": request(headers={"authorization": f"Bearer {CANARY}"}),
    "proxy": request(headers={"proxy-authorization": f"Basic {CANARY}"}),
    "anthropic": request(headers={"x-api-key": CANARY}),
    "azure": request(headers={"api-key": CANARY}),
    "google": request(headers={"x-goog-api-key": CANARY}),
    "aws session": request(headers={"x-amz-security-token": CANARY}),
    "cookie": request(headers={"cookie": f"theme=dark; session={CANARY}"}),
    "query": request(url=f"http://model.test/?key={CANARY}&version=1"),
    "signed query": request(url=f"http://model.test/?X-Amz-Signature={CANARY}"),
    "userinfo": request(url=f"http://user:{CANARY}@model.test/"),
    "signature": request(
        headers={
            "authorization": "AWS4-HMAC-SHA256 Credential=nobody/20261123/us-east-1/bedrock/aws4_request, "
            f"SignedHeaders=content-type;host;x-amz-date, Signature={CANARY}"
        }
    ),
    "access key id": request(
        headers={
            "authorization": f"AWS4-HMAC-SHA256 Credential={CANARY}/20261123/us-east-1/bedrock/aws4_request, "
            "SignedHeaders=content-type;host;x-amz-date, Signature=00"
        }
    ),
    "an unknown header": request(headers={"x-tenant": CANARY, "openai-organization": CANARY}),
}


@pytest.mark.parametrize("asked", CARRIERS.values(), ids=CARRIERS.keys())
def test_a_credential_is_not_written(asked: IncomingRequest, path: Path) -> None:
    save(path, [interaction(asked)])

    assert "canary" not in path.read_text()


@pytest.mark.parametrize("asked", [*CARRIERS.values()][:-1], ids=[*CARRIERS][:-1])
def test_a_credential_that_comes_back_in_the_answer_is_not_written(
    asked: IncomingRequest, path: Path
) -> None:
    answer = response(f'{{"error": "bad key {CANARY}"}}'.encode(), headers=[("x-request-id", f"id-{CANARY}")])

    save(path, [interaction(asked, answer)])

    assert "canary" not in path.read_text()


@pytest.mark.parametrize(
    "header",
    [
        f"session={CANARY}; Path=/; HttpOnly",
        f"a=b; Expires=Wed, 21 Oct 2026 07:28:00 GMT, session={CANARY}; Path=/",
    ],
    ids=["one", "several joined"],
)
def test_cookies_that_are_set_are_not_written(header: str, path: Path) -> None:
    answer = response(f"you are {CANARY}".encode(), headers=[("Set-Cookie", header)])

    save(path, [interaction(answer=answer)])

    assert "canary" not in path.read_text()
    assert "cookie" not in path.read_text().lower()


@pytest.mark.parametrize(
    "name", ["ACME_API_KEY", "ACME_TOKEN", "CLIENT_SECRET", "DB_PASSWORD", "CREDENTIALS"]
)
def test_secrets_of_the_environment_are_not_written(
    name: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, CANARY)
    asked = request(chat(f"my key is {CANARY}"), headers={"user-agent": f"agent {CANARY}"})
    answer = response(f"your key is {CANARY}".encode(), headers=[("server", CANARY)])

    save(path, [interaction(asked, answer)])

    assert "canary" not in path.read_text()


def test_a_secret_that_two_blocks_share_is_not_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the blocks keep their sizes."""
    monkeypatch.setenv("ACME_API_KEY", CANARY)
    first, second = b'data: {"text": "' + CANARY[:8].encode(), CANARY[8:].encode() + b'"}\n\n'

    save(path, [interaction(answer=timed((first, 0.1), (second, 0.2)))])

    [loaded] = load(path)
    assert "canary" not in path.read_text()
    assert [len(block) for block in loaded.response.blocks()] == [len(first), len(second)]
    assert loaded.response.body == b'data: {"text": "REDACTED*********"}\n\n'


def test_short_and_ordinary_words_are_no_secrets(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scheme of a signature, its field names and the attributes of a cookie are words like others."""
    monkeypatch.setenv("TINY_KEY", "abc")
    text = chat(
        "abc: what are Signature, Credential, SignedHeaders, content-type, x-amz-date, AWS4-HMAC-SHA256, "
        "HttpOnly, SameSite and session_id?"
    )
    signed = {
        "authorization": "AWS4-HMAC-SHA256 Credential=n/1/r/s/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, Signature=0123456789abcdef"
    }
    cookie = ("set-cookie", "session_id=0123456789; Path=/; HttpOnly; SameSite=Strict")
    before = interaction(request(text, headers=signed), response(b"HttpOnly", headers=[cookie]))

    save(path, [before])

    assert load(path)[0].request.body == before.request.body
    assert load(path)[0].response.body == b"HttpOnly"


ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/claude"


def test_account_ids_are_not_written(path: Path) -> None:
    before = interaction(
        request({"profile": ARN}, url=f"http://aws.test/model/{ARN.replace(':', '%3A')}/converse"),
        response(f"User: arn:aws:iam::123456789012:user/me may not use {ARN}".encode()),
    )

    save(path, [before])

    assert "123456789012" not in path.read_text()
    [loaded] = load(path)
    assert Matcher().digest(loaded.request) == Matcher().digest(before.request)
    assert len(loaded.response.body) == len(before.response.body)


def test_frames_of_an_event_stream_stay_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A blanked frame gets the checksum of what it says now, so that it can still be read."""
    monkeypatch.setenv("ACME_API_KEY", CANARY)
    codec = BedrockCodec()
    chunks = [Chunk(text="the key is "), Chunk(text=CANARY), Chunk(text="."), Chunk(finish_reason="stop")]
    blocks = list(codec.encode_stream(chunks, model="m"))
    answer = timed(
        *((block, n / 10) for n, block in enumerate(blocks)),
        headers=[("content-type", codec.stream_media_type)],
    )

    save(path, [interaction(answer=answer)])

    loaded = load(path)[0].response
    decoder = codec.stream_decoder()
    text = "".join(chunk.text for block in loaded.blocks() for chunk in decoder.feed(block))
    decoder.finish()
    assert text == "the key is REDACTED*********."
    assert [len(block) for block in loaded.blocks()] == [len(block) for block in blocks]


# Headers ------------------------------------------------------------------------------------------------


def test_headers_are_an_allow_list() -> None:
    """What is not known to be harmless is left out, whatever its case."""
    kept = {"Content-Type": "a", "Retry-After": "1", "X-RateLimit-Remaining": "5", "X-Amzn-RequestId": "r"}
    dropped = {"Date": "d", "CF-Ray": "x", "OpenAI-Organization": "acme", "X-Anything": "?"}

    answer = redacted(interaction(answer=response(b"", headers=[*kept.items(), *dropped.items()])))

    assert dict(answer.response.headers) == kept


@pytest.mark.parametrize(
    "name", ["authorization", "x-api-key", "cookie", "set-cookie", "openai-organization"]
)
def test_no_credential_is_on_the_list(name: str) -> None:
    assert not KEPT_HEADERS.fullmatch(name)


def test_redirects_keep_their_way_but_not_its_secrets() -> None:
    answer = response(b"", status=307, headers=[("location", f"http://h/next?token={CANARY}&page=2")])

    kept = redacted(interaction(answer=answer)).response

    assert kept.headers == (("location", "http://h/next?page=2"),)


# Suspected secrets --------------------------------------------------------------------------------------

SUSPECTS = {
    "an OpenAI or Anthropic key": "sk-ant-api03-abcdefghijklmnop",
    "an AWS access key id": "AKIAIOSFODNN7EXAMPLE",
    "a Bedrock API key": f"ABSK{'QmVkcm9ja0FQSUtleS0x' * 3}",
    "a Google API key": f"AIza{'Sy' * 17}A",
    "a Groq key": f"gsk_{'a1' * 12}",
    "a Hugging Face token": f"hf_{'aB' * 17}",
    "a GitHub token": f"ghp_{'a1' * 18}",
    "a Slack token": "xoxb-123456789012-abc",
    "a bearer token": "Bearer abcdefghijklmnopqrstuvwx",
    "a JSON web token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
    "a private key": "-----BEGIN RSA PRIVATE KEY-----",
}


def suspicious(secret: str) -> dict[str, Interaction]:
    """The secret in every place of an interaction that is written."""
    return {
        "prompt": interaction(request(chat(f"my key: {secret}"))),
        "answer": interaction(answer=response(f"line\nline\ndata: {secret}\n".encode())),
        "binary answer": interaction(answer=response(b"\xff\x00" + secret.encode() + b"\xff")),
        "binary upload": interaction(request(b"\xff\x00" + secret.encode() + b"\xff")),
        "header": interaction(answer=response(b"", headers=[("server", secret)])),
        "reason": interaction(answer=response(b"", reason=secret)),
        "URL": interaction(request(url=f"http://model.test/{secret}")),
        "provenance": interaction(answer=response(b"", meta={"upstream": secret})),
    }


@pytest.mark.parametrize(("kind", "secret"), SUSPECTS.items(), ids=SUSPECTS.keys())
@pytest.mark.parametrize("place", ["prompt", "binary answer"])
def test_what_looks_like_a_key_refuses_the_file(kind: str, secret: str, place: str, path: Path) -> None:
    with pytest.raises(CassetteError) as raised:
        save(path, [suspicious(secret)[place]])

    assert f"looks as if it held {kind} (" in raised.value.message
    assert secret not in str(raised.value)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("place", suspicious("").keys())
def test_a_key_is_found_wherever_it_stands(place: str, path: Path) -> None:
    with pytest.raises(CassetteError, match="not written"):
        save(path, [suspicious(SUSPECTS["an OpenAI or Anthropic key"])[place]])


def test_the_line_is_named(path: Path) -> None:
    """So that it can be found by recording once more without the key."""
    answer = response(b"first\nsecond\nsk-abcdefghijklmnopqrst\n")

    with pytest.raises(CassetteError) as raised:
        save(path, [interaction(answer=answer)])

    harmless = response(b"first\nsecond\nHERE\n")
    save(path, [interaction(answer=harmless)])
    line = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if "HERE" in text)
    assert f"line {line} " in raised.value.message


def test_the_interaction_of_a_binary_body_is_named(path: Path) -> None:
    with pytest.raises(CassetteError, match="interaction 2, response body looks as if"):
        save(path, [interaction(), suspicious(SUSPECTS["a GitHub token"])["binary answer"]])


def test_a_refused_save_keeps_the_old_file(path: Path) -> None:
    save(path, [interaction()])
    before = path.read_bytes()

    with pytest.raises(CassetteError):
        save(path, [suspicious(SUSPECTS["an AWS access key id"])["prompt"]])

    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "text",
    [
        "ask-me-anything-you-want-today",
        "sk-short",
        "a risk-averse-but-long-hyphenated-word",
        "AKIA",
        "eyJ.eyJ.",
    ],
)
def test_ordinary_words_refuse_nothing(text: str, path: Path) -> None:
    save(path, [interaction(request(chat(text)))])

    assert load(path)[0].request.body == request(chat(text)).body


@pytest.mark.parametrize("secret", SUSPECTS.values(), ids=SUSPECTS.keys())
def test_messages_are_masked(secret: str) -> None:
    assert secret not in masked(f"before {secret} after")
    assert masked(f"before {secret} after").startswith("before ")


# All of it, through real clients ------------------------------------------------------------------------


def echo_all(asked: Asked) -> Answer:
    """The worst server: it says everything it was told, and sets a cookie."""
    told = json.dumps({"headers": dict(asked.headers), "path": asked.path, "body": asked.body.decode()})
    return Answer(blocks=[told.encode()], headers={"set-cookie": "session=canary-set-cookie; HttpOnly"})


def test_no_client_leaves_a_secret_in_a_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_API_KEY", "canary-environment")

    with LocalServer(echo_all) as server, use_cassette(path, record_mode="once"):
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key="canary-openai", max_retries=0) as client:
            client.chat.completions.with_raw_response.create(
                model="m", messages=clients.messages("canary-environment")
            )
        with clients.bedrock(server.url) as bedrock:
            bedrock.invoke_model(modelId=ARN, body=b"{}")["body"].read()
        host = server.url.removeprefix("http://")
        httpx2.get(f"http://user:canary-userinfo@{host}/?key=canary-query", cookies={"a": "canary-cookie"})

    text = path.read_text()
    assert len(load(path)) == 3
    for secret in ("canary", "123456789012", "set-cookie", "authorization: AWS4"):
        assert secret not in text.lower()
    for asked in server.asked:
        if "Signature=" in (signed := asked.headers.get("authorization", "")):
            assert signed.rpartition("Signature=")[2] not in text


def test_no_miss_says_a_secret(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_API_KEY", "canary-environment")
    save(path, [interaction(request(chat("hello")))])

    with use_cassette(path), pytest.raises(CassetteMissError) as raised:
        httpx2.post(
            "http://model.test/?key=canary-query",
            json=chat("canary-environment canary-header"),
            headers={"authorization": "Bearer canary-header"},
        )

    assert "canary" not in str(raised.value)
    assert "canary" not in repr(raised.value.args)
