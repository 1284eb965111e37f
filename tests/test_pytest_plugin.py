"""The plugin, in a pytest of its own: tapes under `@pytest.mark.vcr`."""

from __future__ import annotations

import importlib.util

import pytest
from inner_pytest import ALONE, Inner, recording
from local_server import Answer, Asked, LocalServer, echo

from tapeline.cassettes.storage.fileformat import load, save

pytest_plugins = ["pytester"]


@pytest.fixture
def inner(pytester: pytest.Pytester) -> Inner:
    return Inner(pytester)


# Replay -------------------------------------------------------------------------------------------------


def test_marked_tests_replay_through_our_tape(inner: Inner) -> None:
    """The user's SDK, pytest-recording's marker, vcrpy's counts: all as they know them."""
    result = inner.run(
        """
    @pytest.mark.vcr
    def test_plain(vcr, tape):
        assert said(ask("hi")) == "hello"
        assert vcr.play_count == tape.play_counts.total() == 1
        assert not vcr.all_played
        assert said(ask("bye")) == "goodbye"
        assert vcr.all_played

    def test_class_of_tape(tape):
        from tapeline.cassettes import Tape
        assert isinstance(tape, Tape)
    """,
        test_plain=[recording("hi", "hello"), recording("bye", "goodbye")],
    )

    result.assert_outcomes(passed=2)


def test_tests_take_no_time_unless_they_ask_for_it(inner: Inner) -> None:
    """Marker, option and default; on the clock of the test, where it has one."""
    code = """
    @pytest.mark.vcr
    def test_default(virtual_clock):
        ask()
        assert virtual_clock.now_ns() == EXPECTED

    @pytest.mark.vcr
    @pytest.mark.tape(pace="recorded*2")
    def test_marked(virtual_clock):
        ask()
        assert virtual_clock.now_ns() == 5_000_000_000

    @pytest.mark.vcr
    @pytest.mark.tape(pace="recorded")
    def test_async(virtual_clock):
        async def main():
            options = {"base_url": "http://127.0.0.1:1/v1", "api_key": "key-of-nobody"}
            async with openai.AsyncOpenAI(**options) as client:
                await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
        virtual_clock.run(main())
        assert virtual_clock.now_ns() == 2_500_000_000
    """
    cassettes = {name: [recording()] for name in ("test_default", "test_marked", "test_async")}

    inner.run(code.replace("EXPECTED", "0"), **cassettes).assert_outcomes(passed=3)
    inner.run(code.replace("EXPECTED", "10_000_000_000"), "--pace=recorded*4").assert_outcomes(passed=3)


def test_ignored_paths_are_marked(inner: Inner) -> None:
    result = inner.run(
        """
    @pytest.mark.vcr
    @pytest.mark.tape(ignore=["$.seed", "$.messages[*].content"])
    def test_it():
        assert said(ask("something else", seed=7)) == "hello"
    """,
        test_it=[recording()],
    )

    result.assert_outcomes(passed=1)


def test_without_a_recording_a_test_fails_and_says_what_to_do(inner: Inner) -> None:
    """The default mode is none: the server is not asked."""
    with LocalServer(echo) as server:
        result = inner.run(
            f"""
    @pytest.mark.vcr
    def test_empty():
        ask(url="{server.url}/v1")

    @pytest.mark.vcr
    def test_other():
        ask("another prompt")
    """,
            test_other=[recording()],
        )

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines_random(
        [
            "*CassetteMissError: no interaction in *test_empty.yaml answers POST http://127.0.0.1*",
            "*the cassette is empty or does not exist",
            "*$.messages?0?.content (message 1)",
            "*- hi",
            "*+ another prompt",
            '*Record it with: pytest "test_it.py::test_other" --record-mode=rewrite',
        ]
    )
    assert server.asked == []


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--pace=fast", "*--pace: unknown pace 'fast': use none, recorded*"),
        ("--record-budget=NaN", "*--record-budget: *NaN*"),
        ("--max-age=old", "*--max-age: *old*"),
        ("--drift=never", "*argument --drift: invalid choice*"),
        ("-otape_drift=never", "*tape_drift: 'never' is not one of fail, warn, off*"),
    ],
)
def test_a_wrong_option_is_wrong_usage(inner: Inner, argument: str, message: str) -> None:
    result = inner.run("", argument)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ("pace='fast'", "*test_it.py::test_it: unknown pace 'fast'*"),
        ("ignore=['seed']", "*not a JSON path: 'seed'*"),
        ("pase='none'", "*@pytest.mark.tape has no 'pase'; did you mean 'pace'?*"),
        ("drift='never'", "*drift='never' is not one of fail, warn, off*"),
        ("record_mode='some'", "*record_mode='some' is not one of none, once*"),
        ("'../elsewhere'", "*../elsewhere: a cassette lies below *"),
        ("max_age='old'", "*'old'*"),
    ],
)
def test_a_wrong_marker_stops_the_run_before_it_begins(inner: Inner, marker: str, message: str) -> None:
    result = inner.run(f"""
    @pytest.mark.vcr
    @pytest.mark.tape({marker})
    def test_it(): pass
    """)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty: delete it, and record it again"),
        ("interactions: [", "not YAML"),
        ("interactions: [5]", "interaction 1"),
    ],
    ids=["empty", "cut", "foreign"],
)
def test_a_broken_cassette_is_named(inner: Inner, text: str, problem: str) -> None:
    path = inner.cassette("test_broken")
    path.parent.mkdir(parents=True)
    path.write_text(text)

    result = inner.run(
        """
    @pytest.mark.vcr
    def test_broken(): ask()

    @pytest.mark.vcr
    def test_next(): assert said(ask()) == "hello"
    """,
        test_next=[recording()],
    )

    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines([f"*InvalidCassetteError: *test_broken.yaml: *{problem}*"])


