"""The two events of the conventions, as OpenTelemetry log records. Both are opt-in (`opt_in.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry import _logs
from opentelemetry.trace import Span, set_span_in_context

from tapeline.errors import LLMError


def emit_details(span: Span, attributes: Mapping[str, Any]) -> None:
    """Emit all that is known of a call, and what was said in it if that is among the attributes."""
    _emit(span, "gen_ai.client.inference.operation.details", attributes)


def emit_exception(span: Span, error: BaseException) -> None:
    """Emit what made a call fail. Its message is ours: a provider's may echo the prompt or the key."""
    kind = type(error)
    attributes = {"exception.type": f"{kind.__module__}.{kind.__qualname__}"}
    if isinstance(error, LLMError):
        attributes["exception.message"] = _message(error)
    _emit(span, "gen_ai.client.operation.exception", attributes, severity_number=_logs.SeverityNumber.WARN)


def _message(error: LLMError) -> str:
    status = "no response" if error.status is None else f"HTTP {error.status}"
    return f"{error.op or 'call'} failed: {error.code.value}, {status}"


def _emit(span: Span, name: str, attributes: Mapping[str, Any], **more: Any) -> None:
    record = _logs.LogRecord(
        event_name=name, attributes=dict(attributes), context=set_span_in_context(span), **more
    )
    _logs.get_logger("tapeline").emit(record)
