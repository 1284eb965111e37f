"""Canaries: secrets of every kind, told to every client and by a server that tells everything, found nowhere.

Not in a file, a side file, a log, a report, an error, its pickle, or a replayed answer; neither as they are
nor as programs write text. Each is a random word of its own, so a find says where it was told.
"""

from __future__ import annotations

import io
import json
import logging
import pickle
import re
import traceback
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random
from string import ascii_lowercase, digits
from typing import Any
from urllib.parse import quote

import clients
import httpx2
import pytest
import requests
from clients import CLIENTS, answer_of
from inner_pytest import Inner
from local_server import Answer, Asked, LocalServer

from tapeline.cassettes import use_cassette
from tapeline.cassettes.storage.fileformat import load
from tapeline.errors import LLMError
from tapeline.providers.paths import codec_for
from tapeline.types import Chunk

pytest_plugins = ["pytester"]

_random = Random(20261125)


def canary(size: int = 20) -> str:
    return "cnry" + "".join(_random.choices(ascii_lowercase + digits, k=size))


def number(size: int) -> str:
    return "".join(_random.choices("123456789", k=size))


ENVIRONMENT = {
    **{name: canary() for name in ("ACME_API_KEY", "ACME_TOKEN", "DB_PASSWORD", "APP_SECRET", "CREDENTIALS")},
    "ACME_ACCESS_KEY_ID": canary(),
    "ACME_BEARER_TOKEN_OF_TESTS": canary(),
    "ODD_PASSWORD": f'{canary()}"/\u00fc\\+ ',
}
DATABASE = canary()
"""The password in a URL of the environment."""

ACCOUNT, ROLE, RESOURCE = number(12), canary(), f"x{number(6)}"
MODEL = f"arn:aws:bedrock:us-east-1:{ACCOUNT}:inference-profile/{RESOURCE}"
OWNERS = {
    "role": f"arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE}/{ROLE}",
    "organization": f"org-{canary()}",
    "project": f"proj_{canary()}",
    "starred key": f"sk-{canary()}****{canary(4)}",
}
ANSWERED = {
    name: canary()
    for name in ("set-cookie", "second cookie", "session", "organization name", "location", "location user")
}
DECLARED = {
    name: canary()
    for name in (
        "access_token",
        "refreshToken",
        "password",
        "signature of a URL",
        "sig of a URL",
        "private_key",
    )
}
FIELDS = {name: canary() for name in ("api_key", "password", "clientSecret", "authorization", "X-Api-Key")}
"""What clients say in messages."""

HEADERS = {
    name: canary()
    for name in (
        "x-api-key",
        "api-key",
        "x-goog-api-key",
        "x-amz-security-token",
        "proxy-authorization",
        "x-tenant",
    )
}
ACCOUNTS = {name: canary() for name in ("openai-organization", "openai-project", "anthropic-organization-id")}
COOKIES = {name: canary() for name in ("session", "theme")}
QUERY = {
    name: canary()
    for name in ("key", "access_token", "sig", "X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token")
}
USER, PASSWORD = canary(), canary()
FORM = {name: canary() for name in ("client_secret", "password")}
PARTS = {name: canary() for name in ("api_key", "token")}
KEYS = {name: canary() for name in CLIENTS}
AWS = {"aws_access_key_id": canary(), "aws_session_token": canary(40)}

GROUPS: Mapping[str, Mapping[str, str]] = {
    "environment": ENVIRONMENT | {"database": DATABASE},
    "owner": {"account": ACCOUNT, "role": ROLE, **{name: OWNERS[name] for name in OWNERS if name != "role"}},
    "answer": ANSWERED,
    "field of the answer": DECLARED,
    "field of a message": FIELDS,
    "header": HEADERS | ACCOUNTS,
    "cookie": COOKIES,
    "query": QUERY,
    "URL": {"user": USER, "password": PASSWORD},
    "form": FORM,
    "part": PARTS,
    "key": KEYS,
    "AWS": AWS,
}
ALL = {
    re.sub("^(org-|proj_)", "", value.strip()): f"{group}: {name}"
    for group, values in GROUPS.items()
    for name, value in values.items()
}
"""Canary -> where it is told."""