# Recording ----------------------------------------------------------------------------------------------


def test_a_test_that_passes_is_recorded_and_then_replayed(inner: Inner) -> None:
    with LocalServer(echo) as server:
        code = f"""
    @pytest.mark.vcr
    def test_stream():
        assert streamed("hello there", "{server.url}/v1") == "you said hello there"
    """
        inner.run(code, "--record-mode=once").assert_outcomes(passed=1)
        inner.run(code, "--record-mode=once").assert_outcomes(passed=1)
    inner.run(code, "--block-network").assert_outcomes(passed=1)

    assert len(server.asked) == 1
    [stored] = load(inner.cassette("test_stream"))
    assert stored.response.times is not None
    assert stored.response.meta["sdk"].startswith("OpenAI/Python")


def test_a_test_that_does_not_pass_writes_nothing(inner: Inner) -> None:
    """Whether it fails, is expected to, or skips at last; in any mode."""
    with LocalServer(echo) as server:
        result = inner.run(
            f"""
    url = "{server.url}/v1"

    @pytest.mark.vcr
    def test_fails():
        ask(url=url)
        assert False

    @pytest.mark.vcr
    @pytest.mark.xfail
    def test_expected_to_fail():
        ask(url=url)
        assert False

    @pytest.mark.vcr
    def test_skips():
        ask(url=url)
        pytest.skip()

    @pytest.mark.vcr
    def test_known():
        ask(url=url)
        assert False
    """,
            "--record-mode=all",
            test_known=[recording(answer="kept")],
        )

    result.assert_outcomes(failed=2, xfailed=1, skipped=1)
    assert len(server.asked) == 4
    assert [path.stem for path in inner.cassette("x").parent.iterdir()] == ["test_known"]
    assert b"kept" in load(inner.cassette("test_known"))[0].response.body


def test_a_secret_in_a_recording_is_an_error_of_its_test_alone(inner: Inner) -> None:
    def leak(asked: Asked) -> Answer:
        text = "sk-abcdefghijklmnopqrst" if b"leak" in asked.body else "hello"
        return Answer(blocks=[recording(answer=text).response.body])

    with LocalServer(leak) as server:
        result = inner.run(
            f"""
    url = "{server.url}/v1"

    @pytest.mark.vcr
    def test_leaks():
        ask("leak", url=url)

    @pytest.mark.vcr
    def test_next():
        assert said(ask("hi", url=url)) == "hello"

    def test_live():
        assert said(ask("hi", url=url)) == "hello"
    """,
            "--record-mode=once",
        )

    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(
        ["*CassetteError: *test_leaks.yaml: not written: line * an OpenAI or Anthropic key*"]
    )
    assert "sk-abcdefghijklmnopqrst" not in result.stdout.str()
    assert [path.stem for path in inner.cassette("x").parent.iterdir()] == ["test_next"]
    assert len(server.asked) == 3


def test_boto3_is_recorded_exactly_once(inner: Inner) -> None:
    """vcrpy's patches of urllib3 stay in place for requests; they must not see what we see."""
    with LocalServer(echo) as server:
        code = f"""
    import boto3

    @pytest.mark.vcr
    def test_bedrock(vcr):
        client = boto3.client(
            "bedrock-runtime", endpoint_url="{server.url}", region_name="us-east-1",
            aws_access_key_id="nobody", aws_secret_access_key="nothing",
        )
        messages = [{{"role": "user", "content": [{{"text": "hi"}}]}}]
        answer = client.converse(modelId="m", messages=messages)
        assert answer["output"]["message"]["content"][0]["text"] == "you said hi"
        client.close()
    """
        inner.run(code, "--record-mode=once").assert_outcomes(passed=1)
    inner.run(code).assert_outcomes(passed=1)

    assert len(load(inner.cassette("test_bedrock"))) == 1
    assert len(server.asked) == 1


