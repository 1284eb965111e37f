"""The span of a call, and what is measured of it: one record per call, all its tries inside.

Names are those of the GenAI semantic conventions. No content is recorded unless it is asked for
(`opt_in.py`); keys, and the text of providers' errors, never are. Without an SDK a call costs a few
microseconds and nothing is built for the span; what goes wrong in here is logged and does not reach the call.
"""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Any, Self

from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, Status, StatusCode

from tapeline.errors import ErrorCode, LLMError
from tapeline.telemetry.attributes import (
    IN_PROCESS,
    call_attributes,
    error_type,
    request_attributes,
    response_attributes,
)
from tapeline.telemetry.content import as_json, content_attributes
from tapeline.telemetry.events import emit_details, emit_exception
from tapeline.telemetry.logs import harmless, log, trace_ids
from tapeline.telemetry.signals import NO_USAGE, signals
from tapeline.types import ChatRequest, Reply

LONG_WAIT_S = 1.0
"""A longer wait in the rate limiter is worth a line in the log."""


def call_span(request: ChatRequest, *, provider: str, base_url: str) -> CallRecord:
    """Return the record of one call, a context manager: its span is open inside.

    provider: our own name for it. base_url: what of it is not host and port is dropped.
    """
    return CallRecord(request, provider, base_url)


