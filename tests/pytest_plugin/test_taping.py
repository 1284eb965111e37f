"""The tape of a test, and what fails a test that has passed."""

from __future__ import annotations

import re

import pytest
from inner_pytest import Inner, recording

from tapeline.cassettes.interaction import Interaction
from tapeline.cassettes.storage.fileformat import load, save

pytest_plugins = ["pytester"]


@pytest.mark.parametrize("plugins", [(), ("-pno:recording",)], ids=["with pytest-recording", "alone"])
def test_a_marker_or_the_fixture_gives_a_test_its_tape(inner: Inner, plugins: tuple[str, ...]) -> None:
    """Recorded if it passes, replayed offline, in the folder where pytest-recording would look."""
    code = """
    @pytest.mark.tape
    def test_marked():
        assert said(ask("hi")) == "you said hi"

    def test_fixture(tape):
        assert said(ask("ho")) == "you said ho"

    @pytest.mark.tape(pace="recorded")
    def test_paced(virtual_clock, tape):
        assert tape.clock is virtual_clock

    def test_unmarked(request):
        from tapeline.cassettes.interception import active_tape
        assert active_tape() is None
    """

    inner.record(code, *plugins).assert_outcomes(passed=4)
    result = inner.again(*plugins)

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*= tapes =*", "2 played", "replays saved 2 calls, 16 tokens*"])
    assert len(load(inner.cassette("test_marked"))) == len(load(inner.cassette("test_fixture"))) == 1


def test_a_test_that_fails_saves_nothing(inner: Inner) -> None:
    result = inner.record("""
    def test_fails(tape):
        ask("hi")
        assert False
    """)

    result.assert_outcomes(failed=1)
    assert not inner.cassette("test_fails").exists()


# Unplayed -----------------------------------------------------------------------------------------------

ONE_OF_TWO = """
    MARK
    def test_it(tape):
        assert said(ask("hi")) == "hello"
"""


@pytest.mark.parametrize(
    ("mark", "arguments", "is_failed"),
    [
        ("@pytest.mark.vcr", (), True),
        ("@pytest.mark.tape", (), True),
        ("@pytest.mark.tape(unplayed='off')", (), False),
        ("@pytest.mark.tape(unplayed='warn')", (), False),
        ("@pytest.mark.vcr", ("--unplayed=off",), False),
        ("@pytest.mark.vcr", ("-otape_unplayed=off",), False),
        ("@pytest.mark.tape(unplayed='fail')", ("--unplayed=off",), True),
    ],
)
def test_a_recording_that_nothing_asked_for_fails_its_test(
    inner: Inner, mark: str, arguments: tuple[str, ...], is_failed: bool
) -> None:
    result = inner.run(
        ONE_OF_TWO.replace("MARK", mark),
        *arguments,
        test_it=[recording("hi", "hello"), recording("bye", "goodbye")],
    )

    result.assert_outcomes(failed=is_failed, passed=not is_failed)
    if is_failed:
        result.stdout.fnmatch_lines(
            ["recorded, but this test never asked for it, in *test_it.yaml:", "*interaction 2: POST http*"]
        )
    is_told = "off" not in "".join((mark, *arguments)) or is_failed
    assert ("1 played, 1 unplayed" in result.stdout.str()) is is_told


def test_a_cassette_that_tests_share_may_hold_more_than_one_of_them_asks_for(inner: Inner) -> None:
    result = inner.run(
        """
    @pytest.mark.vcr
    @pytest.mark.default_cassette("shared")
    def test_named():
        assert said(ask("hi")) == "hello"

    @pytest.mark.vcr("shared.yaml")
    def test_added():
        assert said(ask("bye")) == "goodbye"

    @pytest.mark.vcr("shared.yaml")
    @pytest.mark.tape(unplayed="fail")
    def test_strict():
        assert said(ask("bye")) == "goodbye"
    """,
        shared=[recording("hi", "hello"), recording("bye", "goodbye")],
    )

    result.assert_outcomes(passed=2, failed=1)


