"""vcrpy and our files: stock vcrpy replays what we wrote, and our tape works over a vcrpy cassette."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import clients
import httpx2
import pytest
import vcr
from clients import CLIENTS, answer_of
from local_server import Answer, LocalServer, echo
from recordings import URL, chat, interaction, request, response
from vcr.persisters.filesystem import FilesystemPersister

from tapeline.cassettes import Matcher, use_cassette
from tapeline.cassettes.interception import intercepted
from tapeline.cassettes.secrets.redaction import masked
from tapeline.cassettes.storage.fileformat import load, save
from tapeline.cassettes.vcr_bridge import BridgedTape, configure
from tapeline.client import chat_model
from tapeline.clock import VirtualClock
from tapeline.errors import CassetteError, CassetteMissError, LLMError
from tapeline.latency.pacing import parse_pace
from tapeline.scenarios import load_scenario, run_target
from tapeline.scenarios.conversation import call_arguments

ROOT = Path(__file__).parents[2]
EVERYTHING = ["method", "scheme", "host", "port", "path", "query", "body"]


# Stock vcrpy replays our files --------------------------------------------------------------------------


@pytest.mark.parametrize("client", CLIENTS)
def test_stock_vcrpy_replays_what_we_recorded(client: str, tmp_path: Path) -> None:
    """It compares the bodies of aiohttp in a form of its own, which nobody sends: there by all else."""
    ask = CLIENTS[client]
    compared = [part for part in EVERYTHING if part != "body" or client != "aiohttp"]
    path = tmp_path / "cassette.yaml"
    with LocalServer(echo) as server, use_cassette(path, record_mode="once"):
        live = answer_of(ask, server.url)

    with vcr.use_cassette(str(path), record_mode="none", match_on=compared) as cassette:
        replayed = answer_of(ask, server.url)

    assert replayed == live == "you said hello there"
    assert cassette.all_played


COMMITTED = sorted((ROOT / "cassettes").glob("*/*.yaml"))


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_stock_vcrpy_replays_the_committed_cassettes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the texts and the errors that our own replay gives."""
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "not-a-key")
    file = load_scenario(ROOT / "scenarios" / f"{path.parent.name}.yaml")
    [target] = [target for target in file.scenario.targets if target.id == path.stem]
    ours = [outcome.error or outcome.text for outcome in run_target(file, target)]

    stock = []
    with vcr.use_cassette(str(path), record_mode="none", match_on=EVERYTHING) as cassette:
        model = chat_model(target.model, base_url=target.base_url, max_retries=0)
        for _ in range(file.scenario.repeat):
            try:
                if file.scenario.stream:
                    stream = model.stream(
                        file.scenario.conversation(), **call_arguments(file.scenario, target)
                    )
                    stock.append("".join(chunk.text for chunk in stream))
                else:
                    reply = model.generate(
                        file.scenario.conversation(), **call_arguments(file.scenario, target)
                    )
                    stock.append(reply.text)
            except LLMError as error:
                stock.append(error.code.value)
        model.close()

    assert stock == ours
    assert cassette.all_played


def test_the_committed_cassettes_are_as_we_would_write_them(tmp_path: Path) -> None:
    """Nothing in them is secret, and nothing gets lost by saving them once more."""
    assert len(COMMITTED) == 20
    for path in COMMITTED:
        save(tmp_path / "again.yaml", load(path))
        assert (tmp_path / "again.yaml").read_text() == path.read_text()
        assert masked(path.read_text()) == path.read_text()


# Our tape over a vcrpy cassette -------------------------------------------------------------------------


@contextmanager
def bridged(path: Path, *, is_passed: bool = True, **options: Any) -> Iterator[tuple[Any, BridgedTape]]:
    """What the pytest plugin does around a test."""
    recorder = vcr.VCR(record_mode=options.pop("record_mode", "none"))
    recorder.persister = FilesystemPersister
    configure(recorder)
    with recorder.use_cassette(str(path), **options) as cassette:
        tape = BridgedTape(cassette, pace=parse_pace("none"), clock=VirtualClock(), matcher=Matcher())
        with intercepted(tape):
            yield cassette, tape
        tape.hand_over(is_passed=is_passed)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cassette.yaml"


def post(server: LocalServer, **body: Any) -> str:
    return asked(server.url, **body)


def asked(url: str = URL, **body: Any) -> str:
    return httpx2.post(url, json=body, verify=clients.TLS).text


def numbered() -> LocalServer:
    """A server whose answers count its calls."""
    server = LocalServer(lambda _: Answer(blocks=[str(len(server.asked)).encode()], media_type="text/plain"))
    return server


def test_a_recording_is_in_the_file_and_plays(path: Path) -> None:
    with numbered() as server, bridged(path, record_mode="once") as (cassette, _):
        assert [post(server, n=1), post(server, n=2), post(server, n=1)] == ["1", "2", "3"]
    with bridged(path) as (cassette, _):
        assert [post(server, n=1), post(server, n=1), post(server, n=2)] == ["1", "3", "2"]

    assert cassette.play_count == 3
    assert cassette.all_played
    assert len(server.asked) == 3
    assert load(path)[0].response.meta["recorder"].startswith("tapeline ")


def test_vcrpy_counts_what_is_left(path: Path) -> None:
    save(path, [interaction(request({"n": n})) for n in range(2)])

    with bridged(path) as (cassette, _):
        asked(n=0)

    assert cassette.play_count == 1
    assert not cassette.all_played


