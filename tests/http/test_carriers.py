"""Carriers: what a request is sent with. The calls they carry are in tests/client."""

from __future__ import annotations

from types import SimpleNamespace

import httpx2
import pytest

from tapeline.clock import VirtualClock
from tapeline.http.carriers import HttpxCarrier, bearer, headers_of_sdk, shortened, timeouts
from tapeline.http.deadline import EXTENSION, Deadline
from tapeline.types import HttpRequest

URL = "http://host.test/v1/chat"


@pytest.mark.parametrize(
    ("key", "headers"), [("k", {"a": "1", "authorization": "Bearer k"}), (None, {"a": "1"})]
)
def test_a_bearer_key_is_added_if_there_is_one(key: str | None, headers: dict[str, str]) -> None:
    """To a copy."""
    given = {"a": "1"}

    assert bearer(key)("POST", URL, given, b"") == headers
    assert given == {"a": "1"}


def test_an_sdk_is_asked_for_its_headers_once() -> None:
    """At the first request, because SDKs are slow to import; marks that stand for no header are left out."""
    built = []

    def build() -> SimpleNamespace:
        built.append("client")
        return SimpleNamespace(
            default_headers={"User-Agent": "sdk", "X-Left-Out": object()}, auth_headers={"X-Key": "k"}
        )

    sign = headers_of_sdk(build)
    first, second = (sign("POST", URL, {"content-type": "a/b"}, b"") for _ in range(2))

    assert first == second == {"user-agent": "sdk", "x-key": "k", "content-type": "a/b"}
    assert built == ["client"]


def test_a_connection_is_not_waited_for_as_long_as_an_answer() -> None:
    assert timeouts(600.0) == {"connect": 10.0, "read": 600.0, "write": 600.0, "pool": 600.0}
    assert timeouts(2.0)["connect"] == 2.0


def test_no_wait_is_longer_than_what_is_left_until_the_deadline() -> None:
    clock = VirtualClock()
    deadline = Deadline.after(5.0, clock)
    clock.sleep(2.0)

    assert shortened(timeouts(600.0), deadline) == {"connect": 3.0, "read": 3.0, "write": 3.0, "pool": 3.0}


def test_the_request_as_it_is_handed_on() -> None:
    """URL, headers, body, bounds on its waits and its deadline; a redirect is nothing to follow."""
    clock = VirtualClock()
    sent: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(307, headers={"location": "http://elsewhere.test"})

    carrier = HttpxCarrier(
        base_url="http://host.test/v1/",
        timeout_s=9.0,
        sign=bearer("k"),
        http_client=httpx2.Client(transport=httpx2.MockTransport(answer), follow_redirects=True),
    )
    deadline = Deadline.after(5.0, clock)
    request = HttpRequest(method="POST", path="/chat?a=1", headers={"x-own": "1"}, body=b'{"a":1}')

    response = carrier.send(request, is_stream=False, deadline=deadline)

    [seen] = sent
    assert (response.status_code, str(seen.url)) == (307, "http://host.test/v1/chat?a=1")
    assert (seen.headers["authorization"], seen.headers["x-own"], seen.content) == (
        "Bearer k",
        "1",
        b'{"a":1}',
    )
    assert seen.extensions["timeout"] == {"connect": 5.0, "read": 5.0, "write": 5.0, "pool": 5.0}
    assert seen.extensions[EXTENSION] is deadline
