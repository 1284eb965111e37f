"""The file: what is written is read back, plain vcrpy files are read too, broken ones say what is wrong."""

from __future__ import annotations

import json
import os
import stat
import sys
import tempfile
from functools import partial
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from recordings import answers, chat, interaction, request, response, timed

from tapeline.cassettes.interaction import Interaction
from tapeline.cassettes.storage import fileformat, side_files
from tapeline.cassettes.storage.fileformat import dump, load, save, save_changes
from tapeline.cassettes.storage.locking import locked
from tapeline.cassettes.storage.vcr_form import interaction_of, readable_item, request_dict, response_dict
from tapeline.errors import CassetteError, ErrorCode, InvalidCassetteError
from tapeline.latency.pacing import TransportFailure

ROOT = Path(__file__).parents[3]
pure = settings(max_examples=50)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cassette.yaml"


def reloaded(interactions: list[Interaction], folder: Path) -> list[Interaction]:
    path = folder / "reloaded.yaml"
    path.write_text(dump(interactions), encoding="utf-8", newline="\n")
    return load(path)


# Round trip ---------------------------------------------------------------------------------------------

bodies = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=60).map(str.encode),
    # what YAML emitters and line readers bend
    st.text(
        alphabet="a \n\r\t\x00\x07\x1b\x85\xa0\u2028\u2029\ufeff\ufffe#:'\"-|>%\U0001f4fc", max_size=30
    ).map(str.encode),
)
texts = st.text(alphabet=st.characters(codec="utf-8"), max_size=20)


@pure
@given(bodies, bodies)
@example(b"", b"a\x85b\nc\n")
@example(b"\xef\xbb\xbf", "a\u2028b\n\u2029\n".encode())
@example(b"a\r\nb\r\n", b"data: 1\r\n\r\n")
@example(b" leading\n", b"\n\nleading lines\n")
@example(b"trailing \nspaces \n", b"\ttab\n")
@example(b"\xff\xfe", b"\x80")
@example(b"---\n...\n", b"...\n---\nversion: 2\n")
@example(b"null", b"~")
@example(b"0x1F", b"2001-01-01")
def test_any_body_comes_back(asked: bytes, answered: bytes) -> None:
    before = [interaction(request(asked or None), response(answered))]

    with tempfile.TemporaryDirectory() as folder:
        assert reloaded(before, Path(folder)) == before


@pure
@given(st.dictionaries(texts.map(str.lower), texts), st.lists(st.tuples(texts, texts)), texts)
def test_any_headers_and_reason_come_back(
    asked: dict[str, str], answered: list[tuple[str, str]], reason: str
) -> None:
    """Values of one name come together, as the format holds them."""
    names = dict.fromkeys(name for name, _ in answered)
    grouped = [pair for name in names for pair in answered if pair[0] == name]
    before = interaction(
        request(headers={name.lower(): value for name, value in asked.items()}),
        response(b"", headers=grouped, reason=reason),
    )

    loaded = interaction_of(request_dict(before), response_dict(before))

    assert loaded == before
    assert yaml.safe_load(dump([before])) == {
        "version": 1,
        "interactions": [readable_item(before)],
    }


def test_times_provenance_and_cuts_come_back(tmp_path: Path) -> None:
    answer = timed((b"one", 0.1), (b"two", 0.25), head_s=0.05, meta={"upstream": "here"}, is_cut=True)

    assert reloaded([interaction(answer=answer)], tmp_path) == [interaction(answer=answer)]


def test_times_of_a_body_edited_by_hand_are_ignored(path: Path) -> None:
    path.write_text(dump([interaction(answer=timed((b"one", 0.1)))]).replace("string: one", "string: eleven"))

    [loaded] = load(path)

    assert loaded.response.body == b"eleven"
    assert loaded.response.times is None


# What a file looks like ---------------------------------------------------------------------------------

WHOLE_FILE = """\
version: 1
interactions:
- request:
    method: POST
    uri: http://model.test/v1/chat/completions
    body: |-
      {
        "model": "m",
        "messages": [
          {
            "role": "user",
            "content": "Grüße 📼"
          }
        ]
      }
    headers:
      content-type:
      - application/json
  response:
    status:
      code: 200
      message: OK
    headers:
      content-type:
      - text/event-stream
    body:
      string: |+
        data: {"n": 1}

        data: {"n": "größer 📼"}

    timing:
      v: 1
      head_ms: 54.0
      chunks: 16+12 30+50.5
    meta:
      upstream: a test
    style:
      request: spaced
"""