def test_a_miss_is_ours(path: Path) -> None:
    save(path, [interaction(request(chat("a")))])

    with bridged(path), pytest.raises(CassetteMissError, match=r"\$\.messages\[0\]\.content"):
        httpx2.post(request().url, json=chat("b"))


def test_nothing_is_saved_of_a_failed_test(path: Path) -> None:
    with numbered() as server, bridged(path, record_mode="once", is_passed=False):
        post(server, n=1)

    assert not path.exists()


def test_a_secret_refuses_the_file_and_leaves_no_patch(path: Path) -> None:
    before = httpx2.HTTPTransport.handle_request

    refused = pytest.raises(CassetteError, match="not written")
    with numbered() as server, refused, bridged(path, record_mode="once"):
        post(server, key="sk-abcdefghijklmnopqrst")

    assert list(path.parent.iterdir()) == []
    assert httpx2.HTTPTransport.handle_request is before


MODES = {
    "new_episodes": ("new_episodes", ["old", "1"], ["old", "1"]),
    "all": ("all", ["1", "2"], ["1", "2"]),
}


@pytest.mark.parametrize(("mode", "heard", "stored"), MODES.values(), ids=MODES.keys())
def test_the_record_modes_of_vcrpy_hold(mode: str, heard: list[str], stored: list[str], path: Path) -> None:
    with numbered() as server:
        save(path, [interaction(request({"n": 0}, url=server.url), response(b"old"))])
        with bridged(path, record_mode=mode):
            answers = [post(server, n=0), post(server, n=1)]

    assert answers == heard
    assert [item.response.body.decode() for item in load(path)] == stored


def test_unused_recordings_are_dropped_only_where_vcrpy_is_told_so(path: Path) -> None:
    """And never because it did not see what our tape played."""
    save(path, [interaction(request({"n": n}), response(str(n).encode())) for n in range(3)])

    with bridged(path, drop_unused_requests=True):
        asked(n=1)

    assert [item.response.body for item in load(path)] == [b"1"]


def test_a_failed_test_drops_no_recordings(path: Path) -> None:
    save(path, [interaction(request({"n": n})) for n in range(3)])

    with bridged(path, drop_unused_requests=True, is_passed=False):
        asked(n=1)

    assert len(load(path)) == 3


def test_playback_repeats_loop(path: Path) -> None:
    save(path, [interaction(request({"n": 0}), response(b"yes"))])

    with bridged(path, allow_playback_repeats=True):
        texts = [asked(n=0) for _ in range(3)]

    assert texts == ["yes"] * 3


def test_a_users_matchers_decide(path: Path) -> None:
    """Here the body does not count, and the first recording left is played."""
    save(path, [interaction(request({"n": n}), response(str(n).encode())) for n in range(2)])

    with bridged(path, match_on=["method", "path"]):
        texts = [asked(n=9) for _ in range(2)]
        with pytest.raises(CassetteMissError):
            asked(n=9)

    assert texts == ["0", "1"]


def test_a_users_hooks_see_requests_and_responses(path: Path) -> None:
    def without_n(asked: Any) -> Any:
        asked.body = b'{"n": "hidden"}'
        return asked

    def louder(answer: dict[str, Any]) -> dict[str, Any]:
        answer["body"]["string"] = answer["body"]["string"].upper()
        return answer

    hooks = {"before_record_request": without_n, "before_record_response": louder}
    loud = LocalServer(lambda _: Answer(blocks=[b"loud"]))
    with loud as server, bridged(path, record_mode="once", **hooks):
        live = post(server, n=1)
    with bridged(path, **hooks):
        replayed = post(server, n=2)

    assert (live, replayed) == ("loud", "LOUD")
    assert load(path)[0].request.body == b'{"n": "hidden"}'


def test_ignored_requests_go_where_they_were_going(path: Path) -> None:
    with numbered() as server, bridged(path, ignore_localhost=True):
        assert post(server, n=1) == "1"

    assert not path.exists()


def test_json_cassettes_are_saved_too(tmp_path: Path) -> None:
    path = tmp_path / "cassette.json"

    with numbered() as server, bridged(path, record_mode="once", serializer="json"):
        post(server, n=1)
    with bridged(path, serializer="json"):
        assert post(server, n=1) == "1"

    [stored] = json.loads(path.read_text())["interactions"]
    assert stored["response"]["timing"]["v"] == 1


def test_json_cassettes_hold_no_secret_either(tmp_path: Path) -> None:
    path = tmp_path / "cassette.json"

    with numbered() as server, bridged(path, record_mode="once", serializer="json"):
        httpx2.post(f"{server.url}/?key=canary-query", headers={"authorization": "Bearer canary-header"})

    assert "canary" not in path.read_text()


def test_what_a_serializer_cannot_write_leaves_no_file(tmp_path: Path) -> None:
    """JSON has no bytes. The error comes before vcrpy saves, which would leave its patches in place."""
    path = tmp_path / "cassette.json"
    binary = Answer(blocks=[b"\xff"])

    recording = bridged(path, record_mode="once", serializer="json")
    with LocalServer(lambda _: binary) as server, pytest.raises(TypeError), recording:
        httpx2.get(server.url)

    assert list(tmp_path.iterdir()) == []


def test_boto3_is_recorded_once_and_not_by_vcrpy_too(path: Path) -> None:
    with LocalServer(echo) as server, bridged(path, record_mode="once"):
        answer_of(clients.ask_boto3, server.url)
    with bridged(path) as (cassette, _):
        assert answer_of(clients.ask_boto3, server.url) == "you said hello there"

    assert len(load(path)) == 1
    assert cassette.all_played
    assert len(server.asked) == 1