# Drift --------------------------------------------------------------------------------------------------

DRIFTED = """
    @pytest.mark.tape(ignore=["$.seed"])
    def test_it():
        ask("hi", seed=2)
"""


def seeded() -> Interaction:
    item = recording()
    body = item.request.body.replace(b'"model"', b'"seed": 1, "model"')
    request = type(item.request)(
        method=item.request.method, url=item.request.url, headers=item.request.headers, body=body
    )
    return Interaction(request=request, response=item.response)


@pytest.mark.parametrize("severity", ["fail", "warn", "off"])
def test_a_request_that_changed_and_still_matches_is_told(inner: Inner, severity: str) -> None:
    result = inner.run(DRIFTED, f"--drift={severity}", test_it=[seeded()])

    result.assert_outcomes(failed=severity == "fail", passed=severity != "fail")
    told = re.findall(r"interaction 1: \$\.seed: 1 -> 2", result.stdout.str())
    assert bool(told) is (severity != "off")
    assert ("1 drifted" in result.stdout.str()) is (severity != "off")


# Verify -------------------------------------------------------------------------------------------------


def test_verify_asks_again_and_writes_nothing(inner: Inner) -> None:
    """A text may differ; a key that is gone, or a request that was never recorded, fails."""
    code = """
    @pytest.mark.MARK
    def test_same():
        ask("hi", url=URL)

    @pytest.mark.MARK
    def test_changed():
        ask("hi", url=URL)

    @pytest.mark.MARK
    def test_new():
        ask("hi", url=URL)
    """
    for mark in ("vcr", "tape"):
        inner.record(code.replace("MARK", mark), "-k", "same or changed").assert_outcomes(
            passed=2, deselected=1
        )
        path = inner.cassette("test_changed")
        save(path, [_with_another_key(item) for item in load(path)])
        before = path.read_text()

        result = inner.record(code.replace("MARK", mark), mode="verify")

        result.assert_outcomes(passed=1, failed=2)
        result.stdout.fnmatch_lines(
            ["today's answer differs in shape from interaction 1, in *test_changed.yaml:", "*seed*"]
        )
        result.stdout.fnmatch_lines(["answered, but never recorded, in *test_new.yaml:"])
        result.stdout.fnmatch_lines(["live calls took 3 calls, *"])
        assert path.read_text() == before
        assert not inner.cassette("test_new").exists()
        path.unlink()
        inner.cassette("test_same").unlink()


def _with_another_key(item: Interaction) -> Interaction:
    response = item.response
    body = response.body.replace(b'"choices"', b'"seed_of_old": 1, "choices"', 1)
    changed = type(response)(status=200, reason="OK", headers=response.headers, body=body)
    return Interaction(request=item.request, response=changed)


# Age and money ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reaction", "outcome"), [("warn", "passed"), ("fail", "failed"), ("off", "passed"), ("record", "passed")]
)
def test_a_recording_grows_old(inner: Inner, reaction: str, outcome: str) -> None:
    """Those without a date are not judged; re-recording keeps the old file until the new one is whole."""
    code = """
    @pytest.mark.tape(max_age="30d")
    def test_it():
        ask("hi", url=URL)
    """
    inner.record(code).assert_outcomes(passed=1)
    path = inner.cassette("test_it")
    text = re.sub(r"recorded_at: '\d{4}", "recorded_at: '2001", path.read_text())
    path.write_text(text)

    result = inner.record(code, f"--on-expiry={reaction}", mode="none")

    result.assert_outcomes(**{outcome: 1})
    assert ("1 expired" in result.stdout.str()) is (reaction in ("warn", "fail"))
    assert ("2001" in path.read_text()) is (reaction != "record")


