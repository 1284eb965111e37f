"""Names of cassettes: those of pytest-recording, but never one for two tests."""

from __future__ import annotations

from pathlib import Path

from inner_pytest import Inner, recording

from tapeline.cassettes.storage.fileformat import load, save

pytest_plugins = ["pytester"]

COLLIDING = """
    @pytest.mark.vcr
    @pytest.mark.parametrize("prompt", ["a/b", "a:b", "a-b", "x" * 300])
    def test_it(prompt, tape):
        assert said(ask(prompt)) == f"you said {prompt}"

    class TestClass:
        @pytest.mark.tape
        def test_it(self):
            assert said(ask("in a class")) == "you said in a class"
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_no_two_tests_share_a_file(inner: Inner) -> None:
    """Ids that differ in forbidden characters only, long ids, classes: recorded apart, and found again."""
    inner.record(COLLIDING).assert_outcomes(passed=5)
    folder = inner.cassette("x").parent
    found = names(folder)

    inner.again().assert_outcomes(passed=5)

    assert len(found) == 5
    assert {"test_it[a-b].yaml", "TestClass.test_it.yaml"} < set(found)
    assert all(len(name.encode()) <= 255 for name in found)
    assert names(folder) == found


def test_a_cassette_that_pytest_recording_named_is_still_found(inner: Inner) -> None:
    """A project that comes from there has nothing to rename."""
    path = inner.cassette("test_it[a-b]")
    save(path, [recording("a/b", "from before")])

    result = inner.run("""
    @pytest.mark.vcr
    @pytest.mark.parametrize("prompt", ["a/b"])
    def test_it(prompt):
        assert said(ask(prompt)) == "from before"
    """)

    result.assert_outcomes(passed=1)
    assert names(path.parent) == [path.name]


def test_a_marker_may_name_the_cassette(inner: Inner) -> None:
    """Below the folder of the module; several tests may then share it on purpose."""
    result = inner.record("""
    @pytest.mark.tape("greetings/hi")
    def test_it():
        assert said(ask("hi")) == "you said hi"

    @pytest.mark.vcr
    @pytest.mark.default_cassette("greetings/vcr")
    def test_vcr():
        assert said(ask("hi")) == "you said hi"
    """)

    result.assert_outcomes(passed=2)
    folder = inner.cassette("x").parent / "greetings"
    assert names(folder) == ["hi.yaml", "vcr.yaml"]
    assert len(load(folder / "hi.yaml")) == 1


def test_the_cassettes_of_all_tests_are_listed(inner: Inner, tmp_path: Path) -> None:
    """For what looks for orphans: of deselected tests too, and of files that do not exist."""
    target = tmp_path / "list.txt"

    inner.run(
        """
    @pytest.mark.vcr("extra.yaml")
    def test_one(): ...

    @pytest.mark.tape("shared")
    def test_two(): ...

    def test_three(tape): ...
    """,
        "--collect-only",
        "-k",
        "test_one",
        f"--cassette-list={target}",
    )

    folder = inner.cassette("x").parent
    assert target.read_text().splitlines() == [
        str(folder / name) for name in ("extra.yaml", "shared.yaml", "test_one.yaml", "test_three.yaml")
    ]
