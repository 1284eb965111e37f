"""The inventory: cassettes are found wherever they are, and every call counts where it belongs."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from external import RECORDINGS, needs_recordings
from recordings import chat, interaction, request, response, timed

from tapeline.cassettes.interaction import Interaction
from tapeline.cassettes.review.inventory import (
    JSON_SUFFIXES,
    SUFFIXES,
    Cassette,
    call_of,
    delete_cassette,
    find_cassettes,
    group,
    groups,
    read_cassette,
    waited_s,
)
from tapeline.cassettes.review.spending import Totals
from tapeline.cassettes.storage.fileformat import save
from tapeline.errors import ConfigError
from tapeline.latency.pacing import TransportFailure
from tapeline.providers.openai import OpenAICodec
from tapeline.types import Reply, Usage, assistant

MODEL = "gpt-4o-2024-08-06"
USAGE = Usage(input_tokens=1_000, output_tokens=100)
JSON = ("content-type", "application/json")
BEGINNING = "interactions:\n- request:\n"


# Finding ------------------------------------------------------------------------------------------------


def written(folder: Path, *names: str, text: str = BEGINNING) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def found_in(folder: Path, *places: str) -> list[str]:
    found = find_cassettes([folder / place for place in places or [""]])
    return [path.relative_to(folder).as_posix() for path in found]


def test_cassettes_are_found_below_a_folder(tmp_path: Path) -> None:
    """Below `cassettes` by place alone, so that an empty file is seen; elsewhere by how they begin."""
    written(tmp_path, "tests/cassettes/test_x/test_a.yaml", "cassettes/b.yml", text="")
    written(tmp_path, "fixtures/c.yaml")
    written(tmp_path, "fixtures/d.yaml", text="version: 1\ninteractions: []\n")
    written(tmp_path, "fixtures/settings.yaml", text="of: no interest\nnot_interactions: 1\n")
    written(tmp_path, "cassettes/notes.txt")

    assert found_in(tmp_path) == [
        "cassettes/b.yml",
        "fixtures/c.yaml",
        "fixtures/d.yaml",
        "tests/cassettes/test_x/test_a.yaml",
    ]


def test_what_is_not_the_projects_own_is_passed_over(tmp_path: Path) -> None:
    written(
        tmp_path,
        ".venv/lib/cassettes/a.yaml",
        ".git/cassettes/a.yaml",
        "node_modules/x/cassettes/a.yaml",
        "venv/cassettes/a.yaml",
        "cassettes/.hidden.yaml",
        "cassettes/seen.yaml",
    )

    assert found_in(tmp_path) == ["cassettes/seen.yaml"]


def test_a_file_counts_as_it_is_and_each_once(tmp_path: Path) -> None:
    """What is named is looked at, whatever it is called."""
    written(tmp_path, "cassettes/a.yaml", "odd.name")

    assert found_in(tmp_path, "odd.name", "cassettes", "cassettes/a.yaml") == ["odd.name", "cassettes/a.yaml"]


def test_a_folder_inside_a_folder_of_cassettes_holds_cassettes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "cassettes/deep/a.yaml", text="broken")

    assert found_in(tmp_path, "cassettes/deep") == ["cassettes/deep/a.yaml"]
    assert find_cassettes([Path("cassettes/deep")]) == [Path("cassettes/deep/a.yaml")]


def test_a_project_may_lie_in_a_folder_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its settings are no broken cassettes because of that."""
    project = tmp_path / "cassettes" / "project"
    written(project, "settings.yaml", text="of: no interest")

    from_outside = found_in(project)
    monkeypatch.chdir(project)

    assert (from_outside, found_in(project), find_cassettes([Path()])) == ([], [], [])


def test_a_pipe_is_no_cassette(tmp_path: Path) -> None:
    """Reading one would wait for ever."""
    written(tmp_path, "cassettes/a.yaml")
    os.mkfifo(tmp_path / "cassettes" / "pipe.yaml")

    assert found_in(tmp_path) == ["cassettes/a.yaml"]


