"""What OpenTelemetry and the log get to see of calls. Needs the OpenTelemetry API only.

    calls.py        the span of a call and what is measured of it
    work.py         tools, batches, circuit breakers
    attributes.py   what signals say, from requests and replies
    content.py      what was said, for those who ask for it
    events.py       the conventions' two events
    opt_in.py       what the environment asks for
    conventions.py  names, units and buckets, in two editions
    signals.py      tracer and instruments
    logs.py         the logger "tapeline", and a filter that adds trace ids

No other instrumentation sees the same call twice: those patch the vendors' typed methods, which are not
used here, and the spans of the Anthropic SDK are switched off where its client is built.
"""

from tapeline.telemetry.calls import CallRecord, call_span
from tapeline.telemetry.logs import TraceContextFilter
from tapeline.telemetry.work import ToolRecord, batch_started, breaker_changed, tool_span

__all__ = [
    "CallRecord",
    "ToolRecord",
    "TraceContextFilter",
    "batch_started",
    "breaker_changed",
    "call_span",
    "tool_span",
]
