"""Secrets: known ones are blanked, suspected ones refuse the file, and no message says them."""

from __future__ import annotations

import gzip
import json
import zlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path

import clients
import httpx2
import openai
import pytest
from local_server import Answer, Asked, LocalServer
from recordings import chat, interaction, request, response, timed

from tapeline.cassettes import load_tape, use_cassette
from tapeline.cassettes.interaction import Interaction
from tapeline.cassettes.matching import FORM, Matcher
from tapeline.cassettes.secrets.redaction import masked, redacted
from tapeline.cassettes.secrets.secret_names import KEPT_HEADERS
from tapeline.cassettes.storage.fileformat import load, save
from tapeline.errors import CassetteError, CassetteMissError
from tapeline.latency.framing import FRAMES
from tapeline.latency.pacing import IncomingRequest
from tapeline.providers.bedrock import BedrockCodec
from tapeline.providers.eventstream import encode_frame
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


def test_what_is_noted_of_an_answer_says_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_API_KEY", CANARY)
    answer = response(b"", reason=f"no {CANARY}", meta={"sdk": f"agent {CANARY}", "cost_usd": 1})

    kept = redacted(interaction(answer=answer)).response

    assert kept.reason == "no REDACTED*********"
    assert kept.meta == {"sdk": "agent REDACTED*********", "cost_usd": 1}


def test_a_header_of_somebodys_own_is_not_written_where_the_answer_says_it() -> None:
    """But ids that every request has stay, in headers and bodies."""
    own = {"x-acme-auth": f"{CANARY}-1", "x-request-id": "req-0123456789abcdef"}
    answer = response(b"hello canary-0123456789-1 of req-0123456789abcdef")

    kept = redacted(interaction(request(headers=own), answer))

    assert kept.response.body == b"hello REDACTED*********** of req-0123456789abcdef"
    assert kept.request.headers == {"x-request-id": "req-0123456789abcdef"}


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


# What names declare -------------------------------------------------------------------------------------

FIELDS: Mapping[str, tuple[str, bytes]] = {
    "a field": ("application/json", b'{"model": "m", "api_key": "%s"}'),
    "nested": ("application/json", b'{"tools": [{"headers": {"X-Api-Key": "%s"}}]}'),
    "camel case": ("application/json", b'{"clientSecret":"%s"}'),
    "JSON in a string": ("application/json", b'{"arguments": "{\\"password\\": \\"%s\\"}"}'),
    "JSON in JSON in a string": (
        "application/json",
        rb'{"a": "{\"b\": \"{\\\"password\\\": \\\"%s\\\"}\"}"}',
    ),
    "escaped": ("application/json", rb'{"token": "%s\"\u00e9"}'),
    "not quite JSON": ("application/json", b'{"refresh_token": "%s", "text": "cut of'),
    "events": ("text/event-stream", b'data: {"session_token": "%s"}\n\ndata: [DONE]\n\n'),
    "lines": ("application/x-ndjson", b'{"a": 1}\n{"access_token": "%s"}\n'),
    "form": ("application/x-www-form-urlencoded", b"grant_type=x&client_secret=%s&scope=y"),
    "multipart": (
        "multipart/form-data; boundary=b1",
        b'--b1\r\nContent-Disposition: form-data; name="api_key"\r\n\r\n%s\r\n--b1--\r\n',
    ),
    "a signed URL": ("application/json", b'{"url": "https://files.test/x?X-Amz-Signature=%s&v=1"}'),
    "a URL with a key": ("text/plain", b"see https://files.test/x?v=1&sig=%s for more"),
}


@pytest.mark.parametrize("secret", [CANARY, "hunter2"], ids=["long", "short"])
@pytest.mark.parametrize(("media_type", "body"), FIELDS.values(), ids=FIELDS.keys())
def test_what_is_called_a_secret_is_not_written(media_type: str, body: bytes, secret: str) -> None:
    """On either side; and the body keeps its length and all that is no secret."""
    body = body.replace(b"%s", secret.encode())
    asked = request(body, headers={"content-type": media_type})
    answer = response(body, headers=[("Content-Type", media_type)])

    kept = redacted(interaction(asked, answer))

    for clean in (kept.request.body, kept.response.body):
        before, _, after = body.partition(secret.encode())
        assert secret.encode() not in clean
        assert len(clean) == len(body)
        assert clean.startswith(before)
        assert clean.endswith(after.removeprefix(rb"\"\u00e9"))
    assert redacted(kept) == kept


def test_what_is_called_a_secret_is_blanked_where_the_answer_says_it_again() -> None:
    asked = request({"client_secret": CANARY})

    kept = redacted(interaction(asked, response(f"no client has {CANARY}".encode())))

    assert kept.response.body == b"no client has REDACTED*********"


