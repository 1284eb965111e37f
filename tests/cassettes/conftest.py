"""After every test, however it ended, clients are their own again."""

from __future__ import annotations

import time
from collections.abc import Iterator

import aiohttp
import anyio
import botocore.httpsession
import httpx
import httpx2
import pytest
import urllib3.connectionpool

from tapeline.cassettes.interception import active_tape

PLACES = [
    (httpx.HTTPTransport, "handle_request"),
    (httpx.AsyncHTTPTransport, "handle_async_request"),
    (httpx2.HTTPTransport, "handle_request"),
    (httpx2.AsyncHTTPTransport, "handle_async_request"),
    (botocore.httpsession.URLLib3Session, "send"),
    (urllib3.connectionpool.HTTPConnectionPool, "urlopen"),
    (aiohttp.ClientSession, "_request"),
    (time, "sleep"),
    (anyio, "sleep"),
]
ORIGINALS = [getattr(owner, name) for owner, name in PLACES]


@pytest.fixture(autouse=True)
def nothing_stays_patched() -> Iterator[None]:
    yield
    assert [getattr(owner, name) for owner, name in PLACES] == ORIGINALS
    assert active_tape() is None
