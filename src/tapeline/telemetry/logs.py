"""What tapeline logs: the logger "tapeline" of the standard library, silent until you give it a handler.

A record's message is the name of an event, its facts are attributes: numbers, codes, names of providers
and models. Never a prompt, an answer, a key or a provider's own words.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from opentelemetry import trace
from opentelemetry.trace import Span

log = logging.getLogger("tapeline")
log.addHandler(logging.NullHandler())

Arguments = ParamSpec("Arguments")


class TraceContextFilter(logging.Filter):
    """Adds `trace_id` and `span_id` to log records, in hex as trace viewers write them; empty outside a span.

        handler.addFilter(tapeline.telemetry.TraceContextFilter())
        handler.setFormatter(logging.Formatter("%(message)s %(trace_id)s %(span_id)s"))

    Put it on a handler: a filter on a logger does not see what the loggers below it pass up.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if not hasattr(record, "trace_id"):  # tapeline's own records name the span of the call
            record.__dict__.update(trace_ids(trace.get_current_span()))
        return True


def trace_ids(span: Span) -> dict[str, str]:
    """Return the ids of a span in hex, or empty ones for a span that is none."""
    context = span.get_span_context()
    if not context.is_valid:
        return {"trace_id": "", "span_id": ""}
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}


def harmless(method: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """Keep what goes wrong in telemetry away from the call: it is logged, by its type alone.

    Exporters, processors and samplers are other people's code, so there is no telling what they raise.
    """

    @wraps(method)
    def guarded(*args: Arguments.args, **options: Arguments.kwargs) -> None:
        try:
            method(*args, **options)
        except Exception as error:
            log.warning("telemetry_failed", extra={"error_type": type(error).__qualname__})

    return guarded