def test_counts_and_pieces_of_text_are_no_secrets() -> None:
    said = {
        "max_tokens": 100,
        "usage": {"prompt_tokens": "12345678", "nextPageToken": "page-2-of-many"},
        "logprobs": [
            {"token": "internationalization", "logprob": -0.1},
            {"logprob": -12.345678901234, "token": "antidisestablishment"},
        ],
        "tools": [{"properties": {"password": {"type": "string"}}, "required": ["password"]}],
        "prompt_cache_key": "project-of-acme-1",
    }
    before = interaction(request(said), response(json.dumps(said).encode()))

    assert redacted(before).request.body == before.request.body
    assert redacted(before).response.body == before.response.body


# What comes in pieces -----------------------------------------------------------------------------------


def streamed(pieces: Sequence[str]) -> Mapping[str, tuple[str, list[bytes]]]:
    """The pieces as models say them, by media type: a block for each."""
    events = [json.dumps({"index": 0, "delta": {"text": piece}}).encode() for piece in pieces]
    packed = [json.dumps({"bytes": b64encode(event).decode()}).encode() for event in events]
    headers = {":message-type": "event", ":event-type": "chunk"}
    return {
        "SSE": ("text/event-stream", [b"event: delta\ndata: %s\n\n" % event for event in events]),
        "SSE of text": ("text/event-stream", [b"data: %s\n\n" % piece.encode() for piece in pieces]),
        "lines": ("application/x-ndjson", [event + b"\n" for event in events]),
        "frames": (f"{FRAMES}", [encode_frame(headers, event) for event in events]),
        "frames with base64": (f"{FRAMES}", [encode_frame(headers, event) for event in packed]),
    }


