"""Catches the HTTP calls of the clients people use and hands them to the active tape.

Three seams carry all of them, and each is patched while a tape is open:

* the transports of httpx and httpx2: the OpenAI, Anthropic and Ollama SDKs, and tapeline itself;
* urllib3's pool: requests, boto3 and urllib3 itself;
* aiohttp's session: aiohttp, and the SDKs where they are told to use it.

Live answers stream through while they are recorded; replayed ones never touch the network, and the waits
of an SDK between two tries take no time. A client that keeps to none of these seams is not caught.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from tapeline.cassettes.interception import aiohttp_session, backoff, httpx_family, urllib3_pool
from tapeline.cassettes.interception.active import active_tape, entered
from tapeline.cassettes.interception.patching import Patch, undo
from tapeline.cassettes.tape import Tape

__all__ = ["active_tape", "intercepted"]

SEAMS: tuple[Callable[[], Iterator[Patch]], ...] = (
    httpx_family.patches,
    urllib3_pool.patches,
    aiohttp_session.patches,
    backoff.patches,
)

_lock = Lock()
_users = 0
_patches: list[Patch] = []


@contextmanager
def intercepted(tape: Tape) -> Iterator[Tape]:
    """Send all HTTP of the clients we know through `tape`, until the block ends, however it ends."""
    _install()
    try:
        with entered(tape):
            yield tape
    finally:
        _uninstall()


def _install() -> None:
    global _users
    with _lock:
        if not _users:
            _patches.extend(patch for seam in SEAMS for patch in seam())
        _users += 1


def _uninstall() -> None:
    global _users
    with _lock:
        _users -= 1
        if not _users:
            while _patches:
                undo(_patches.pop())
