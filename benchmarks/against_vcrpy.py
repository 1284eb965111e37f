"""Cassettes next to stock vcrpy, in one process, on the same files and under the same client.

Both match on the body, as they must where all requests go to one URL. vcrpy compares a request with each one
recorded before it, twice, so that playing 1,000 takes it minutes: there both are asked ten times, at places
spread evenly over the tape. As its cost grows in a line along the tape, their mean is that of all 1,000.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks import adapter, loopback, tapes
from benchmarks.wire import WIRES

FILE = Path("tape.yaml")
JSON = {"content-type": "application/json"}
MATCH_ON = ("method", "scheme", "host", "port", "path", "query", "body")

Pair = tuple[Callable[[], Any], Callable[[], Any]]
"""Ours and vcrpy's."""


class Replay:
    """CPU time of ours divided by that of vcrpy. Targets: 0.33 at 10 interactions, 0.01 at 1,000."""

    version = "1"
    pairs = 9

    def ratio_load_100(self) -> Pair:
        """Read a file of 100 streamed answers of 50 chunks, 9 pairs. Ours checks more of what it says."""
        from vcr.persisters.filesystem import FilesystemPersister
        from vcr.serializers import yamlserializer

        FILE.write_text(tapes.cassette(100, 50), encoding="utf-8")
        return (
            lambda: adapter.load_interactions(FILE),
            lambda: FilesystemPersister.load_cassette(str(FILE), yamlserializer),
        )

    def ratio_lookup_1000(self) -> Pair:
        """10 lookups spread over 1,000 interactions, without a client, 3 pairs."""
        return lookups(1_000, spread(1_000, 10))

    def ratio_replay_10(self) -> Pair:
        """10 of 10 requests over a client that is there already, files read before, 9 pairs."""
        return replays(10, range(10))

    def ratio_replay_1000(self) -> Pair:
        """10 requests spread over 1,000 interactions, over the same client, 3 pairs."""
        return replays(1_000, spread(1_000, 10))

    def ratio_test_of_10(self) -> Pair:
        """What a test sees: a file is opened, 10 of 10 requests are answered from it, 9 pairs."""
        import vcr

        FILE.write_text(tapes.cassette(10, 50), encoding="utf-8")
        stock = vcr.VCR(record_mode="none", match_on=MATCH_ON)
        ask = asking(range(10))
        return (
            lambda: within(adapter.cassette(FILE), ask),
            lambda: within(stock.use_cassette(str(FILE)), ask),
        )

    ratio_lookup_1000.pairs = 3
    ratio_replay_1000.pairs = 3


class Record:
    """CPU time of a streamed call while it is recorded, nothing being saved, over a loopback socket."""

    version = "1"
    pairs = 9

    def setup(self) -> None:
        import httpx2

        self.server = loopback.Server(WIRES["openai"].stream(200), WIRES["openai"].stream_media_type)
        self.client = httpx2.Client()

    def teardown(self) -> None:
        self.client.close()
        self.server.close()

    def call(self) -> None:
        """Read a stream of 200 chunks to its end, as it comes."""
        with self.client.stream("POST", self.server.url, content=b"{}", headers=JSON) as response:
            for _ in response.iter_raw():
                continue

    def ratio_over_the_bare_client(self) -> Pair:
        """Recorded / not recorded, 9 pairs. Target: 1.3."""
        return lambda: within(adapter.recording(), self.call), self.call

    def ratio_over_vcrpy(self) -> Pair:
        """Recorded by us, passing through / by vcrpy, which buffers it, 9 pairs."""
        from vcr.cassette import Cassette

        def stock() -> None:
            within(patched(Cassette(path="none", match_on=_matchers())), self.call)

        return lambda: within(adapter.recording(), self.call), stock


def spread(interactions: int, count: int) -> range:
    """Return places in the middles of `count` equal parts of a tape."""
    step = interactions // count
    return range(step // 2, interactions, step)


def within(block: AbstractContextManager[Any], call: Callable[[], Any]) -> Any:
    """Call in the block."""
    with block:
        return call()


def replays(interactions: int, places: Sequence[int]) -> Pair:
    """Return what asks for these places in a tape, through one client; it can be called again and again."""
    FILE.write_text(tapes.cassette(interactions, 1), encoding="utf-8")
    ask = asking(places)
    ours, stock = adapter.looping_tape(adapter.load_interactions(FILE)), _stock(FILE)
    return lambda: within(adapter.intercepted(ours), ask), lambda: within(patched(stock), ask)


def asking(places: Sequence[int]) -> Callable[[], list[bytes]]:
    """Return what sends the requests of these places and returns their answers."""
    import httpx2

    client = httpx2.Client()
    bodies = [tapes.request_body(place) for place in places]
    return lambda: [client.post(tapes.URL, content=body, headers=JSON).content for body in bodies]


def lookups(interactions: int, places: Sequence[int]) -> Pair:
    """Return what finds these places in a tape, as clients make both do for each request."""
    from vcr.request import Request

    FILE.write_text(tapes.cassette(interactions, 1), encoding="utf-8")
    bodies = [tapes.request_body(place) for place in places]
    tape, asked = (
        adapter.looping_tape(adapter.load_interactions(FILE)),
        [adapter.incoming_request(tapes.URL, body) for body in bodies],
    )
    stock, stock_asked = _stock(FILE), [Request("POST", tapes.URL, body, JSON) for body in bodies]
    return (
        lambda: [tape(request) for request in asked],
        lambda: [stock.can_play_response_for(r) and stock.play_response(r) for r in stock_asked],
    )


# vcrpy --------------------------------------------------------------------------------------------------


def _stock(path: Path) -> Any:
    """Return a cassette of vcrpy that can be played over and over."""
    from vcr.cassette import Cassette

    return Cassette.load(
        path=str(path), record_mode="none", match_on=_matchers(), allow_playback_repeats=True
    )


def _matchers() -> list[Any]:
    import vcr

    known = vcr.VCR().matchers
    return [known[name] for name in MATCH_ON]


@contextmanager
def patched(cassette: Any) -> Iterator[None]:
    """Send calls through a cassette of vcrpy, which is neither read nor saved."""
    from vcr.patch import CassettePatcherBuilder

    with ExitStack() as stack:
        for patch in CassettePatcherBuilder(cassette).build():
            stack.enter_context(patch)
        yield
