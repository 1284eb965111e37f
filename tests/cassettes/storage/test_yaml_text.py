"""YAML: what people can read, read back as it was; what is built to hurt is refused before it does."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tapeline.cassettes.storage import yaml_text
from tapeline.cassettes.storage.yaml_text import emit, parse, refuse_nesting

pure = settings(max_examples=100)
TAPE = "\U0001f4fc"


# Writing ------------------------------------------------------------------------------------------------

BLOCKS = {
    "an emoji": (f"one {TAPE}\ntwo\n", f"text: |\n  one {TAPE}\n  two\n"),
    "a private-use character": ("\ue000\n" + TAPE, f"text: |-\n  \ue000\n  {TAPE}\n"),
    "a space at the end of a line": ("one \ntwo ", "text: |-\n  one \n  two \n"),
    "a line of spaces": ("one\n  \ntwo\n", "text: |\n  one\n    \n  two\n"),
    "tabs": ("a\tb\n\tc\t\n", "text: |\n  a\tb\n  \tc\t\n"),
    "lines in between": ("data: 1\n\ndata: 2\n\n", "text: |+\n  data: 1\n\n  data: 2\n\n"),
}


@pytest.mark.parametrize(("text", "written"), BLOCKS.values(), ids=BLOCKS.keys())
def test_several_lines_are_a_literal_block(text: str, written: str) -> None:
    """libyaml alone would put these on one line between quotes, full of escapes."""
    assert emit({"text": text}) == written
    assert parse(written) == {"text": text}


def test_an_emoji_on_one_line_is_not_escaped() -> None:
    assert emit({"text": f"{TAPE} tape"}) == f"text: {TAPE} tape\n"


def test_a_text_that_needs_escapes_spoils_no_other() -> None:
    """A line separator, which answers of models hold at times, breaks lines to readers of YAML."""
    assert (
        emit({"bent": f"a\u2028{TAPE}\n", "block": "ü\nb\n"})
        == f'bent: "a\\L{TAPE}\\n"\nblock: |\n  ü\n  b\n'
    )


@pure
@given(st.lists(st.text("a \n\t\r\x07\x85\u2028\ufeff\ue000\U0001f4fc#:-'\"|>%é", max_size=12), max_size=3))
@example([" lead\nx", "\n\nlead"])
@example(["\ttab\n"])
@example(["a\n...\n", "...\n"])
def test_any_text_comes_back_and_is_written_at_the_first_try(texts: list[str]) -> None:
    content = {"texts": texts, "keys": {text: text for text in texts}}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml_text, "_PlainDumper", None)  # what would be fallen back to

        assert parse(emit(content)) == content


def test_more_rare_characters_than_stand_ins_are_escaped() -> None:
    content = {"text": "".join(chr(code) for code in range(0x10000, 0x10000 + 7000)) + "\nend\n"}

    text = emit(content)

    assert text.isascii()
    assert parse(text) == content


def test_a_value_that_stands_in_two_places_is_written_twice() -> None:
    shared = {"a": [1]}

    assert "*" not in emit({"x": shared, "y": shared})


# Reading ------------------------------------------------------------------------------------------------


def test_json_is_read_with_its_surrogate_pairs() -> None:
    """YAML knows none, and JSON serializers write an emoji as two."""
    assert parse('{"text": "\\ud83d\\udcfc"}') == {"text": TAPE}


@pytest.mark.parametrize("brackets", ["[", "{a: ", "- "], ids=["lists", "tables", "block"])
def test_deep_nesting_is_refused(brackets: str) -> None:
    deep = brackets * 500

    with pytest.raises(ValueError, match="nested deeper than 100 levels"):
        parse(f"x:\n {deep}")
    with pytest.raises(ValueError, match="nested deeper than 100 levels"):
        refuse_nesting(f"x:\n {deep}")


def test_brackets_one_after_the_other_are_not_deep() -> None:
    text = f"[{'[],' * 500}]"

    refuse_nesting(text)
    assert len(parse(text)) == 500


def multiplied(times: int, steps: int) -> str:
    lines = ["a0: &a0 [lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * times)}]" for n in range(1, steps)]
    return "\n".join([*lines, "interactions: []"])


def merged(times: int, steps: int) -> str:
    lines = ["a0: &a0 {k: v}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * times)}]}}" for n in range(1, steps)]
    return "\n".join(lines)


HURTFUL = {
    "each line means ten times the one before": (multiplied(10, 12), "aliases that stand for more"),
    "a long text a million times": (
        f"a: &a {'x' * 100_000}\nb: &b [{'*a, ' * 1_000}]\nc: [{'*b, ' * 1_000}]",
        "aliases that stand for more",
    ),
    "each line is one level deeper": (multiplied(1, 200), "nested deeper than 100 levels"),
    "each table takes in ten of the one before": (merged(10, 12), "takes in another one by `<<`"),
    "deep JSON": ('{"a":' * 200 + "1" + "}" * 200, "nested deeper than 100 levels"),
    "a circle": ("a: &a [*a]", "aliases that stand for more"),
    "a circle through a table": ("a: &a {b: {c: *a}}", "aliases that stand for more"),
}


@pytest.mark.parametrize(("text", "problem"), HURTFUL.values(), ids=HURTFUL.keys())
def test_aliases_that_multiply_are_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse(text)


def test_a_few_aliases_are_read() -> None:
    """Stock vcrpy writes some where two interactions share a value."""
    text = "a: &id001 [x]\nb: *id001\nc: {k: *id001}\n"

    assert parse(text) == {"a": ["x"], "b": ["x"], "c": {"k": ["x"]}}


VCRPY_TAGS = {
    "!!python/object/new:_io.BytesIO\n  state: !!python/tuple [!!binary YWJj, 0, null]": b"abc",
    "!!python/object/new:_io.BytesIO {}": b"",
    "!!python/object/apply:builtins.iter {args: [[!!binary YWI=, c]], state: 0}": b"abc",
    "!!python/tuple [a, [b]]": ["a", ["b"]],
    "!!python/unicode abc": "abc",
    "!!python/str abc": "abc",
}


@pytest.mark.parametrize(("written", "value"), VCRPY_TAGS.items(), ids=VCRPY_TAGS.keys())
def test_what_vcrpy_writes_of_files_and_iterators_is_read(written: str, value: object) -> None:
    """As plain data: nothing is called."""
    assert parse(f"body: {written}") == {"body": value}


@pytest.mark.parametrize(
    "tag",
    ["!!python/name:os.system", "!!python/object/apply:os.getcwd []", "!!python/object/new:os.getcwd []"],
)
def test_tags_that_name_code_are_refused(tag: str) -> None:
    with pytest.raises(yaml.YAMLError, match="could not determine a constructor"):
        parse(f"x: {tag}")


@pytest.mark.parametrize("value", [None, True, 1, 1.5, "text", b"\xff", [], {}, [{"a": [None]}]], ids=repr)
def test_any_value_of_a_cassette_comes_back(value: Any) -> None:
    assert parse(emit({"x": value})) == {"x": value}
