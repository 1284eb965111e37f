"""`use_cassette`, `load_tape` and `save_tape`: the face of the cassettes room."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest

import tapeline
from tapeline.cassettes import Tape, load_tape, save_tape, use_cassette
from tapeline.cassettes.interception import active_tape
from tapeline.cassettes.storage.fileformat import load
from tapeline.clock import VirtualClock
from tapeline.errors import CassetteMissError, ConfigError, InvalidCassetteError
from tapeline.latency.pacing import IncomingRequest, Recorded

URL = "http://model.test/"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A cassette of one recorded answer."""
    path = tmp_path / "cassette.yaml"
    tape = Tape(source="", record_mode="once", clock=(clock := VirtualClock()))
    recording = tape.record(IncomingRequest(method="GET", url=URL, headers={}, body=b""))
    clock.sleep(1.5)
    recording.head(200, "OK", [("content-type", "text/plain")])
    clock.sleep(1.0)
    recording.block(b"hello")
    recording.complete()
    save_tape(tape, path)
    return path


def test_the_package_offers_it(path: Path) -> None:
    assert tapeline.use_cassette is use_cassette


def test_a_block_replays_and_hands_out_its_tape(path: Path) -> None:
    with use_cassette(path) as tape:
        text = httpx2.get(URL).text

    assert text == "hello"
    assert tape.play_counts == {0: 1}


def test_a_pace_and_a_clock_can_be_given(path: Path) -> None:
    clock = VirtualClock()

    with use_cassette(path, pace="recorded*2", clock=clock):
        httpx2.get(URL, timeout=None)

    assert clock.now_ns() == 5 * 10**9


def test_a_pace_may_be_an_object(path: Path) -> None:
    assert load_tape(path, pace=Recorded(3.0)).pace == Recorded(3.0)


def test_ignored_paths_can_be_given(tmp_path: Path) -> None:
    path = tmp_path / "cassette.yaml"
    tape = Tape(source="", record_mode="once")
    recording = tape.record(IncomingRequest(method="POST", url=URL, headers={}, body=b'{"id": 1}'))
    recording.head(200, "OK", [])
    recording.complete()
    save_tape(tape, path)

    with use_cassette(path, ignore=["$.id"]):
        assert httpx2.post(URL, json={"id": 2}).status_code == 200


# As a decorator -----------------------------------------------------------------------------------------


def test_a_function_can_be_decorated(path: Path) -> None:
    """Each call opens the cassette anew."""

    @use_cassette(path)
    def ask() -> str:
        return httpx2.get(URL).text

    assert [ask(), ask()] == ["hello", "hello"]
    assert ask.__name__ == "ask"
    assert active_tape() is None


def test_a_coroutine_function_can_be_decorated(path: Path) -> None:
    """The cassette is open while it runs, not only while it is called."""

    @use_cassette(path)
    async def ask() -> str:
        async with httpx2.AsyncClient() as client:
            return (await client.get(URL)).text

    async def main() -> list[str]:
        return await asyncio.gather(ask(), ask())

    assert asyncio.run(main()) == ["hello", "hello"]
    assert active_tape() is None


def test_a_generator_cannot_be_decorated(path: Path) -> None:
    """Its body would run when the cassette is closed again, and reach the network."""

    def generator() -> Iterator[int]:
        yield 1

    async def async_generator() -> AsyncIterator[int]:
        yield 1

    for function in (generator, async_generator):
        with pytest.raises(TypeError, match="open the cassette inside it"):
            use_cassette(path)(function)


# Wrong usage --------------------------------------------------------------------------------------------


def test_a_cassette_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    with use_cassette(tmp_path / "none.yaml"), pytest.raises(CassetteMissError, match="does not exist"):
        httpx2.get(URL)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"record_mode": "sometimes"}, "unknown record mode 'sometimes': use none, once, new_episodes, all"),
        ({"pace": "fast"}, "unknown pace 'fast'"),
        ({"ignore": ["messages"]}, "not a JSON path: 'messages'"),
    ],
    ids=["mode", "pace", "ignore"],
)
def test_a_wrong_setting_is_refused_before_anything_is_sent(
    options: dict[str, object], message: str, path: Path
) -> None:
    with pytest.raises(ConfigError, match=message), use_cassette(path, **options):  # type: ignore[arg-type]
        pytest.fail("the block must not run")

    assert active_tape() is None


def test_a_file_that_is_no_cassette_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cassette.yaml"
    path.write_text("hello")

    with pytest.raises(InvalidCassetteError), use_cassette(path):
        pytest.fail("the block must not run")


def test_a_file_about_to_be_recorded_anew_need_not_be_readable(tmp_path: Path) -> None:
    path = tmp_path / "cassette.yaml"
    path.write_text("hello")

    assert load_tape(path, record_mode="all").interactions == []


def test_a_tape_that_recorded_nothing_writes_nothing(path: Path) -> None:
    before = path.read_bytes()

    save_tape(load_tape(path, record_mode="all"), path)

    assert path.read_bytes() == before
    assert len(load(path)) == 1


def test_importing_it_patches_nothing() -> None:
    assert "tapeline.cassettes" in sys.modules
    assert not hasattr(httpx2.HTTPTransport.handle_request, "__wrapped__")
    assert httpx2.HTTPTransport.handle_request.__module__.startswith("httpx2")