def test_a_file_can_be_read_by_people() -> None:
    """JSON stands value by value, streams line by line, text is not escaped, times are one line."""
    asked = request(
        '{"model": "m", "messages": [{"role": "user", "content": "Grüße 📼"}]}'.encode(),
        headers={"content-type": "application/json"},
    )
    answer = timed(
        (b'data: {"n": 1}\n\n', 0.012),
        ('data: {"n": "größer 📼"}\n\n'.encode(), 0.0505),
        head_s=0.054,
        headers=[("content-type", "text/event-stream")],
        meta={"upstream": "a test"},
    )

    assert dump([interaction(asked, answer)]) == WHOLE_FILE


def test_the_file_of_the_documentation_is_one(path: Path) -> None:
    """Word for word as we would write it, and so is the failure that it says to write by hand."""
    blocks = (ROOT / "docs" / "cassettes.md").read_text(encoding="utf-8").split("```\n")
    [whole] = [block for block in blocks if block.startswith("version: 1")]
    [error] = [block for block in blocks if block.startswith("    error:")]

    path.write_text(whole)
    assert dump(load(path)) == whole
    path.write_text(whole + error.replace("300 ", "20 "))
    [failed] = load(path)
    assert failed.response.failure == TransportFailure(kind="reset", at_s=0.061, has_head=True)
    assert failed.response.body == b'data: {"n":1}\n\ndata:'


def test_binary_bodies_are_base64(path: Path) -> None:
    path.write_text(dump([interaction(answer=response(b"\xff\x00"))]))

    assert "!!binary" in path.read_text()
    assert load(path)[0].response.body == b"\xff\x00"


PLAIN_VCRPY = """
interactions:
- request:
    body: null
    headers:
      Accept: ['*/*']
      X-Single: one
      !!binary |
        Qnl0ZXM=: [!!binary eWVz]
    method: GET
    uri: http://model.test/
  response:
    body: {string: hello}
    headers:
      Set-Cookie: [a, b]
      X-Single: one
      X-Bytes: [!!binary eWVz]
    status: {code: 200, message: null}
version: 1
"""


def test_files_of_plain_vcrpy_are_read(path: Path) -> None:
    """Headers as lists, as single values and as bytes; no reason, no times."""
    path.write_text(PLAIN_VCRPY.replace("      !!binary |\n        Qnl0ZXM=: [!!binary eWVz]\n", ""))

    [loaded] = load(path)

    assert loaded.request == request(
        method="GET", url="http://model.test/", headers={"accept": "*/*", "x-single": "one"}
    )
    assert loaded.response == response(
        b"hello",
        reason="",
        headers=[("Set-Cookie", "a"), ("Set-Cookie", "b"), ("X-Single", "one"), ("X-Bytes", "yes")],
    )


@pytest.mark.parametrize("body", ["text", {"string": "text"}, b"text"], ids=["text", "table", "bytes"])
def test_request_bodies_of_older_writers_are_read(body: object, path: Path) -> None:
    content = yaml.safe_load(dump([interaction()]))
    content["interactions"][0]["request"]["body"] = body
    path.write_text(yaml.safe_dump(content))

    assert load(path)[0].request.body == b"text"


@pytest.mark.parametrize("body", [{"a": 1}, {"string": "text", "n": None}, [{"a": "\u00e9"}], {}])
def test_json_bodies_that_vcrpy_stores_for_aiohttp_are_read(body: object, path: Path) -> None:
    """It keeps what `json=` was given, before it became text. An empty table may be either."""
    content = yaml.safe_load(dump([interaction()]))
    content["interactions"][0]["request"]["body"] = body
    path.write_text(yaml.safe_dump(content))

    assert json.loads(load(path)[0].request.body or b"{}") == body


# Broken files -------------------------------------------------------------------------------------------


def broken(**changes: Any) -> str:
    """A good cassette but for one part of its second interaction, given as request__method=5."""
    content = yaml.safe_load(dump([interaction(), interaction()]))
    for path, value in changes.items():
        table = content["interactions"][1]
        *above, last = path.split("__")
        for step in above:
            table = table[step]
        if value is KeyError:
            del table[last]
        else:
            table[last] = value
    return str(yaml.safe_dump(content))


