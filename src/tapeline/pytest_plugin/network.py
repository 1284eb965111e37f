"""No test reaches another machine by accident, nor does a fixture of any scope.

What may: loopback, Unix sockets, hosts that are allowed by name, and calls of a tape that records. A
refusal names the host and what to do; it is no OSError, so that no SDK takes it for one and tries again.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

SEAMS = ("connect", "connect_ex")


class NetworkBlockedError(RuntimeError):
    """A test tried to reach another machine while nothing was being recorded."""


class Blockade:
    """Refuses connections while it stands."""

    def __init__(self) -> None:
        self._allowed: tuple[re.Pattern[str], ...] = ()
        self._undo: list[Callable[[], None]] = []

    def raise_up(self, allowed: Iterable[str] = ()) -> None:
        """Put the checks in place: connecting, and asking for the address of a name."""
        self._allowed = tuple(map(re.compile, allowed))
        for name in SEAMS:
            self._patch(socket.socket, name, self._checked_connection)
        self._patch(socket, "getaddrinfo", self._checked_name)

    def take_down(self) -> None:
        while self._undo:
            self._undo.pop()()

    @contextmanager
    def allowing(self, hosts: Iterable[str]) -> Iterator[None]:
        """Let these through as well, until the block ends: regular expressions of a whole host name."""
        before = self._allowed
        self._allowed = (*before, *map(re.compile, hosts))
        try:
            yield
        finally:
            self._allowed = before

    def _patch(self, owner: Any, name: str, wrap: Callable[[Any], Any]) -> None:
        real = getattr(owner, name)
        setattr(owner, name, wrap(real))
        self._undo.append(lambda: setattr(owner, name, real))

    def _checked_connection(self, real: Any) -> Any:
        def connect(connection: socket.socket, address: Any) -> Any:
            if isinstance(address, tuple):  # a path is a Unix socket
                self._check(str(address[0]))
            return real(connection, address)

        return connect

    def _checked_name(self, real: Any) -> Any:
        def getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
            if host:
                self._check(host.decode() if isinstance(host, bytes) else str(host))
            return real(host, *args, **options)

        return getaddrinfo

    def _check(self, host: str) -> None:
        if is_loopback(host) or any(pattern.fullmatch(host) for pattern in self._allowed):
            return
        from tapeline.cassettes.interception import active_tape  # only where it is needed: every run loads us

        tape = active_tape()
        if tape is None or not tape.may_send:
            raise NetworkBlockedError(
                f"this test tried to reach {host!r}, and nothing is being recorded. Record the call "
                "(@pytest.mark.tape, --record-mode=once), allow the host (--allowed-hosts, or "
                "@pytest.mark.allow_network), or let all tests out (--network=allow)."
            )


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine."""
    if host.partition("%")[0] in ("localhost", "0.0.0.0", "::"):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host.endswith(".localhost")