def test_a_budget_ends_a_recording(inner: Inner) -> None:
    """The call that would cost more is not sent, and its test fails."""
    result = inner.record(
        """
    def test_first(tape):
        ask("hi", url=URL, model="gpt-5.4-mini")

    def test_second(tape):
        ask("hi", url=URL, model="gpt-5.4-mini")
    """,
        "--record-budget=0.0000001",
    )

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*recording budget of * USD is spent*"])
    result.stdout.fnmatch_lines(["recording took 1 call, 8 tokens, * USD"])
    assert inner.cassette("test_first").exists()
    assert not inner.cassette("test_second").exists()


@pytest.mark.parametrize("mark", ["vcr", "tape"])
def test_times_are_recorded_as_they_pass_for_the_server(inner: Inner, mark: str) -> None:
    """On the real clock, though the test runs on a virtual one. Planned faults spare live calls."""
    result = inner.record(f"""
    @pytest.mark.{mark}
    @pytest.mark.tape(faults=[{{"status": 500}}])
    def test_it(virtual_clock):
        ask("hi", url=URL)
    """)

    result.assert_outcomes(passed=1)
    assert "no call met" not in result.stdout.str()
    [item] = load(inner.cassette("test_it"))
    assert item.response.times is not None
    assert item.response.times.head_s > 0


@pytest.mark.parametrize("mark", ["vcr", "tape"])
def test_rewriting_keeps_the_old_file_until_the_new_one_is_whole(inner: Inner, mark: str) -> None:
    """pytest-recording would delete it first. What is left over goes with it."""
    code = f"""
    @pytest.mark.{mark}
    def test_it():
        ask("hi", url=URL)
        assert IS_GOOD
    """
    path = inner.cassette("test_it")
    save(path, [recording("hi", "old"), recording("never asked", "old")])
    before = path.read_text()

    inner.record(code.replace("IS_GOOD", "False"), mode="rewrite").assert_outcomes(failed=1)
    assert path.read_text() == before
    inner.record(code.replace("IS_GOOD", "True"), mode="rewrite").assert_outcomes(passed=1)

    [item] = load(path)
    assert b"you said hi" in item.response.body


# Faults -------------------------------------------------------------------------------------------------


def test_a_marker_plans_faults(inner: Inner) -> None:
    """The SDK tries again, as it would; its waits take no time, and the recording is still there."""
    result = inner.run(
        """
    import time

    @pytest.mark.tape(faults=[{"status": 429, "times": 2, "headers": {"retry-after": "30"}}])
    def test_limited(tape):
        started = time.monotonic()
        with openai.OpenAI(base_url="http://127.0.0.1:1/v1", api_key="key-of-nobody", max_retries=2) as sdk:
            answer = sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
        assert said(answer) == "hello"
        assert time.monotonic() - started < 20

    @pytest.mark.tape(faults=[{"reset": True, "times": 1}])
    def test_reset():
        with pytest.raises(openai.APIConnectionError):
            ask()
        assert said(ask()) == "hello"
    """,
        test_limited=[recording()],
        test_reset=[recording()],
    )

    result.assert_outcomes(passed=2)


def test_calls_of_wider_fixtures_are_not_the_tests(inner: Inner) -> None:
    """They are made before its tape is opened; those of its own fixtures are recorded."""
    result = inner.record("""
    @pytest.fixture(scope="module")
    def model():
        return said(ask("module"))

    @pytest.fixture
    def own():
        return said(ask("own"))

    @pytest.mark.tape
    def test_it(own, model):
        ask("test")
    """)

    result.assert_outcomes(passed=1)
    bodies = b"".join(item.request.body for item in load(inner.cassette("test_it")))
    assert (b"own" in bodies, b"test" in bodies, b"module" in bodies) == (True, True, False)


def test_a_fixture_may_mark_a_test(inner: Inner) -> None:
    result = inner.run(
        """
    @pytest.fixture(autouse=True)
    def marked(request):
        request.applymarker(pytest.mark.tape)

    def test_it():
        assert said(ask()) == "hello"
    """,
        test_it=[recording()],
    )

    result.assert_outcomes(passed=1)
