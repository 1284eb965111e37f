"""Text that would act on a terminal or mislead a reader is shown as what it is."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.bench.untrusted import visible

CASES = {
    "plain": ("openai:gpt-5.4-mini", "openai:gpt-5.4-mini"),
    "other scripts": ("modèle 模型 מודל 🙂", "modèle 模型 מודל 🙂"),
    "a colour": ("\x1b[31mred", r"\x1b[31mred"),
    "a link": ("\x1b]8;;http://x\x07", r"\x1b]8;;http://x\x07"),
    "C1: one byte that starts a control sequence": ("\x9b2J", r"\x9b2J"),
    "line breaks": ("a\r\n\tb\u2028c", r"a\x0d\x0a\x09b\u2028c"),
    "an override that turns exe.png around": ("abc\u202egnp.exe", r"abc\u202egnp.exe"),
    "isolates": ("\u2066a\u2069", r"\u2066a\u2069"),
    "nothing to see": ("a\u200bb\ufeffc\u00ad", r"a\u200bb\ufeffc\xad"),
    "tags that hide text": ("a\U000e0041", r"a\U000e0041"),
    "a lone surrogate": ("\ud800", r"\ud800"),
}


@pytest.mark.parametrize(("text", "shown"), CASES.values(), ids=CASES.keys())
def test_visible_writes_what_is_not_seen_as_an_escape(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text())
def test_visible_text_holds_no_control_and_stays_as_it_is(text: str) -> None:
    shown = visible(text)

    assert not [c for c in shown if unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"}]
    assert visible(shown) == shown
    assert "".join(shown.splitlines()) == shown