def test_a_link_to_nothing_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "cassettes").mkdir()
    (tmp_path / "cassettes" / "a.yaml").symlink_to(tmp_path / "gone")

    [path] = find_cassettes([tmp_path])

    assert "No such file" in (read_cassette(path).problem or "")


def test_links_do_not_lead_round_in_circles(tmp_path: Path) -> None:
    written(tmp_path, "cassettes/a.yaml")
    (tmp_path / "cassettes" / "again").symlink_to(tmp_path)

    assert found_in(tmp_path) == ["cassettes/a.yaml"]


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere: no such file or folder"):
        find_cassettes([tmp_path / "nowhere"])


def test_cassettes_in_json_are_found_where_they_are_wanted(tmp_path: Path) -> None:
    written(tmp_path, "cassettes/a.json", "b.json", text='{"version": 1, "interactions": [{"request": {')
    written(tmp_path, "package.json", text="{}")

    found = find_cassettes([tmp_path], (*SUFFIXES, *JSON_SUFFIXES))

    assert [path.name for path in found] == ["b.json", "a.json"]
    assert found_in(tmp_path) == []


def test_side_files_count_as_part_of_their_cassette(tmp_path: Path) -> None:
    save(tmp_path / "a.yaml", [interaction(answer=response(b"\xff" * 100_000))])

    assert 100_000 < read_cassette(tmp_path / "a.yaml").file_bytes < 102_000


def test_a_deleted_cassette_leaves_nothing_behind(tmp_path: Path) -> None:
    """Neither side files nor an empty folder; what else is in the folder stays."""
    alone, neighbour = tmp_path / "one" / "a.yaml", tmp_path / "two" / "a.yaml"
    picture = interaction(answer=response(b"\xff" * 100_000))
    for path in (alone, neighbour):
        save(path, [picture])
    written(tmp_path, "two/b.yaml")

    for path in (alone, neighbour):
        delete_cassette(path)

    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == [
        "two",
        "two/b.yaml",
    ]


# Reading ------------------------------------------------------------------------------------------------


def answered(**facts: object) -> Interaction:
    """A chat of 1,000 and 100 tokens, which cost 0.0035 USD."""
    body = OpenAICodec().encode_response(
        Reply(message=assistant("yes"), finish_reason="stop", usage=USAGE, model=MODEL, id="answer-1")
    )
    recorded = response(body, headers=[JSON])
    return interaction(request({"model": MODEL}), replace(recorded, **facts))


def dated(date: str) -> Interaction:
    return answered(meta={"recorded_at": date})


def test_a_cassette_says_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    other = interaction(request({"model": "embed"}, url="https://api.test/v1/embeddings"))
    save(path, [other, dated("2026-11-02T10:00:00+00:00"), dated("2026-10-01T10:00:00+00:00")])

    assert read_cassette(path).to_json() == {
        "path": str(path),
        "problem": None,
        "interactions": 3,
        "streams": 0,
        "file_bytes": path.stat().st_size,
        "sources": [f"openai:{MODEL}", "api.test embed"],
        "recorded_from": "2026-10-01T10:00:00+00:00",
        "recorded_to": "2026-11-02T10:00:00+00:00",
        "waited_s": 0,
        "input_tokens": 2_000,
        "output_tokens": 200,
        "cost_usd": "0.0070",
        "unpriced_calls": 0,
    }


BROKEN = {
    "empty": ("", ""),
    "truncated": ("interactions:\n- request: {method: POST", "not YAML"),
    "foreign": ("- a\n- b\n", "not a cassette"),
    "without a request": ("interactions:\n- response: {}\n", "interaction 1"),
    "with a URL that is none": (
        "interactions:\n- request: {method: GET, uri: 'http://[x', headers: {}}\n"
        "  response: {status: {code: 200}, body: {string: ''}}\n",
        "interaction 1: ValueError: Invalid IPv6 URL",
    ),
    "nested too deeply": ("[" * 500, "nested deeper"),
    "binary": ("\0", "not YAML"),
}


