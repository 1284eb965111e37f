"""Checks of structured output: a value that fits the schema, or an error that says why not."""

from __future__ import annotations

from typing import Any

import pytest

from tapeline.errors import ErrorCode
from tapeline.structured import schema_name
from tapeline.testing.prompts import PEOPLE, PERSON, PERSON_SCHEMA, Person, PersonRecord
from tapeline.testing.stand_in import USAGE, Line
from tapeline.testing.streams import read
from tapeline.testing.subject import Subject
from tapeline.testing.verdicts import error_of, require
from tapeline.types import ChatRequest, FinishReason, Reply, ToolCall, assistant

SCHEMAS: dict[str, Any] = {
    "pydantic": Person,
    "dataclass": PersonRecord,
    "JSON schema": PERSON_SCHEMA,
}
ADA = {"name": "Ada Lovelace", "born": 1815}


def facts_of(value: Any) -> Any:
    """Return a person as a dict, whatever the schema made of her."""
    return value if isinstance(value, dict) else {"name": value.name, "born": value.born}


def answering(text: str, *, finish_reason: FinishReason = "stop") -> Line:
    """Say this in place of a value, as this kind of model gives values: as text, or by a tool."""

    def said(request: ChatRequest) -> Reply:
        called = [tool for tool in request.tools if tool.name == schema_name(Person)]
        content: Any = text
        if called:
            content = ToolCall(id="call_1", name=called[0].name, raw_arguments=text)
        return Reply(
            message=assistant(content),
            finish_reason=finish_reason,
            usage=USAGE,
            model=request.model,
            id="answer-1",
        )

    return said


class ValueChecks(Subject):
    """What comes back when a schema is asked for."""

    @pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS.keys())
    def test_a_schema_gets_its_value(self, schema: Any) -> None:
        """Of the type that was asked for, with what the prompt says."""
        value = self.model().generate(PERSON, schema=schema).parsed

        wanted = dict if isinstance(schema, dict) else schema
        require(isinstance(value, wanted), f"a value of {wanted}", value)
        require("Ada" in facts_of(value)["name"], f"{ADA}", value)
        require(facts_of(value)["born"] == ADA["born"], f"{ADA}", value)

    def test_a_list_is_a_schema(self) -> None:
        """Though APIs want objects."""
        value = self.model().generate(PEOPLE, schema=list[Person]).parsed

        years = [getattr(person, "born", None) for person in value or ()]
        require(years == [1815, 1912], "two persons, born in 1815 and 1912", value)

    def test_a_stream_gets_its_value(self) -> None:
        """When it has ended."""
        _, reply = read(self.model().stream(PERSON, schema=Person))

        require(isinstance(reply.parsed, Person), "a Person in reply.parsed", reply.parsed)

    def test_asyncio_gets_its_value(self) -> None:
        """agenerate is generate."""
        reply = self.run(lambda model: model.agenerate(PERSON, schema=Person))

        require(isinstance(reply.parsed, Person), "a Person in reply.parsed", reply.parsed)

    def test_without_a_schema_nothing_is_parsed(self) -> None:
        """JSON in an answer is text like any other."""
        reply = self.stand_in('{"name": "Ada", "born": 1815}').model().generate(PERSON)

        require(reply.parsed is None, "None in reply.parsed", reply.parsed)

    def test_a_misfit_is_an_error(self) -> None:
        """invalid_response, with the answer that was paid for, after the model was told so once."""
        server = self.stand_in(answering('{"name": "Ada"}'))

        error = error_of(lambda: server.model().generate(PERSON, schema=Person), "the year is missing")

        require(error.code == ErrorCode.INVALID_RESPONSE, "the code invalid_response", error)
        require(error.partial is not None, "the answer in error.partial", error.partial)
        require(len(server.incoming) == 2, "one more try, and no third", len(server.incoming))

    def test_a_misfit_may_be_mended(self) -> None:
        """The model is told what was wrong, and its second answer counts."""
        server = self.stand_in(answering('{"name": "Ada"}'), answering('{"name": "Ada", "born": 1815}'))

        value = server.model().generate(PERSON, schema=Person).parsed

        require(value == Person(name="Ada", born=1815), "the mended value", value)
        more = len(server.asked[1].messages) - len(server.asked[0].messages)
        require(more >= 1, "the second request to say what was wrong", server.asked[1].messages)

    def test_half_a_value_is_an_error(self) -> None:
        """One that was cut at max_tokens; another try would be cut too."""
        server = self.stand_in(answering('{"name": "Ada", ', finish_reason="length"))
        error = error_of(lambda: server.model().generate(PERSON, schema=Person), "the answer was cut")

        require(error.code == ErrorCode.INVALID_RESPONSE, "the code invalid_response", error)
        require(len(server.incoming) == 1, "no other try", len(server.incoming))
