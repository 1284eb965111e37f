"""What the environment asks telemetry for. Read once, at the first call.

OTEL_SEMCONV_STABILITY_OPT_IN                       gen_ai_latest_experimental: the newest names
OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT  SPAN_ONLY, EVENT_ONLY or SPAN_AND_EVENT: record
                                                    prompts and answers too (NO_CONTENT)
OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT               true or false: an event with the details of each call
                                                    (true where events hold content)
TAPELINE_TELEMETRY_CHUNKS                           1: measure the time between chunks, ~10 us a chunk
TAPELINE_TELEMETRY_EXCEPTIONS                       1: an event for each call that fails
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tapeline.telemetry.conventions import LATEST, V1_41, Edition
from tapeline.telemetry.logs import log

CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
PLACES = {"NO_CONTENT": "", "SPAN_ONLY": "span", "EVENT_ONLY": "event", "SPAN_AND_EVENT": "span event"}


@dataclass(frozen=True, slots=True, kw_only=True)
class OptIns:
    """What is recorded besides the usual."""

    edition: Edition = V1_41
    has_content_on_span: bool = False
    has_content_on_event: bool = False
    emits_event: bool = False
    emits_exception: bool = False
    wants_chunks: bool = False


def opt_ins_of(environment: Mapping[str, str]) -> OptIns:
    """Return what these environment variables ask for. A word that is not known asks for nothing."""
    places = _content_places(environment)
    wishes = {wish.strip() for wish in environment.get("OTEL_SEMCONV_STABILITY_OPT_IN", "").split(",")}
    event = environment.get("OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT", "").strip().lower()
    return OptIns(
        edition=LATEST if "gen_ai_latest_experimental" in wishes else V1_41,
        has_content_on_span="span" in places,
        has_content_on_event="event" in places,
        emits_event=event == "true" or (event != "false" and "event" in places),
        emits_exception=_is_on(environment, "TAPELINE_TELEMETRY_EXCEPTIONS"),
        wants_chunks=_is_on(environment, "TAPELINE_TELEMETRY_CHUNKS"),
    )


def _content_places(environment: Mapping[str, str]) -> list[str]:
    word = environment.get(CAPTURE, "").strip().upper() or "NO_CONTENT"
    if word not in PLACES:
        log.warning("%s is none of %s: no content is recorded", CAPTURE, ", ".join(PLACES))
    return PLACES.get(word, "").split()


def _is_on(environment: Mapping[str, str], name: str) -> bool:
    return environment.get(name, "").strip().lower() in {"1", "true"}