@pytest.mark.parametrize(("text", "problem"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_a_finding(tmp_path: Path, text: str, problem: str) -> None:
    """It says what is wrong, without its path, which is known."""
    written(tmp_path, "a.yaml", text=text)

    cassette = read_cassette(tmp_path / "a.yaml")

    assert cassette.calls == ()
    assert cassette.problem
    assert problem in cassette.problem
    assert str(tmp_path) not in cassette.problem


def test_a_file_that_has_gone_is_a_finding(tmp_path: Path) -> None:
    assert "No such file" in (read_cassette(tmp_path / "gone.yaml").problem or "")


SOURCES = {
    "a chat, by the model that answered": (answered(), f"openai:{MODEL}"),
    "an error of a chat": (answered(status=500), f"openai:{MODEL}"),
    "Bedrock": (
        interaction(request({}, url="https://b.test/model/us.some%3A0/converse"), response(b"", status=403)),
        "bedrock:us.some:0",
    ),
    "a chat without a model": (interaction(request({}), response(b"", status=400)), "openai:?"),
    "another API": (
        interaction(request({"model": "embed"}, url="https://api.test:8443/v1/embeddings")),
        "api.test embed",
    ),
    "anything else": (interaction(request(url="https://web.test/page?q=1", method="GET")), "web.test"),
    "no URL": (interaction(request(url="nonsense")), "?"),
}


@pytest.mark.parametrize(("known", "source"), SOURCES.values(), ids=SOURCES.keys())
def test_a_call_is_named_after_whom_it_asked(known: Interaction, source: str) -> None:
    assert call_of(known).source == source


def test_a_stream_is_one_by_its_media_type() -> None:
    """Parameters of the type do not count."""
    stream = response(b"", headers=[("Content-Type", "text/event-stream; charset=utf-8")])

    assert call_of(interaction(answer=stream)).is_stream
    assert not call_of(interaction(answer=response(b"", headers=[JSON]))).is_stream


def test_a_call_lasts_to_its_last_byte_or_its_failure() -> None:
    assert waited_s(timed((b"a", 0.25), (b"b", 0.5), head_s=0.125)) == 0.625
    assert waited_s(timed(head_s=0.125)) == 0.125
    assert waited_s(response(b"a")) is None
    assert waited_s(response(b"a", failure=TransportFailure(kind="reset", at_s=2.0))) == 2.0


# Sums ---------------------------------------------------------------------------------------------------


def cassette_of(name: str, *interactions: Interaction) -> Cassette:
    return Cassette(path=Path(name), file_bytes=1, calls=tuple(map(call_of, interactions)))


def test_calls_are_summed_by_source() -> None:
    """What costs most first; a file that holds a source twice is one file."""
    free = interaction(request({"model": "m"}, url="https://api.test/v1/embeddings"), timed((b"x", 1.5)))
    one = cassette_of("one", free, dated("2026-10-02"), dated("2026-10-01"))
    two = cassette_of("two", answered(), free, free)

    paid, unpaid = groups([one, two])

    assert (paid.source, paid.files, paid.calls, unpaid.source, unpaid.files, unpaid.calls) == (
        (f"openai:{MODEL}", 2, 3, "api.test m", 2, 3)
    )
    assert paid.totals == Totals(calls=3, input_tokens=3_000, output_tokens=300, cost_usd=Decimal("0.0105"))
    assert (paid.oldest, unpaid.oldest) == (datetime(2026, 10, 1, tzinfo=UTC), None)
    assert (paid.waited_s, unpaid.waited_s) == (0.0, 4.5)


def test_a_sum_of_unknown_price_has_no_cost() -> None:
    """Zero would read as free."""
    unpriced = interaction(request(chat("hi")), response(answered().response.body, headers=[JSON]))
    known = call_of(replace(unpriced, response=replace(unpriced.response, body=b'{"model":"m"}')))

    summed = group("all", [(Path("a"), known)]).to_json()

    assert (summed["cost_usd"], summed["unpriced_calls"]) == (None, 1)
    assert group("all", []).to_json()["cost_usd"] is None


@needs_recordings
def test_external_recordings_are_found() -> None:
    assert len(find_cassettes([RECORDINGS])) > 150
