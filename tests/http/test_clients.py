"""Clients: one for all threads of a process, one for each event loop."""

from __future__ import annotations

import asyncio
import gc
import os
import weakref
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from tapeline.errors import ConfigError
from tapeline.http.clients import PerLoop, PerProcess, blocking_client, checked
from tapeline.http.deadline import DeadlineTransport


def test_all_threads_share_one_client() -> None:
    built: list[object] = []

    def build() -> object:
        built.append(object())
        return built[-1]

    clients = PerProcess(build)
    with ThreadPoolExecutor(8) as pool:
        seen = {id(client) for client in pool.map(lambda _: clients.get(), range(64))}

    assert (len(seen), len(built)) == (1, 1)


def test_a_forked_process_gets_a_client_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes that read from one socket would each get half of both answers."""
    clients = PerProcess(object)
    before, pid = clients.get(), os.getpid()

    monkeypatch.setattr(os, "getpid", lambda: pid + 1)

    assert clients.get() is clients.get() is not before


def test_each_event_loop_gets_a_client_of_its_own() -> None:
    """Connections belong to the loop that opened them."""
    clients = PerLoop(object)

    async def main() -> tuple[object, object]:
        return clients.get(), clients.get()

    (first, again), (second, _) = asyncio.run(main()), asyncio.run(main())

    assert first is again is not second


def test_a_client_does_not_outlive_its_loop_for_long() -> None:
    """Though its connections hold on to the loop: a program may run one after the other, for ever."""

    class Connected:
        def __init__(self) -> None:
            self.loop = asyncio.get_running_loop()

    clients = PerLoop(Connected)

    async def main() -> weakref.ref[Connected]:
        return weakref.ref(clients.get())

    first, second = asyncio.run(main()), asyncio.run(main())
    gc.collect()

    assert first() is None
    assert second() is not None


def test_no_loop_is_kept_by_a_client_that_was_closed() -> None:
    """With it or before it: a program that calls asyncio.run for ever must not grow."""
    clients = PerLoop(Closable, Closable.aclose)

    async def main(*, is_closed: bool) -> weakref.ref[asyncio.AbstractEventLoop]:
        clients.get()
        if is_closed:
            await clients.aclose()
        return weakref.ref(asyncio.get_running_loop())

    loops = [asyncio.run(main(is_closed=is_closed)) for is_closed in (True, False)]
    gc.collect()

    assert [loop() for loop in loops] == [None, None]


class Closable:
    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1

    async def aclose(self) -> None:
        self.closed += 1


def test_a_closed_client_is_followed_by_another() -> None:
    """Each is closed once; before the first call there is none."""
    clients = PerProcess(Closable, Closable.close)
    clients.close()
    first = clients.get()
    clients.close()
    clients.close()

    assert (first.closed, clients.get().closed) == (1, 0)


def test_a_client_is_closed_with_its_loop_or_before() -> None:
    """And none of another loop with it."""
    clients = PerLoop(Closable, Closable.aclose)

    async def main(*, is_closed: bool) -> list[Closable]:
        opened = [clients.get()]
        if is_closed:
            await clients.aclose()
            await clients.aclose()
            opened.append(clients.get())
        return opened

    opened = asyncio.run(main(is_closed=True)) + asyncio.run(main(is_closed=False))

    assert [client.closed for client in opened] == [1, 1, 1]


@pytest.mark.parametrize(("proxy", "is_own"), [(None, True), ("http://proxy.test:3128", False)])
def test_a_proxy_is_not_bypassed(monkeypatch: pytest.MonkeyPatch, proxy: str | None, is_own: bool) -> None:
    """httpx2 heeds the environment only where it builds the transport itself."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    if proxy:
        monkeypatch.setenv("https_proxy", proxy)

    with blocking_client() as client:
        assert isinstance(client._transport, DeadlineTransport) is is_own


def test_a_client_of_the_wrong_kind_is_named_with_the_right_one() -> None:
    client = httpx2.Client()

    assert checked(client, httpx2.Client, "http_client") is client
    with pytest.raises(ConfigError, match=r"http_client is a builtins\.str, but this call needs a httpx2\."):
        checked("3", httpx2.Client, "http_client")
