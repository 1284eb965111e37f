"""Stock vcrpy on our files: it replays every form a body can have, and so does our tape over its cassette."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import vcr
from recordings import URL, chat, interaction, request, response, timed
from vcr.persisters.filesystem import FilesystemPersister

from tapeline.cassettes import Matcher
from tapeline.cassettes.interaction import Interaction
from tapeline.cassettes.interception import intercepted
from tapeline.cassettes.storage.fileformat import load, save
from tapeline.cassettes.vcr_bridge import BridgedTape, configure
from tapeline.clock import VirtualClock
from tapeline.errors import InvalidCassetteError
from tapeline.latency.pacing import TransportFailure, parse_pace
from tapeline.providers.eventstream import encode_event

JSON = {"content-type": "application/json"}
ASKED = chat("Grüße \U0001f4fc <think>")
COMPACT = json.dumps(ASKED, separators=(",", ":"), ensure_ascii=False).encode()
FRAMES = encode_event("messageStart", b'{"role":"assistant"}') + encode_event("messageStop", b"{}")
PICTURE = b"\x89PNG" + bytes(70_000)
BODIES: dict[str, tuple[str, bytes]] = {
    "JSON": ("application/json", b'{"answer":1.0,"n":[1,2]}\n'),
    "escaped JSON": ("application/json", b'{"answer": "\\u00e9\\ud83d\\udcfc"}'),
    "a stream": ("text/event-stream", 'data: {"a":"ü \U0001f4fc"}\n\ndata: [DONE] \n\n'.encode()),
    "a stream of CRLF": ("text/event-stream", b"data: 1\r\n\r\ndata: 2\r\n\r\n"),
    "lines of JSON": ("application/x-ndjson", b'{"a":1}\n'),
    "frames": ("application/vnd.amazon.eventstream", FRAMES),
    "a picture": ("image/png", PICTURE),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cassette.yaml"


def recorded(media_type: str, body: bytes) -> Interaction:
    return interaction(
        request(COMPACT, headers=JSON), timed((body, 0.1), headers=[("content-type", media_type)])
    )


def ask() -> bytes:
    return httpx2.post(URL, content=COMPACT, headers=JSON).content


def meaning(media_type: str, body: bytes) -> Any:
    return json.loads(body) if media_type == "application/json" else body.replace(b"\r\n", b"\n")


@pytest.mark.parametrize(
    ("media_type", "body"), [pair for name, pair in BODIES.items() if name != "a picture"], ids=str
)
def test_stock_vcrpy_hands_out_an_equal_body(media_type: str, body: bytes, path: Path) -> None:
    """It also finds it by the body of the request, which is sent in another style than it stands there."""
    save(path, [recorded(media_type, body)])

    with vcr.use_cassette(str(path), record_mode="none", match_on=["uri", "body"]):
        answer = ask()

    assert meaning(media_type, answer) == meaning(media_type, body)


def test_stock_vcrpy_hands_out_the_name_of_a_side_file(path: Path) -> None:
    save(path, [recorded("image/png", PICTURE)])

    with vcr.use_cassette(str(path), record_mode="none"):
        assert ask().startswith(b"(70004 bytes in the side file ")


def test_stock_vcrpy_hands_out_a_status_for_a_failure(path: Path) -> None:
    failed = response(status=0, reason="", failure=TransportFailure(kind="reset", at_s=0.1))
    save(path, [interaction(request(COMPACT, headers=JSON), failed)])

    with vcr.use_cassette(str(path), record_mode="none"):
        answer = httpx2.post(URL, content=COMPACT, headers=JSON)

    assert (answer.status_code, answer.reason_phrase) == (599, "no response: reset")


# Our tape over its cassette -----------------------------------------------------------------------------


@contextmanager
def bridged(path: Path, record_mode: str = "none") -> Iterator[BridgedTape]:
    """What the pytest plugin does around a test."""
    recorder = vcr.VCR(record_mode=record_mode)
    recorder.persister = FilesystemPersister
    configure(recorder)
    with recorder.use_cassette(str(path)) as cassette:
        tape = BridgedTape(cassette, pace=parse_pace("none"), clock=VirtualClock(), matcher=Matcher())
        with intercepted(tape):
            yield tape
        tape.hand_over(is_passed=True)


@pytest.mark.parametrize(("media_type", "body"), BODIES.values(), ids=BODIES.keys())
def test_our_tape_hands_out_the_very_bytes(media_type: str, body: bytes, path: Path) -> None:
    save(path, [recorded(media_type, body)])

    with bridged(path) as tape:
        answer = ask()

    assert answer == body
    assert tape.interactions == load(path)


def test_clients_that_vcrpy_serves_get_the_very_bytes_too(path: Path) -> None:
    save(path, [recorded("application/json", b'{"answer": 1}')])

    with bridged(path):
        connection = http.client.HTTPConnection("model.test")
        connection.request("POST", "/v1/chat/completions", COMPACT, JSON)
        answer = connection.getresponse().read()

    assert answer == b'{"answer": 1}'


def test_what_another_worker_recorded_meanwhile_is_kept(path: Path) -> None:
    save(path, [recorded("text/plain", b"first")])

    with bridged(path, "new_episodes") as tape:
        save(path, [*load(path), recorded("text/plain", b"theirs")])
        recording = tape.record(request({"n": 1}))
        recording.head(200, "OK", [("content-type", "text/plain")])
        recording.block(b"ours")
        recording.complete()

    assert [item.response.body for item in load(path)] == [b"first", b"ours", b"theirs"]


def test_what_is_recorded_anew_takes_the_place_of_all_there_was(path: Path) -> None:
    save(path, [recorded("text/plain", b"first"), recorded("image/png", PICTURE)])

    with bridged(path, "all") as tape:
        recording = tape.record(request({"n": 1}))
        recording.head(200, "OK", [("content-type", "text/plain")])
        recording.block(b"ours")
        recording.complete()

    assert [item.response.body for item in load(path)] == [b"ours"]
    assert list(path.parent.iterdir()) == [path]


def test_an_empty_file_says_what_to_do(path: Path) -> None:
    path.write_text("")

    with pytest.raises(InvalidCassetteError, match="record it again with --record-mode=once"), bridged(path):
        pytest.fail("the test must not run")