class CallRecord:
    """What a call reports about itself.

    The first of `finished`, `failed`, `abandoned` and `cancelled` ends it; what comes later is ignored.
    wants_chunks: whether to call `chunk`. All durations are seconds.
    """

    def __init__(self, request: ChatRequest, provider: str, base_url: str) -> None:
        self._request = request
        self._provider = provider
        self._base_url = base_url
        self._span: Span = INVALID_SPAN
        self._is_open = False
        self._is_cached = False
        self._last_chunk_at_s: float | None = None
        self.wants_chunks = False

    def __enter__(self) -> Self:
        self._start()
        self._start_span()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._is_open:
            return
        if isinstance(error, GeneratorExit):
            self.abandoned()
        elif error is not None:
            self._fail(error_type(error), None, error)
        self._close()

    @harmless
    def _start(self) -> None:
        self._signals = signals()
        self._attributes = call_attributes(self._provider, self._base_url, self._request.model)
        self._is_open = True
        self.wants_chunks = self._signals.opt_ins.wants_chunks
        self._count_active(+1)

    @harmless
    def _start_span(self) -> None:
        if not self._is_open:
            return
        # Not made current: a stream is read by the caller, who must not find itself inside our span.
        self._span = self._signals.tracer.start_span(
            f"chat {self._request.model}",
            kind=SpanKind.INTERNAL if self._provider == IN_PROCESS else SpanKind.CLIENT,
            attributes=self._attributes,
        )
        if self._span.is_recording():
            edition = self._signals.opt_ins.edition
            self._span.set_attributes(request_attributes(self._request, self._provider, edition))

    def _count_active(self, step: int) -> None:
        provider, model = self._attributes["gen_ai.provider.name"], self._request.model
        self._signals.active_requests.add(step, provider, model)
        if self._request.is_stream:
            self._signals.active_streams.add(step, provider, model)

    # On the way --------------------------------------------------------------------------------------

    @harmless
    def retried(self, error: LLMError, *, attempt: int, delay_s: float) -> None:
        """Try `attempt` failed; there will be another one after `delay_s`."""
        if not self._is_open:
            return
        facts: dict[str, Any] = {"attempt": attempt, "delay_s": delay_s, "code": error.code.value}
        status = {} if error.status is None else {"http.response.status_code": error.status}
        self._span.add_event("retry", facts | status)
        self._signals.retries.add(1, self._by_code(error.code.value))
        self._log(logging.INFO, "retry_scheduled", **facts, retry_after_s=error.retry_after_s)

    @harmless
    def waited(self, wait_s: float) -> None:
        """The call was held back by the rate limiter."""
        if not self._is_open:
            return
        self._signals.waits.record(wait_s, self._by_provider())
        if wait_s > LONG_WAIT_S:
            self._log(logging.INFO, "ratelimit_waited", wait_s=wait_s)

    @harmless
    def chunk(self, at_s: float) -> None:
        """A chunk came, `at_s` after the start of the call. Costs ~10 us: see `wants_chunks`."""
        if self._last_chunk_at_s is not None and self._is_open:
            self._signals.time_per_output_chunk.record(at_s - self._last_chunk_at_s, self._attributes)
        self._last_chunk_at_s = at_s

    @harmless
    def cached(self) -> None:
        """The answer comes from the response cache."""
        if self._is_open:
            self._is_cached = True
            self._span.set_attribute("tapeline.cache.hit", True)

    @harmless
    def replayed(self) -> None:
        """The answer comes off a tape: marks every signal, so that it can be kept out of dashboards."""
        if self._is_open:
            self._attributes = {**self._attributes, "tapeline.replay": True}
            self._span.set_attribute("tapeline.replay", True)

    @harmless
    def rerouted(self, *, target: str, error: LLMError) -> None:
        """This target failed; the call goes on to another one, such as "anthropic:claude-haiku-5-5"."""
        if not self._is_open:
            return
        facts = {"target": target, "code": error.code.value}
        self._span.add_event("reroute", facts)
        self._log(logging.WARNING, "rerouted", **facts)

    # The end -----------------------------------------------------------------------------------------

    def finished(self, reply: Reply) -> None:
        """The answer is there."""
        if self._is_open:
            self._finish(reply)
            self._close()

    def failed(self, error: LLMError, *, total_s: float) -> None:
        """There is none, after all tries."""
        if self._is_open:
            self._fail(error.code.value, total_s, error)
            self._close()

    def abandoned(self, *, total_s: float | None = None) -> None:
        """The caller stopped reading early: not an error."""
        if self._is_open:
            self._abandon(total_s)
            self._close()

    def cancelled(self, *, total_s: float | None = None) -> None:
        """The task that made the call was cancelled."""
        if self._is_open:
            self._fail(ErrorCode.CONTEXT_CANCELED.value, total_s, None)
            self._close()

    @harmless
    def _finish(self, reply: Reply) -> None:
        attributes = self._measured(reply)
        self._signals.duration.record(reply.timing.total_s, attributes)
        if not self._is_cached:  # what comes from the cache is neither billed nor an answer time
            self._signals.tokens.record(reply.usage, attributes)
            if reply.timing.ttft_s is not None:
                self._signals.time_to_first_chunk.record(reply.timing.ttft_s, attributes)
        self._describe(reply, {"gen_ai.response.finish_reasons": [reply.finish_reason or "error"]})

    @harmless
    def _fail(self, code: str, total_s: float | None, error: BaseException | None) -> None:
        partial = error.partial if isinstance(error, LLMError) else None
        attributes = self._measured(partial) | {"error.type": code}
        if total_s is not None:
            self._signals.duration.record(total_s, attributes)
        self._signals.tokens.count(NO_USAGE if partial is None else partial.usage, attributes)
        self._signals.errors.add(1, self._by_code(code))
        self._span.set_status(Status(StatusCode.ERROR))  # no description: providers' texts echo prompts
        self._describe(partial, {"error.type": code, "gen_ai.response.finish_reasons": ["error"]})
        if error is not None and self._signals.opt_ins.emits_exception:
            emit_exception(self._span, error)
        if partial is not None:
            self._log(logging.WARNING, "stream_broke", code=code, total_s=total_s)

    @harmless
    def _abandon(self, total_s: float | None) -> None:
        facts = {"tapeline.stream.abandoned": True}
        if total_s is not None:
            self._signals.duration.record(total_s, self._measured(None) | facts)
        self._describe(None, facts)

    @harmless
    def _close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._count_active(-1)
            self._span.end()

    def _describe(self, reply: Reply | None, facts: dict[str, Any]) -> None:
        """Say on the span, and in an event if one is wanted, what came of the call."""
        opt_ins = self._signals.opt_ins
        if not self._span.is_recording() and not opt_ins.emits_event:
            return
        answered = {} if reply is None else response_attributes(reply, self._provider, opt_ins.edition)
        facts = answered | facts
        has_content = opt_ins.has_content_on_span or opt_ins.has_content_on_event
        said = content_attributes(self._request, reply, opt_ins.edition) if has_content else {}
        self._span.set_attributes(facts | (as_json(said) if opt_ins.has_content_on_span else {}))
        if opt_ins.emits_event:
            asked = request_attributes(self._request, self._provider, opt_ins.edition)
            shown = said if opt_ins.has_content_on_event else {}
            emit_details(self._span, {**self._attributes, **asked, **facts, **shown})

    def _measured(self, reply: Reply | None) -> dict[str, Any]:
        model = None if reply is None else reply.model
        return {
            **self._attributes,
            **({} if model is None else {"gen_ai.response.model": model}),
            **({"tapeline.cache.hit": True} if self._is_cached else {}),
        }

    def _by_provider(self) -> dict[str, Any]:
        return {"gen_ai.provider.name": self._attributes["gen_ai.provider.name"]}

    def _by_code(self, code: str) -> dict[str, Any]:
        return self._by_provider() | {"error.type": code}

    def _log(self, level: int, event: str, **facts: Any) -> None:
        if log.isEnabledFor(level):
            call = {"provider": self._provider, "model": self._request.model}
            log.log(level, event, extra=call | facts | trace_ids(self._span))
