"""No network by accident: blocked from the start of the session, and opened on purpose only."""

from __future__ import annotations

import socket

import pytest
from inner_pytest import Inner

from tapeline.pytest_plugin.network import Blockade, NetworkBlockedError, is_loopback

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.allow_network  # the outer session must not block what the inner one lets out

FAR = "192.0.2.1"
"""An address that nobody has (RFC 5737)."""

TRY = f"""
    import socket

    def reach(host="{FAR}", timeout=0.01):
        with socket.socket() as connection:
            connection.settimeout(timeout)
            try:
                connection.connect((host, 9))
            except OSError:
                return "let out"

    @pytest.fixture(scope="session")
    def early():
        reach()

    @pytest.fixture(scope="module")
    def earlier():
        reach()
"""


def test_tests_and_fixtures_of_every_scope_stay_at_home(inner: Inner) -> None:
    """By address and by name; the error says what to do. Loopback is at home."""
    result = inner.run(f"""{TRY}
    def test_session(early): ...

    def test_module(earlier): ...

    def test_itself():
        reach()

    def test_name():
        with pytest.raises(RuntimeError, match="'api.example.com', and nothing is being recorded"):
            socket.getaddrinfo("api.example.com", 443)

    def test_loopback():
        assert reach("127.0.0.1", timeout=1) == "let out"
        assert socket.getaddrinfo("localhost", 80)

    @pytest.mark.allow_network
    def test_allowed():
        assert reach() == "let out"

    @pytest.mark.block_network(allowed_hosts=["{FAR}"])
    def test_allowed_host():
        assert reach() == "let out"
    """)

    result.assert_outcomes(passed=4, failed=1, errors=2)
    result.stdout.fnmatch_lines([f"*NetworkBlockedError: this test tried to reach '{FAR}'*--network=allow*"])


@pytest.mark.parametrize("argument", ["--network=allow", "--record-mode=once", f"--allowed-hosts={FAR}"])
def test_the_command_line_lets_tests_out(inner: Inner, argument: str) -> None:
    result = inner.run(
        f"""{TRY}
    def test_itself():
        assert reach() == "let out"
    """,
        argument,
    )

    result.assert_outcomes(passed=1)


def test_a_tape_that_records_lets_its_own_test_out(inner: Inner) -> None:
    result = inner.run(f"""{TRY}
    @pytest.mark.tape(record_mode="once")
    def test_records():
        assert reach() == "let out"

    @pytest.mark.vcr(record_mode="once")
    def test_records_by_vcr():
        assert reach() == "let out"

    @pytest.mark.vcr
    @pytest.mark.tape(record_mode="new_episodes")
    def test_records_by_both():
        assert reach() == "let out"

    @pytest.mark.tape
    def test_replays():
        with pytest.raises(RuntimeError, match="nothing is being recorded"):
            reach()
    """)

    result.assert_outcomes(passed=4)


def test_afterwards_all_is_as_before() -> None:
    before = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo
    blockade = Blockade()

    blockade.raise_up()
    with pytest.raises(NetworkBlockedError), socket.socket() as connection:
        connection.connect_ex((FAR, 9))
    blockade.take_down()

    assert (socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo) == before


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("fe80::1%eth0", False),
        ("a.localhost", True),
        ("localhost.example.com", False),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_this_machine_is_known_by_its_names(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
