"""What all tables have in common."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tapeline.scenarios.strict import Strict, WrongPartError, valid_schema


class Table(Strict):
    size: int = 1


def test_a_table_refuses_what_it_does_not_know_and_never_changes() -> None:
    with pytest.raises(ValidationError, match="extra_forbidden"):
        Table.model_validate({"siez": 2})
    with pytest.raises(ValidationError, match="frozen"):
        Table().size = 3  # type: ignore[misc]


def test_what_is_wrong_further_below_says_where() -> None:
    error = WrongPartError("no", "checks", 3)

    assert (str(error), error.steps) == ("no", ("checks", 3))


def test_a_schema_is_returned_or_refused_as_pydantic_wants_it() -> None:
    assert valid_schema({"type": "object"}) == {"type": "object"}
    with pytest.raises(ValueError, match="not a JSON schema"):
        valid_schema({"type": "objekt"})