@pytest.mark.skipif(importlib.util.find_spec("requests") is None, reason="needs requests")
def test_requests_is_recorded_and_replayed_like_the_others(inner: Inner) -> None:
    with LocalServer(lambda _: Answer(blocks=[b'{"n": 1}'])) as server:
        code = f"""
    import requests

    @pytest.mark.vcr
    def test_requests(vcr):
        answer = requests.post(
            "{server.url}/?key=canary-query", json={{"a": 1, "b": 2}},
            headers={{"authorization": "Bearer canary-header"}},
        )
        assert answer.json() == {{"n": 1}}

    @pytest.mark.vcr
    @pytest.mark.default_cassette("test_requests")
    def test_key_order(vcr):
        answer = requests.post("{server.url}/", json={{"b": 2, "a": 1}})
        assert answer.json() == {{"n": 1}}
        assert vcr.all_played
    """
        inner.run(code, "--record-mode=once", "-k", "test_requests").assert_outcomes(passed=1, deselected=1)
    inner.run(code).assert_outcomes(passed=2)

    assert len(server.asked) == 1
    assert "canary" not in inner.cassette("test_requests").read_text()


# What users of pytest-recording have set ----------------------------------------------------------------


def test_a_users_settings_are_respected(inner: Inner) -> None:
    """match_on, filters, hooks and ignored hosts, as `vcr_config` or in the marker."""
    with LocalServer(echo) as server:
        result = inner.run(
            f"""
    url = "{server.url}/v1"

    @pytest.fixture
    def vcr_config():
        return {{"filter_post_data_parameters": ["seed"], "filter_headers": ["user-agent"]}}

    @pytest.mark.vcr
    def test_filters():
        ask("hi", url=url, seed=1)

    @pytest.mark.vcr(before_record_request=lambda asked: None)
    def test_hook_that_ignores():
        ask("hi", url=url)

    @pytest.mark.vcr(ignore_localhost=True)
    def test_ignored_host():
        ask("hi", url=url)

    @pytest.mark.vcr(match_on=["method", "path"])
    def test_match_on():
        assert said(ask("whatever", url=url)) == "hello"
    """,
            "--record-mode=once",
            test_match_on=[recording()],
        )

    result.assert_outcomes(passed=4)
    assert sorted(path.stem for path in inner.cassette("x").parent.iterdir()) == [
        "test_filters",
        "test_match_on",
    ]
    [stored] = load(inner.cassette("test_filters"))
    assert "seed" not in stored.request.body.decode()
    assert "user-agent" not in stored.request.headers
    assert len(server.asked) == 3


def test_several_cassettes_are_played_together(inner: Inner) -> None:
    """A feature of pytest-recording: what the marker names is played too, and never written."""
    result = inner.run(
        """
    @pytest.mark.vcr("extra.yaml")
    def test_it(vcr):
        assert said(ask("hi")) == "hello"
        assert said(ask("more")) == "from extra"
        assert vcr.all_played
    """,
        test_it=[recording()],
        extra=[recording("more", "from extra")],
    )

    result.assert_outcomes(passed=1)


def test_recording_can_be_disabled(inner: Inner) -> None:
    with LocalServer(echo) as server:
        result = inner.run(
            f"""
    @pytest.mark.vcr
    def test_it(tape):
        assert tape is None
        assert said(ask("hi", url="{server.url}/v1")) == "you said hi"
    """,
            "--disable-recording",
            test_it=[recording()],
        )

    result.assert_outcomes(passed=1)


def test_stock_pytest_recording_replays_our_files(inner: Inner) -> None:
    """A user who does without us keeps the recordings."""
    save(inner.cassette("test_it"), [recording()])
    inner.pytester.makepyfile(
        test_it="""
        import httpx2, pytest

        @pytest.mark.vcr(match_on=["method", "uri", "body"])
        def test_it(request, vcr):
            assert not request.config.pluginmanager.has_plugin("tapeline")
            body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
            answer = httpx2.post("http://127.0.0.1:1/v1/chat/completions", json=body).json()
            assert answer["choices"][0]["message"]["content"] == "hello"
            assert vcr.all_played
        """
    )

    result = inner.pytester.runpytest_subprocess(*ALONE, "-p", "no:tapeline", "--block-network")

    result.assert_outcomes(passed=1)