BROKEN = {
    "empty": ("", "empty: delete it, and record it again with --record-mode=once"),
    "only a comment": ("# nothing\n", "empty: delete it"),
    "foreign": ("name: a scenario\nprompt: hi\n", "no list of interactions"),
    "a list": ("- 1\n- 2\n", "no list of interactions"),
    "interactions no list": ("interactions: 5\n", "no list of interactions"),
    "cut inside a quote": ("version: 1\ninteractions:\n- request: {method: 'PO", "not YAML"),
    "cut inside a list": ("version: 1\ninteractions: [", "not YAML"),
    "a tab": ("version: 1\n\tinteractions: []\n", "not YAML"),
    "two documents": ("version: 1\n---\nversion: 2\n", "not YAML"),
    "a bad date": ("version: 2024-99-99\ninteractions: []\n", "not YAML"),
    "an unknown alias": ("interactions: [*nobody]\n", "not YAML"),
    "nested too deep": ("interactions: " + "[" * 100_000, "not YAML"),
    "an interaction that is a text": ("interactions: [hello]\n", "interaction 1: TypeError"),
    "an interaction that is a list": ("interactions: [[1, 2]]\n", "interaction 1: TypeError"),
    "no request": (broken(request=KeyError), "interaction 2: KeyError: 'request'"),
    "no response": (broken(response=KeyError), "interaction 2: KeyError: 'response'"),
    "no uri": (broken(request__uri=KeyError), "interaction 2: KeyError: 'uri'"),
    "a number as method": (broken(request__method=5), "interaction 2: TypeError: int where str"),
    "a list as uri": (broken(request__uri=["x"]), "interaction 2: TypeError: list where str"),
    "a number as body": (broken(request__body=5), "interaction 2: AttributeError"),
    "a list as headers": (broken(request__headers=[1]), "interaction 2: AttributeError"),
    "a number as header name": (broken(response__headers={5: ["x"]}), "interaction 2: TypeError: int"),
    "no status": (broken(response__status=KeyError), "interaction 2: KeyError: 'status'"),
    "a word as status": (broken(response__status={"code": "ok"}), "interaction 2: ValueError"),
    "no finite status": (broken(response__status={"code": float("inf")}), "interaction 2: OverflowError"),
    "a list as reason": (
        broken(response__status={"code": 200, "message": ["x"]}),
        "interaction 2: TypeError",
    ),
    "a text as response body": (broken(response__body="hello"), "interaction 2: AttributeError"),
    "a number as body string": (broken(response__body={"string": 5}), "interaction 2: AttributeError"),
    "a text as timing": (broken(response__timing="soon"), "interaction 2: TypeError"),
    "timing of the future": (
        broken(response__timing={"v": 9, "head_ms": 0, "chunks": ""}),
        "interaction 2: ValueError: timing version 9",
    ),
    "endless timing": (
        broken(response__timing={"v": 1, "head_ms": float("inf"), "chunks": "3+1"}),
        "interaction 2: ValueError",
    ),
    "a text as meta": (broken(response__meta="mine"), "interaction 2: TypeError"),
}


