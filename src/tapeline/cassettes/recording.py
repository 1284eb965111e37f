"""One live call as it happens, written down for a cassette."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from tapeline.cassettes.interaction import Interaction, RecordedResponse, merged_blocks
from tapeline.clock import NS_PER_S, Clock
from tapeline.latency.pacing import FailureKind, IncomingRequest, RecordedTimes, TransportFailure

Failures = Mapping[type[Exception], FailureKind]
"""What a client raises when a connection fails, and which failure that is."""


LAST_EVENT = b"\ndata: [DONE]"
"""Ends a stream of OpenAI. Its blocking SDK closes the response here, and so never sees the body end."""


class Recording:
    """Times are taken when blocks arrive, before the client sees them. on_complete: told of a whole call."""

    def __init__(
        self,
        request: IncomingRequest,
        clock: Clock,
        meta: Mapping[str, Any],
        on_complete: Callable[[Interaction], None] = lambda _: None,
    ) -> None:
        self.request = request
        self._clock = clock
        self._meta = meta
        self._on_complete = on_complete
        self._sent_ns = clock.now_ns()
        self._recorded_at = datetime.now(UTC).isoformat(timespec="seconds")
        self._head_ns: int | None = None
        self._arrivals: list[tuple[bytes, float]] = []
        self._tail = b""
        self._is_complete = False
        self._is_broken = False
        self._failure: TransportFailure | None = None
        self._status = 0
        self._reason = ""
        self._headers: tuple[tuple[str, str], ...] = ()

    def head(self, status: int, reason: str, headers: Sequence[tuple[str, str]]) -> None:
        self._head_ns = self._clock.now_ns()
        self._status, self._reason, self._headers = status, reason, tuple(headers)

    def block(self, data: bytes) -> bytes:
        """Note a block of the body and return it."""
        self._arrivals.append((data, self._since(self._head_ns or self._sent_ns)))
        self._tail = (self._tail + data)[-2 * len(LAST_EVENT) :]
        if self._tail.rstrip().endswith(LAST_EVENT):
            self.complete()
        return data

    def complete(self) -> None:
        """The body has ended, or has nothing more to say; a recording without this is marked as cut."""
        if self._is_complete or self._is_broken:
            return
        self._is_complete = True
        if (whole := self.interaction()) is not None:
            self._on_complete(whole)

    @contextmanager
    def noting(self, failures: Failures) -> Iterator[None]:
        """Around each wait for the server: notes how it ends.

        A body that broke says it has ended if asked once more; that end is not the body's.
        """
        try:
            yield
        except (StopIteration, StopAsyncIteration):
            self.complete()
            raise
        except BaseException as error:
            self._is_broken = True
            kind = next((kind for cause, kind in failures.items() if isinstance(error, cause)), None)
            if kind is not None and self._failure is None:
                self._failure = TransportFailure(
                    kind=kind, at_s=self._since(self._sent_ns), has_head=self._head_ns is not None
                )
            raise

    def interaction(self) -> Interaction | None:
        """Return what was recorded so far; None if neither a response nor a failure came."""
        if self._head_ns is None and self._failure is None:
            return None
        body, blocks = merged_blocks(self._arrivals)
        head_s = ((self._head_ns or self._sent_ns) - self._sent_ns) / NS_PER_S
        response = RecordedResponse(
            status=self._status,
            reason=self._reason,
            headers=self._headers,
            body=body,
            times=RecordedTimes(head_s=head_s, blocks=blocks) if blocks or self._failure else None,
            meta=self._provenance(),
            is_cut=not self._is_complete and self._failure is None,
            failure=self._failure,
        )
        return Interaction(request=self.request, response=response)

    def _provenance(self) -> dict[str, Any]:
        from tapeline import __version__

        facts = {"recorded_at": self._recorded_at, "recorder": f"tapeline {__version__}"}
        sdk = self.request.headers.get("user-agent")
        return facts | ({"sdk": sdk} if sdk else {}) | dict(self._meta)

    def _since(self, start_ns: int) -> float:
        return (self._clock.now_ns() - start_ns) / NS_PER_S