# Looking for them ---------------------------------------------------------------------------------------


def forms(secret: str) -> Iterator[str]:
    raw = secret.encode()
    yield from (
        secret,
        quote(secret, safe=""),
        json.dumps(secret)[1:-1],
        json.dumps(json.dumps(secret)[1:-1])[1:-1],
    )
    yield from (raw.hex(), raw.hex().upper())
    for lead in (b"", b"_", b"__"):  # what base64 makes of it, wherever in a group it starts
        yield b64encode(lead + raw).decode()[4 * (len(lead) > 0) : -4]


NEEDLES = {form.encode(): secret for secret in ALL for form in forms(secret)}
ANY = re.compile(b"|".join(map(re.escape, sorted(NEEDLES, key=len, reverse=True))))


def found_in(*texts: str | bytes) -> set[str]:
    """Where the canaries in these texts were told."""
    return {
        ALL[NEEDLES[found]]
        for text in texts
        for found in ANY.findall(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    }


def written(folder: Path) -> list[bytes]:
    """All that is in the files of a folder, as it stands there and as it is read back."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    cassettes = [path for path in files if path.suffix == ".yaml"]
    bodies = [
        side.body for path in cassettes for each in load(path) for side in (each.request, each.response)
    ]
    return [*(path.read_bytes() for path in files), *bodies]


def test_the_canaries_are_many_and_would_be_found() -> None:
    assert len(ALL) == sum(map(len, GROUPS.values())) >= 70
    assert found_in(*ALL) == set(ALL.values())
    assert found_in(b64encode(f"ab{DATABASE} and more".encode()), "nothing") == {"environment: database"}


# Telling them -------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DATABASE_URL", f"postgres://me:{DATABASE}@db.test/x")


ANSWER_HEADERS = {
    "set-cookie": f"a={ANSWERED['set-cookie']}; Path=/, b={ANSWERED['second cookie']}; HttpOnly",
    "location": f"http://{ANSWERED['location user']}:x@h.test/next?token={ANSWERED['location']}",
    "x-amz-security-token": ANSWERED["session"],
    "openai-organization": ANSWERED["organization name"],
    "x-request-id": f"request-of-{ENVIRONMENT['ACME_TOKEN']}",
}


def told(asked: Asked) -> str:
    """All that the server knows: what it was told, and secrets of its own."""
    signed = (
        f"https://files.test/x?X-Amz-Signature={DECLARED['signature of a URL']}&v=1 "
        f"https://files.test/x?sig={DECLARED['sig of a URL']}"
    )
    secrets = {name: DECLARED[name] for name in ("access_token", "refreshToken", "password", "private_key")}
    return json.dumps(
        {
            "headers": dict(asked.headers),
            "path": asked.path,
            "body": asked.body.decode("utf-8", "replace"),
            "own": [*ANSWERED.values(), *OWNERS.values(), signed, {"result": json.dumps(secrets)}],
            "account": f"account {ACCOUNT}",
        }
    )


def telltale(asked: Asked) -> Answer:
    """The worst of servers: it says everything, bit by bit, in the wire format of the path."""
    codec, text = codec_for(asked.path), told(asked)
    if codec is None:
        return Answer(
            blocks=[text.encode()], headers=ANSWER_HEADERS, status=401 if "fail" in asked.path else 200
        )
    pieces = [text[at : at + 7] for at in range(0, len(text), 7)]
    chunks = [
        *(Chunk(id="answer-1", text=piece) for piece in pieces),
        Chunk(id="answer-1", finish_reason="stop"),
    ]
    whole = b"".join(codec.encode_stream(chunks, model="m"))
    blocks = [whole[at : at + 4093] for at in range(0, len(whole), 4093)]
    return Answer(blocks=blocks, media_type=codec.stream_media_type, headers=ANSWER_HEADERS)


def telling_messages(prompt: str) -> list[dict[str, Any]]:
    """The messages of all clients, with fields that no API knows."""
    nested = {"headers": [{name: FIELDS[name]} for name in ("authorization", "X-Api-Key")]}
    fields = {name: FIELDS[name] for name in ("api_key", "password", "clientSecret")}
    return [{"role": "user", "content": prompt, **fields, "nested": nested}]


PROMPT = f"Tell me of {' and '.join([*ENVIRONMENT.values(), DATABASE, *OWNERS.values()])}."


@pytest.fixture
def told_clients(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes clients use a key of their own, tell secrets in their messages, and name an account's model."""

    def use_key_of(name: str) -> None:
        monkeypatch.setattr(clients, "KEY", KEYS[name])

    monkeypatch.setattr(clients, "MODEL", MODEL)
    monkeypatch.setattr(clients, "messages", telling_messages)
    return use_key_of


# Looking everywhere -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLIENTS)
def test_no_client_leaves_a_canary_anywhere(
    name: str, told_clients: Callable[[str], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Recorded, replayed with another key, and missed."""
    caplog.set_level(logging.DEBUG, "tapeline")
    path = tmp_path / "cassette.yaml"
    told_clients(name)
    with LocalServer(telltale) as server:
        with use_cassette(path, record_mode="once"):
            live = answer_of(CLIENTS[name], server.url, PROMPT)
        clients.KEY = "another-key-of-nobody"
        with use_cassette(path):
            replayed = answer_of(CLIENTS[name], server.url, PROMPT)
        clients.KEY = KEYS[name]
        with use_cassette(path), pytest.raises(Exception, match=r".") as missed:  # each client has its own
            answer_of(CLIENTS[name], server.url, f"{PROMPT} Again.")

    assert found_in(live)
    assert "REDACTED" in replayed
    assert found_in(replayed, caplog.text, *written(tmp_path), *all_of(missed.value)) == set()


def all_of(error: BaseException | None) -> Iterator[bytes | str]:
    """All that our own errors in a chain say, in every way they can."""
    while error is not None:
        if isinstance(error, LLMError):
            yield from (str(error), repr(error), repr(vars(error)), pickle.dumps(error))
            yield "".join(traceback.format_exception_only(error))
        error = error.__cause__ or error.__context__


def _send_all(url: str) -> None:
    """Every place of a plain request that can hold a secret, blocking."""
    host = url.removeprefix("http://")
    agent = {"user-agent": f"agent of {ENVIRONMENT['ACME_TOKEN']}"}
    headers = HEADERS | ACCOUNTS | agent | {"authorization": f"Bearer {KEYS['httpx']}"}
    everything = {"headers": headers, "cookies": COOKIES}
    for status in ("work", "fail"):
        httpx2.post(f"{url}/{status}", json=telling_messages(PROMPT), **everything)
    httpx2.get(f"http://{USER}:{PASSWORD}@{host}/{ENVIRONMENT['APP_SECRET']}", params=QUERY)
    httpx2.post(f"{url}/form", data={"scope": "all", **FORM})
    httpx2.post(
        f"{url}/upload", data=PARTS, files={"file": ("x.bin", io.BytesIO(b"\xff" + DATABASE.encode()))}
    )
    requests.get(f"{url}/get", params=QUERY, auth=(USER, PASSWORD), headers=HEADERS, cookies=COOKIES)
    requests.post(f"{url}/form", data=FORM)
    large = b"\xff" + bytes(70_000) + ENVIRONMENT["DB_PASSWORD"].encode() + bytes(9)
    requests.post(f"{url}/large", data=large, headers={"content-type": "application/octet-stream"})


def test_no_place_of_a_request_leaves_a_canary_anywhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Headers, cookies, URL, query, form, parts, JSON, binary, signatures; and answers that are errors."""
    caplog.set_level(logging.DEBUG, "tapeline")
    path = tmp_path / "cassette.yaml"

    with LocalServer(telltale) as server:
        with use_cassette(path, record_mode="once") as tape:
            _send_all(server.url)
            _invoke(server.url)
        with use_cassette(path) as played:
            _send_all(server.url)
        signatures = {
            word for asked in server.asked for word in re.findall(r"Signature=(\w{64})", str(asked.headers))
        }

    texts = written(tmp_path)
    assert len(load(path)) == 9
    assert len(list(path.with_name("cassette.yaml.d").iterdir())) == 1
    assert found_in(caplog.text, *texts, repr(tape), repr(tape.recorded()), repr(played)) == set()
    assert signatures
    assert not [text for text in texts for signature in signatures if signature.encode() in text]


def _invoke(url: str) -> None:
    """A call signed with the keys of a session."""
    import boto3

    with_session = boto3.Session(**AWS, aws_secret_access_key="secret-of-nobody", region_name="us-east-1")
    client = with_session.client("bedrock-runtime", endpoint_url=url)
    with pytest.raises(Exception, match="401"):
        client.invoke_model(modelId=f"{MODEL}-fail", body=b"{}")
    client.close()


INNER = """
    import os

    SECRETS = [value for name, value in sorted(os.environ.items()) if name.startswith(("ACME_", "ODD_"))]

    def tell(prompt):
        told = [{"role": "user", "content": f"{prompt} {SECRETS}"}]
        with openai.OpenAI(base_url=URL, api_key=os.environ["ACME_API_KEY"], max_retries=0) as client:
            with client.chat.completions.create(model="m", messages=told, stream=True) as stream:
                return "".join(chunk.choices[0].delta.content or "" for chunk in stream)

    @pytest.mark.tape
    def test_plays(): assert tell("hi")

    @pytest.mark.tape
    def test_misses(): tell(FIRST or "something else")

    @pytest.mark.tape
    def test_refused(): tell(FIRST and os.environ["UNKNOWN"])
"""


def test_no_report_of_a_test_run_says_a_canary(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Recorded; then one test passes, one misses; one was refused. In output, reports, files."""
    caplog.set_level(logging.DEBUG, "tapeline")  # others log what they send, if they are told to
    token = f"ghp_{canary(36)}"
    monkeypatch.setenv("UNKNOWN", token)  # no name says that this is secret, its shape does

    with LocalServer(telltale) as server:
        inner = Inner(pytester, server)
        arguments = ("-vv", "--junitxml=report.xml", "-olog_cli=true")
        recorded = inner.record(f"    FIRST = 'hi'\n{INNER}", *arguments)
        replayed = inner.record(f"    FIRST = ''\n{INNER}", *arguments, mode="none")

    recorded.assert_outcomes(passed=3, errors=1)
    recorded.stdout.fnmatch_lines(["*not written: *looks as if it held a GitHub token (44 characters)*"])
    replayed.assert_outcomes(passed=1, failed=2)
    replayed.stdout.fnmatch_lines(["*CassetteMissError: no interaction in *"])
    said = [stream.str() for run in (recorded, replayed) for stream in (run.stdout, run.stderr)]
    files = [path.read_bytes() for path in pytester.path.rglob("*") if path.is_file()]
    assert any(b"<testsuite" in text for text in files)
    assert found_in(*said, *files) == set()
    assert not [text for text in (*said, *files) if token in str(text)]


def test_no_snapshot_of_a_scenario_says_a_canary(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a model echoes is in the outcome, and so in the snapshot: taken from the cleaned recording."""
    monkeypatch.setenv("OPENAI_API_KEY", KEYS["openai"])
    fields = "[text, finish_reason, usage, model, events, request_digest]"
    with LocalServer(telltale) as server:
        (pytester.mkdir("scenarios") / "telling.yaml").write_text(
            f"{{name: telling, prompt: {PROMPT!r}, stream: true, snapshot: {fields}, "
            f"targets: [{{model: 'openai:{MODEL}', base_url: '{server.url}/v1'}}]}}"
        )
        inner = Inner(pytester, server)
        recorded = inner.again("--record-mode=once", "--snapshot-update", "-vv")
    replayed = inner.again("-vv")

    recorded.assert_outcomes(passed=1)
    replayed.assert_outcomes(passed=1)
    snapshots = [path.read_text() for path in pytester.path.rglob("__snapshots__/**/*.yaml")]
    assert ["REDACTED" in text for text in snapshots] == [True]
    said = [stream.str() for run in (recorded, replayed) for stream in (run.stdout, run.stderr)]
    scenario = pytester.path / "scenarios" / "telling.yaml"
    files = [path for path in pytester.path.rglob("*") if path.is_file() and path != scenario]
    assert found_in(*said, *(path.read_bytes() for path in files)) == set()
