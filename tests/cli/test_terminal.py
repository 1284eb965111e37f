"""The terminal: nothing it would obey, and progress that does not mix with results."""

from __future__ import annotations

import pytest
import typer
from rich.text import Text

from tapeline.cli.terminal import (
    call_progress,
    fail_if,
    printable,
    say,
    say_json,
    say_lines,
    screen_width,
    tell,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("Größe 日本 🙂", "Größe 日本 🙂"),
        ("one\ntwo\n", "one\ntwo\n"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("over\rwritten\b", r"over\x0dwritten\x08"),
        ("bell\x07\x00\x7f\x9b2J", r"bell\x07\x00\x7f\x9b2J"),
        ("tab\there", r"tab\x09here"),
        ("abc\u202ecba\u2066\u200b", r"abc\u202ecba\u2066\u200b"),
        ("line\u2028separator", r"line\u2028separator"),
        ("lone \ud800", r"lone \ud800"),
    ],
    ids=["empty", "text", "lines", "colour", "back", "control", "tab", "bidi", "separator", "surrogate"],
)
def test_lines_stay_and_control_characters_become_escapes(text: str, expected: str) -> None:
    assert printable(text) == expected


def test_progress_is_one_plain_line_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with call_progress(2) as on_call:
        on_call("greet \x1b[2J")
        on_call("greet")

    assert tuple(capsys.readouterr()) == ("", "2 calls done\n")


def test_a_run_that_failed_does_not_say_it_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), call_progress(2) as on_call:
        on_call({}["greet"])

    assert "done" not in capsys.readouterr().err


def test_results_and_remarks_go_apart_and_do_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    say("a result\x1b[2J\nof two lines")
    tell("a remark\x1b[2J")

    assert tuple(capsys.readouterr()) == ("a result\\x1b[2J\nof two lines\n", "a remark\\x1b[2J\n")


def test_json_is_plain_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    say_json({"name": "\u202eé\x1b"})

    assert capsys.readouterr().out == '{\n  "name": "\\u202e\\u00e9\\u001b"\n}\n'


def test_lines_are_neither_wrapped_nor_read_as_markup(capsys: pytest.CaptureFixture[str]) -> None:
    say_lines([Text(f"[red]{'word ' * 50}[/red]", style="bold"), Text("1 2")])

    assert capsys.readouterr().out == f"[red]{'word ' * 50}[/red]\n1 2\n"


def test_a_terminal_says_how_wide_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "77")

    assert screen_width() == 77


def test_what_was_found_is_exit_code_1() -> None:
    fail_if([])
    with pytest.raises(typer.Exit) as ended:
        fail_if(["something"])

    assert ended.value.exit_code == 1