@pytest.mark.parametrize(("text", "problem"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_says_where_it_is_broken(text: str, problem: str, path: Path) -> None:
    path.write_text(text)

    with pytest.raises(InvalidCassetteError) as raised:
        load(path)

    assert raised.value.code is ErrorCode.INVALID_CASSETTE
    assert raised.value.message.startswith(f"{path}: ")
    assert problem in raised.value.message
    assert "\n" not in raised.value.message


def test_other_encodings_are_refused(path: Path) -> None:
    path.write_bytes(dump([interaction()]).encode("utf-16"))

    with pytest.raises(InvalidCassetteError, match="cannot read it"):
        load(path)


def test_a_folder_is_no_cassette(tmp_path: Path) -> None:
    with pytest.raises(InvalidCassetteError, match="cannot read it"):
        load(tmp_path)


def test_too_large_a_file_is_not_read(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(fileformat.FILE_BYTES_LIMIT + 1)

    with pytest.raises(InvalidCassetteError, match="larger than"):
        load(path)


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.mkdir [{trap}]",
        "!!python/object/new:os.mkdir [[{trap}]]",
        "!!python/name:os.mkdir",
    ],
    ids=["apply", "new", "name"],
)
def test_nothing_in_a_file_is_executed(tag: str, path: Path) -> None:
    trap = path.parent / "trap"
    path.write_text(f"version: 1\ninteractions:\n- {tag.format(trap=trap)}\n")

    with pytest.raises(InvalidCassetteError, match="could not determine a constructor"):
        load(path)

    assert not trap.exists()


# Writing ------------------------------------------------------------------------------------------------


def test_saving_replaces_the_file_and_leaves_nothing_beside_it(path: Path) -> None:
    save(path, [interaction(request(chat("one")))])
    save(path, [interaction(request(chat("two")))])

    assert [item.request.body for item in load(path)] == [request(chat("two")).body]
    assert list(path.parent.iterdir()) == [path]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_missing_folders_are_made(tmp_path: Path) -> None:
    save(tmp_path / "a" / "b" / "c.yaml", [interaction()])

    assert load(tmp_path / "a" / "b" / "c.yaml") == [interaction()]


def test_names_may_be_as_long_as_the_file_system_allows(tmp_path: Path) -> None:
    """pytest-recording names cassettes after tests, and cuts the names at that length."""
    path = tmp_path / f"{'n' * 250}.yaml"

    save(path, [interaction()])

    assert load(path) == [interaction()]


@pytest.mark.parametrize("step", ["replace", "fsync"])
def test_a_crash_while_saving_leaves_the_old_file(
    step: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(path, [interaction()])
    before = path.read_bytes()

    def crash(*_: object) -> None:
        raise OSError("the power went out")

    monkeypatch.setattr(os, step, crash)
    with pytest.raises(OSError, match="the power went out"):
        save(path, [interaction(request(chat("new")))])

    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


# Several writers ----------------------------------------------------------------------------------------


def bodies_in(path: Path) -> list[bytes]:
    return [item.response.body for item in load(path)]


def test_what_others_added_meanwhile_is_kept(path: Path) -> None:
    save(path, [interaction(answer=response(b"first"))])
    before = load(path)
    save(path, [*before, interaction(answer=response(b"theirs"))])

    save_changes(path, before=before, after=[*before, interaction(answer=response(b"ours"))])

    assert bodies_in(path) == [b"first", b"ours", b"theirs"]


def test_what_was_taken_out_stays_out(path: Path) -> None:
    """vcrpy can drop what no request played."""
    save(path, answers((1, b"played"), (2, b"stale")))
    before = load(path)
    save(path, [*before, interaction(answer=response(b"theirs"))])

    save_changes(path, before=before, after=before[:1])

    assert bodies_in(path) == [b"played", b"theirs"]


def test_saving_the_same_twice_adds_nothing(path: Path) -> None:
    """Though a file keeps times less exactly than the clock had them."""
    after = [interaction(answer=timed((b"ours", 0.123456789)))]

    save_changes(path, before=[], after=after)
    save_changes(path, before=[], after=after)

    assert bodies_in(path) == [b"ours"]


def test_a_cassette_that_broke_meanwhile_is_not_overwritten(path: Path) -> None:
    path.write_text("hello")

    with pytest.raises(InvalidCassetteError):
        save_changes(path, before=[], after=[interaction()])

    assert path.read_text() == "hello"


RECORD = """
import sys
from dataclasses import replace
from pathlib import Path
from tapeline.cassettes.storage.fileformat import update

def change(current):
    print("changing", flush=True)
    sys.stdin.readline()
    return [*current, replace(current[0], response=replace(current[0].response, body=b"theirs"))]

update(Path(sys.argv[1]), change)
"""


def test_processes_that_record_into_one_cassette_lose_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the workers of a test run do: each has loaded the file before any of them saves."""
    save(path, [interaction(answer=response(b"first"))])
    before = load(path)
    after = [*before, interaction(answer=response(b"ours"))]
    with Popen([sys.executable, "-c", RECORD, str(path)], stdin=PIPE, stdout=PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"changing\n"
        monkeypatch.setattr(fileformat, "locked", partial(locked, timeout_s=0))
        with pytest.raises(CassetteError, match="another process"):
            save_changes(path, before=before, after=after)
        other.communicate(b"go\n")

    save_changes(path, before=before, after=after)

    assert bodies_in(path) == [b"first", b"ours", b"theirs"]
    assert list(path.parent.iterdir()) == [path]


# Side files ---------------------------------------------------------------------------------------------

PICTURE = b"\x89PNG" + bytes(70_000)


def picture(data: bytes) -> Interaction:
    return interaction(answer=response(data, headers=[("content-type", "image/png")]))


def test_a_large_picture_stands_beside_the_cassette(path: Path) -> None:
    save(path, [picture(PICTURE), interaction()])

    assert load(path) == [picture(PICTURE), interaction()]
    assert path.stat().st_size < 2_000
    assert [item.name for item in sorted(path.parent.iterdir())] == ["cassette.yaml", "cassette.yaml.d"]


def test_recording_anew_removes_the_old_picture(path: Path) -> None:
    save(path, [picture(PICTURE)])

    save(path, [picture(PICTURE + b"new")])

    assert load(path) == [picture(PICTURE + b"new")]
    assert len(list(path.parent.glob("*.d/*"))) == 1
    save(path, [interaction()])
    assert list(path.parent.iterdir()) == [path]


def test_a_picture_that_cannot_be_written_leaves_the_old_cassette(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(path, [interaction()])

    def crash(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(side_files, "replace_file", crash)
    with pytest.raises(OSError, match="disk full"):
        save(path, [picture(PICTURE)])

    assert load(path) == [interaction()]


def test_a_recording_that_fails_leaves_the_old_picture(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(path, [picture(PICTURE)])

    def crash(*_: object) -> None:
        raise OSError("the power went out")

    monkeypatch.setattr(fileformat, "replace_file", crash)
    with pytest.raises(OSError, match="the power went out"):
        save(path, [interaction()])

    assert load(path) == [picture(PICTURE)]
