"""`tapeline cassette verify`: whether live answers still have the recorded shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from tapeline.bench.quantities import counted
from tapeline.bench.untrusted import visible
from tapeline.cli.cassette.arguments import AsJson, chosen, each
from tapeline.cli.terminal import fail_if, say_json, say_lines

if TYPE_CHECKING:
    from tapeline.cassettes.review.resending import Rechecked, Sender

STYLES = {"removed": "red", "changed": "red", "optional": "yellow", "added": "green"}
"""Severity -> how it looks."""


def verify(
    files: Annotated[list[Path], typer.Argument(help="Cassettes, or folders with some below them.")],
    target: Annotated[
        str | None, typer.Option(help="Scheme and host to ask in place of the recorded ones.", metavar="URL")
    ] = None,
    timeout_s: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for each.")] = 60.0,
    strict: Annotated[bool, typer.Option("--strict", help="Fail for what breaks no client, too.")] = False,
    json: AsJson = False,
) -> None:
    """Send recorded requests again, and compare the shapes of the answers.

    Text does not count, and nothing is written. It costs what recording costs;
    equal requests are sent once. Keys are those of OPENAI_API_KEY,
    ANTHROPIC_API_KEY and AWS. They go to these vendors and, over https, to
    --target. Exit code 1 if something was removed or changed.

    Example: tapeline cassette verify cassettes/ --target http://localhost:80
    """
    from tapeline.cassettes.review.resending import Sender

    with Sender(target=target, timeout_s=timeout_s) as sender:
        found = {path: _answers(path, sender) for path in each(chosen(files), "asking")}
    if json:
        say_json([_as_json(path, answers) for path, answers in found.items()])
    elif found:
        say_lines(_lines(found))
    fail_if([path for path, answers in found.items() if _is_finding(answers, strict=strict)])


def _answers(path: Path, sender: Sender) -> list[Rechecked] | str:
    """Return an answer on each interaction, or what is wrong with the file."""
    from tapeline.cassettes.review.resending import verify
    from tapeline.cassettes.storage.fileformat import load
    from tapeline.errors import InvalidCassetteError

    try:
        return list(verify(load(path), sender))
    except InvalidCassetteError as error:
        return error.message.removeprefix(f"{path}: ")


def _is_finding(answers: Sequence[Rechecked] | str, *, strict: bool) -> bool:
    if isinstance(answers, str):
        return True
    asked = [answer for answer in answers if not answer.is_skipped]
    return any(answer.problem or answer.is_breaking or (strict and answer.differences) for answer in asked)


def _lines(found: Mapping[Path, Sequence[Rechecked] | str]) -> Iterator[Text]:
    for path, answers in found.items():
        if isinstance(answers, str):
            yield Text(visible(f"{path}: {answers}"), style="red")
            continue
        same = sum(not answer.differences and not answer.problem for answer in answers)
        yield Text(visible(f"{path}: {same} of {counted(len(answers), 'answer')} of the recorded shape"))
        yield from _differing(answers)


def _differing(answers: Sequence[Rechecked]) -> Iterator[Text]:
    """Yield what is wrong with answers, and for what is wrong with several all their numbers."""
    alike: dict[Any, list[Rechecked]] = {}
    for answer in answers:
        alike.setdefault((answer.name, answer.problem, answer.differences), []).append(answer)
    for (name, problem, differences), placed in alike.items():
        numbers = ranges([answer.number for answer in placed])
        if problem:
            yield Text(visible(f"  {numbers}  {problem}"), style="dim" if placed[0].is_skipped else "red")
        elif differences:
            yield Text(visible(f"  {numbers}  {name}"))
        for difference in differences:
            yield Text(visible(f"     {difference}"), style=STYLES[difference.severity])


def ranges(numbers: Sequence[int]) -> str:
    """Return rising numbers in short, such as "1-3, 7"."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][-1] == number - 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(f"{part[0]}-{part[-1]}" if len(part) > 1 else str(part[0]) for part in parts)


def _as_json(path: Path, answers: Sequence[Rechecked] | str) -> dict[str, Any]:
    if isinstance(answers, str):
        return {"path": str(path), "problem": answers, "interactions": []}
    return {"path": str(path), "problem": None, "interactions": [_answer_json(each) for each in answers]}


def _answer_json(answer: Rechecked) -> dict[str, Any]:
    differences = [
        {"severity": each.severity, "place": each.place, "old": each.old, "new": each.new}
        for each in answer.differences
    ]
    return {
        "number": answer.number,
        "name": answer.name,
        "problem": answer.problem,
        "is_skipped": answer.is_skipped,
        "differences": differences,
    }
