"""How a contract reaches its model: from a cassette, recorded when asked for, on virtual time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from inner_pytest import ALONE
from local_server import LocalServer, echo

from tapeline.cassettes.storage.fileformat import load

pytest_plugins = ["pytester"]

CONTRACT = """
    from tapeline.testing import ProviderContract

    class TestServer(ProviderContract):
        name = "openai:gpt-5.4-mini"
        settings = {{"api_key": "key-of-nobody", "base_url": "{url}/v1"}}
        cassette = "cassettes/server.yaml"
        upstream = "a server of the test"
"""
CHECKS = ["test_an_answer_has_text", "test_asyncio_answers_as_threads_do", "test_the_chunks_are_the_answer"]


class Inner:
    """A folder with a contract, `test_server.py`."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester

    @property
    def cassette(self) -> Path:
        return self.pytester.path / "cassettes" / "server.yaml"

    def run(self, url: str, *options: str) -> pytest.RunResult:
        self.pytester.makepyfile(test_server=CONTRACT.format(url=url))
        nodes = [f"test_server.py::TestServer::{check}" for check in CHECKS]
        return self.pytester.runpytest_inprocess(*ALONE, *options, *nodes)


@pytest.fixture
def inner(pytester: pytest.Pytester) -> Inner:
    return Inner(pytester)


def test_a_contract_is_recorded_once_and_replayed(inner: Inner) -> None:
    """Two recordings, one plain and one streamed, answer all checks; the server may be gone."""
    with LocalServer(echo) as server:
        inner.run(server.url, "--record-mode=new_episodes").assert_outcomes(passed=3)
        asked = len(server.asked)

    recorded = load(inner.cassette)
    assert (asked, len(recorded)) == (2, 2)
    assert {item.response.meta["upstream"] for item in recorded} == {"a server of the test"}
    inner.run(server.url).assert_outcomes(passed=3)


def test_answers_that_break_the_contract_are_not_kept(inner: Inner) -> None:
    with LocalServer(lambda asked: replace(echo(asked), blocks=[b"{}"])) as server:
        inner.run(server.url, "--record-mode=new_episodes").assert_outcomes(failed=3)

    assert not inner.cassette.exists()


def test_without_a_cassette_it_says_how_to_record_one(inner: Inner) -> None:
    result = inner.run("http://127.0.0.1:1")

    result.assert_outcomes(errors=3)
    result.stdout.fnmatch_lines("*no cassette *server.yaml: record it with --record-mode=new_episodes")


def test_a_mode_that_would_lose_recordings_is_refused(inner: Inner) -> None:
    """All checks share one file: none may replace it by its own."""
    result = inner.run("http://127.0.0.1:1", "--record-mode=rewrite")

    result.assert_outcomes(errors=3)
    result.stdout.fnmatch_lines("*to record all anew, delete the cassette first*")
    assert not inner.cassette.exists()


def test_a_fact_skips_what_hangs_on_it_and_says_why(inner: Inner) -> None:
    inner.pytester.makepyfile(
        test_facts="""
        import tapeline
        from tapeline.testing import ProviderContract

        class TestEcho(ProviderContract):
            name = "mock:echo"
            reports_usage = False
            capabilities = tapeline.Capabilities(tools=False, images=False)
        """
    )
    checks = ["test_usage_is_counted", "test_a_tool_is_called", "test_a_picture_is_seen"]

    result = inner.pytester.runpytest_inprocess(
        *ALONE, "-rs", *(f"test_facts.py::TestEcho::{check}" for check in checks)
    )

    result.assert_outcomes(skipped=3)
    result.stdout.fnmatch_lines_random(
        ["*mock:echo: reports no usage", "*mock:echo: knows no tools", "*mock:echo: takes no pictures"]
    )
