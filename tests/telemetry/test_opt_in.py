"""What the environment can ask for."""

from __future__ import annotations

import logging

import pytest

from tapeline.telemetry.conventions import LATEST
from tapeline.telemetry.opt_in import OptIns, opt_ins_of

CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
EVENT = "OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT"
NAMES = "OTEL_SEMCONV_STABILITY_OPT_IN"

WISHES = {
    "nothing": ({}, OptIns()),
    "empty words": ({CAPTURE: "", EVENT: " ", NAMES: ""}, OptIns()),
    "no content": ({CAPTURE: "no_content"}, OptIns()),
    "content on spans": ({CAPTURE: "span_only"}, OptIns(has_content_on_span=True)),
    "content on events": ({CAPTURE: "EVENT_ONLY"}, OptIns(has_content_on_event=True, emits_event=True)),
    "content on both": (
        {CAPTURE: " SPAN_AND_EVENT "},
        OptIns(has_content_on_span=True, has_content_on_event=True, emits_event=True),
    ),
    "content on events that are switched off": (
        {CAPTURE: "EVENT_ONLY", EVENT: "False"},
        OptIns(has_content_on_event=True),
    ),
    "events without content": ({EVENT: "TRUE"}, OptIns(emits_event=True)),
    "a word for events that is none": ({EVENT: "maybe"}, OptIns()),
    "the newest names": ({NAMES: "http/dup, gen_ai_latest_experimental"}, OptIns(edition=LATEST)),
    "the newest names of others": ({NAMES: "http"}, OptIns()),
    "chunks": ({"TAPELINE_TELEMETRY_CHUNKS": "1"}, OptIns(wants_chunks=True)),
    "no chunks": ({"TAPELINE_TELEMETRY_CHUNKS": "0"}, OptIns()),
    "exceptions": ({"TAPELINE_TELEMETRY_EXCEPTIONS": "true"}, OptIns(emits_exception=True)),
}


@pytest.mark.parametrize(("environment", "expected"), WISHES.values(), ids=WISHES.keys())
def test_wishes(environment: dict[str, str], expected: OptIns) -> None:
    assert opt_ins_of(environment) == expected


def test_a_wish_that_is_not_understood_records_no_content(caplog: pytest.LogCaptureFixture) -> None:
    """Older instrumentations took "true"; which place that means is nobody's to guess."""
    assert opt_ins_of({CAPTURE: "true"}) == OptIns()
    assert caplog.record_tuples == [
        (
            "tapeline",
            logging.WARNING,
            f"{CAPTURE} is none of NO_CONTENT, SPAN_ONLY, EVENT_ONLY, SPAN_AND_EVENT: no content is recorded",
        )
    ]
