"""A pytest inside pytest for every test here, and a server that says what was said to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from inner_pytest import Inner
from local_server import LocalServer, echo


@pytest.fixture
def inner(pytester: pytest.Pytester) -> Iterator[Inner]:
    with LocalServer(echo) as server:
        yield Inner(pytester, server)