@pytest.mark.parametrize("form", streamed([]).keys())
@pytest.mark.parametrize("cut", range(1, len(CANARY)))
def test_a_secret_that_a_model_says_in_pieces_is_not_written(
    cut: int, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut anywhere; the blocks keep their sizes, and what is around it stays."""
    monkeypatch.setenv("ACME_API_KEY", CANARY)
    media_type, blocks = streamed(["It is ", CANARY[:cut], CANARY[cut:], "."])[form]
    answer = timed(
        *((block, n / 10) for n, block in enumerate(blocks)), headers=[("content-type", media_type)]
    )

    kept = redacted(interaction(answer=answer)).response

    blank = "REDACTED".ljust(len(CANARY), "*")
    assert kept.blocks() == streamed(["It is ", blank[:cut], blank[cut:], "."])[form][1]


def test_a_secret_said_in_one_of_two_answers_at_once_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_API_KEY", CANARY)
    events = [
        {"choices": [{"index": index, "delta": {"content": piece}}]}
        for pair in zip(CANARY, "and-another-thing", strict=True)
        for index, piece in enumerate(pair)
    ]
    body = b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in events)

    kept = redacted(interaction(answer=response(body))).response

    said = [json.loads(line[6:])["choices"][0] for line in kept.body.split(b"\n\n") if line]
    texts = ["".join(one["delta"]["content"] for one in said if one["index"] == n) for n in (0, 1)]
    assert texts == ["REDACTED*********", "and-another-thing"]


def test_a_password_among_streamed_arguments_is_not_written() -> None:
    text = json.dumps({"user": "me", "password": "hunter2-hunter2"})
    events = [{"delta": {"partial_json": text[at : at + 3]}} for at in range(0, len(text), 3)]
    body = b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in events)

    kept = redacted(interaction(answer=response(body))).response.body

    said = [json.loads(line[6:])["delta"]["partial_json"] for line in kept.split(b"\n\n") if line]
    assert json.loads("".join(said)) == {"user": "me", "password": "REDACTED*******"}


def test_a_secret_in_escapes_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_API_KEY", CANARY)
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in CANARY)

    kept = redacted(interaction(answer=response(f'{{"text": "{escaped}"}}'.encode()))).response

    assert json.loads(kept.body)["text"].startswith("R*****E*****D")
    assert len(kept.body) == len(f'{{"text": "{escaped}"}}')


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_packed_body_that_says_a_secret_is_kept_unpacked(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that says none stays as it came."""
    monkeypatch.setenv("ACME_API_KEY", CANARY)
    pack = {"gzip": gzip.compress, "deflate": zlib.compress}[encoding]
    heads = [("Content-Type", "text/plain"), ("Content-Encoding", encoding)]
    guilty, harmless = pack(f"it is {CANARY}".encode()), pack(b"it is fine")
    answers = [timed((body[:9], 0.1), (body[9:], 0.2), headers=heads) for body in (guilty, harmless)]

    kept, same = (redacted(interaction(answer=answer)).response for answer in answers)

    assert b"".join(kept.blocks()) == kept.body == b"it is REDACTED*********"
    assert kept.headers == (("Content-Type", "text/plain"),)
    assert same.body == harmless
    assert same.times == answers[1].times


# Whose it is --------------------------------------------------------------------------------------------

OWNERS = {
    "an account": ("arn:aws:bedrock:us-east-1:123456789012:inference-profile/claude", "123456789012"),
    "a role": ("arn:aws:sts::123456789012:assumed-role/Admin/jane@acme.test", "jane"),
    "a user": ("arn:aws:iam::123456789012:user/jane.doe is not authorized", "jane.doe"),
    "a key": ("arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/12ab34cd-56ef", "12ab34cd"),
    "an organization": ("limit reached in organization org-AbCdEfGhIjKlMnOp12345678 on tokens", "AbCd"),
    "a project": ("project proj_AbCdEfGhIjKlMnOp12345678 has no access", "AbCd"),
    "a starred key": ("Incorrect API key provided: sk-pr**********wxYZ.", "wxYZ"),
}


@pytest.mark.parametrize(("text", "owner"), OWNERS.values(), ids=OWNERS.keys())
def test_whose_it_is_is_not_written(text: str, owner: str) -> None:
    """On either side; and the recording still answers the request."""
    before = interaction(request(chat(text)), response(json.dumps({"message": text}).encode()))

    kept = redacted(before)

    for clean, whole in ((kept.request, before.request), (kept.response, before.response)):
        assert owner.encode() not in clean.body
        assert len(clean.body) == len(whole.body)
    assert redacted(kept) == kept


def test_an_account_is_not_written_where_it_stands_alone_either() -> None:
    said = f"Account 123456789012 of {ARN.replace('claude', 'x')} has id 9876543210987"

    kept = redacted(interaction(answer=response(said.encode()))).response.body

    assert b"Account 000000000000 of" in kept
    assert b"9876543210987" in kept


@pytest.mark.parametrize("header", ["OpenAI-Organization", "openai-project", "anthropic-organization-id"])
def test_the_organization_of_a_header_is_not_written_where_the_body_says_it(header: str) -> None:
    answer = response(b"acme-research has no quota", headers=[(header, "acme-research")])

    kept = redacted(interaction(answer=answer)).response

    assert kept.headers == ()
    assert kept.body == b"REDACTED***** has no quota"


@pytest.mark.parametrize("text", ["org-anizations-and-such", "proj_files_for_everybody", "the org-chart"])
def test_words_that_begin_like_an_organization_stay(text: str) -> None:
    before = interaction(request(chat(text)))

    assert redacted(before).request.body == before.request.body


# Matching -----------------------------------------------------------------------------------------------

TWINS: Mapping[str, tuple[IncomingRequest, IncomingRequest]] = {
    "another secret in a field": (request({"a": 1, "api_key": CANARY}), request({"a": 1, "api_key": "x"})),
    "no secret in a field": (request({"a": 1, "api_key": CANARY}), request({"a": 1})),
    "another secret in a nested field": (
        request({"tools": [{"type": "mcp", "authorization": CANARY}]}),
        request({"tools": [{"type": "mcp", "authorization": "other"}]}),
    ),
    "another secret in a form": (
        request(f"a=1&client_secret={CANARY}".encode(), headers={"content-type": FORM}),
        request(b"a=1&client_secret=other", headers={"content-type": FORM}),
    ),
    "no secret in a form": (
        request(f"a=1&client_secret={CANARY}".encode(), headers={"content-type": FORM}),
        request(b"a=1", headers={"content-type": FORM}),
    ),
    "another key that the body says": (
        request(chat(f"I am {CANARY}"), headers={"x-api-key": CANARY}),
        request(chat("I am another-key-than-that"), headers={"x-api-key": "another-key-than-that"}),
    ),
    "another password in JSON in a string": (
        request({"arguments": json.dumps({"password": CANARY})}),
        request({"arguments": json.dumps({"password": "another-password-than-that"})}),
    ),
    "another account": (request({"profile": ARN}), request({"profile": ARN.replace("1234", "9876")})),
    "another organization": (
        request(chat("org-AbCdEfGhIjKlMnOp12345678")),
        request(chat("org-ZbCdEfGhIjKlMnOp87654321")),
    ),
}


@pytest.mark.parametrize(("recorded", "now"), TWINS.values(), ids=TWINS.keys())
def test_a_request_finds_its_recording_whatever_its_secrets(
    recorded: IncomingRequest, now: IncomingRequest, path: Path
) -> None:
    save(path, [interaction(recorded)])

    assert load_tape(path).find(recorded) is not None
    assert load_tape(path).find(now) is not None


def test_a_secret_of_the_environment_does_not_keep_a_request_from_its_recording(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recorded with one, replayed with another."""
    monkeypatch.setenv("ACME_API_KEY", CANARY)
    save(path, [interaction(request(chat(f"my key is {CANARY}")))])

    monkeypatch.setenv("ACME_API_KEY", "another-key-than-that")
    asked = request(chat("my key is another-key-than-that"))

    assert load_tape(path).find(asked) is not None
    assert load_tape(path).find(request(chat("my key is"))) is None


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
