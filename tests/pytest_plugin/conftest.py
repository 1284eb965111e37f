"""A pytest inside pytest for every test here."""

from __future__ import annotations

import pytest
from inner_pytest import Inner


@pytest.fixture
def inner(pytester: pytest.Pytester) -> Inner:
    return Inner(pytester)
