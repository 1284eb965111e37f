"""What a test's tape is to do: its marker, or else the command line, or else the ini file."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import pytest

from tapeline.errors import ConfigError
from tapeline.latency.pacing import Pace, parse_pace

if TYPE_CHECKING:
    from tapeline.cassettes import RecordMode
    from tapeline.latency.faults import FaultPlan

SEVERITIES = ("fail", "warn", "off")
RECORD_MODES = ("none", "once", "new_episodes", "all", "rewrite", "verify")


class Option(NamedTuple):
    """A setting with an option `--NAME` and an ini key `tape_NAME`."""

    name: str
    default: str
    help: str
    choices: tuple[str, ...] | None = None


OPTIONS = (
    Option(
        "pace", "none", "Pace of replayed responses: none (default), recorded, recorded*FACTOR or a profile."
    ),
    Option(
        "unplayed",
        "fail",
        "What it means for a test that it did not ask for all its recordings (default: fail).",
        SEVERITIES,
    ),
    Option(
        "drift",
        "warn",
        "What a request does that still matches its recording but has changed (default: warn).",
        SEVERITIES,
    ),
    Option("max-age", "", "Age at which recordings expire, such as 30d or 12h. Default: never."),
    Option(
        "on-expiry",
        "warn",
        "What an expired cassette does (default: warn); record: its test records it anew.",
        (*SEVERITIES, "record"),
    ),
    Option("record-budget", "", "USD that recording may cost in this run; then it stops."),
    Option(
        "network",
        "block",
        "Whether tests may reach other machines while nothing is recorded (default: block).",
        ("block", "allow"),
    ),
)


def add_options(parser: pytest.Parser) -> None:
    """Declare all of them."""
    group = parser.getgroup("tapeline")
    for option in OPTIONS:
        group.addoption(f"--{option.name}", default=None, choices=option.choices, help=option.help)
        parser.addini(_ini_key(option.name), option.help, default=option.default)


def setting(config: pytest.Config, name: str) -> str:
    """Return the value of an option, or else of its ini key. Raises UsageError for one that is none."""
    [option] = [option for option in OPTIONS if option.name == name]
    value = config.getoption(f"--{name}")
    value = str(config.getini(_ini_key(name)) if value is None else value)
    if option.choices and value not in option.choices:
        raise pytest.UsageError(f"{_ini_key(name)}: {value!r} is not one of {', '.join(option.choices)}")
    return value


def _ini_key(name: str) -> str:
    return f"tape_{name.replace('-', '_')}"


def check_options(config: pytest.Config) -> None:
    """Raise UsageError for a value that means nothing, before any test runs."""
    budget_usd(config)
    for name, parse in (("pace", parse_pace), ("max-age", _max_age_s)):
        try:
            parse(setting(config, name))
        except ConfigError as error:
            raise pytest.UsageError(f"--{name}: {error.message}") from None
    for option in OPTIONS:
        setting(config, option.name)


def _max_age_s(text: str) -> float | None:
    if not text:
        return None
    from tapeline.cassettes.review.expiry import parse_max_age  # heavy, as all below: for runs with tapes

    return parse_max_age(text)


def budget_usd(config: pytest.Config) -> Decimal | None:
    """Return what this process may spend; under xdist each worker has its share."""
    text = setting(config, "record-budget")
    if not text:
        return None
    from tapeline.cassettes.review.spending import parse_budget

    try:
        budget = parse_budget(text)
    except ConfigError as error:
        raise pytest.UsageError(f"--record-budget: {error.message}") from None
    return budget / int(getattr(config, "workerinput", {}).get("workercount", 1))


def record_mode(config: pytest.Config) -> str:
    """Return the word of `--record-mode`."""
    return str(config.getoption("--record-mode", default=None) or "none")


def blocks_network(config: pytest.Config) -> bool:
    """Whether tests have to stay at home: unless this run records, or its recordings are switched off."""
    is_off = bool(config.getoption("--disable-recording", default=False))
    return setting(config, "network") == "block" and record_mode(config) == "none" and not is_off


def allowed_hosts(config: pytest.Config) -> list[str]:
    """Return the hosts of pytest-recording's `--allowed-hosts`: regular expressions, split at commas."""
    hosts = str(config.getoption("--allowed-hosts", default=None) or "")
    return [host for host in hosts.split(",") if host]


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeSettings:
    """How one test is recorded and replayed, and what its tape must not show.

    path: of the cassette, below the test's own folder; None: named after the test.
    unplayed, drift: fail, warn or off. on_expiry: those, or record. max_age_s: None: nothing expires.
    """

    path: str | None
    record_mode: RecordMode
    pace: Pace
    ignore: tuple[str, ...]
    faults: FaultPlan | None
    unplayed: str
    drift: str
    max_age_s: float | None
    on_expiry: str


MARKER = (
    "tape(path=None, *, record_mode=None, pace=None, ignore=(), faults=(), unplayed=None, drift=None, "
    "max_age=None, on_expiry=None): record or replay the HTTP of this test."
)


def settings_of(item: pytest.Item) -> TapeSettings:
    """Return the settings of a test. Raises UsageError for a marker that says what no marker can."""
    marker = item.get_closest_marker("tape")
    given: dict[str, Any] = {"unplayed": "off"} if _may_share(item) else {}
    given |= marker.kwargs if marker else {}
    try:
        return _settings(item.config, *(marker.args if marker else ()), **given)
    except TypeError as error:
        raise pytest.UsageError(f"{item.nodeid}: {_wrong_marker(marker, error)}") from None
    except ConfigError as error:
        raise pytest.UsageError(f"{item.nodeid}: {error.message}") from None


def _may_share(item: pytest.Item) -> bool:
    """Whether a cassette is named for a test: others may play the rest of it."""
    is_named = item.get_closest_marker("default_cassette") is not None
    return is_named or any(vcr.args for vcr in item.iter_markers("vcr"))


def _wrong_marker(marker: pytest.Mark | None, error: TypeError) -> str:
    known = list(inspect.signature(_settings).parameters)[1:]
    unknown = [name for name in (marker.kwargs if marker else ()) if name not in known]
    if not unknown:
        return f"@pytest.mark.tape: {error}"
    near = difflib.get_close_matches(unknown[0], known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it knows {', '.join(known)}"
    return f"@pytest.mark.tape has no {unknown[0]!r}; {hint}"


def _settings(
    config: pytest.Config,
    path: str | None = None,
    *,
    record_mode: str | None = None,
    pace: str | None = None,
    ignore: Sequence[str] = (),
    faults: Sequence[Mapping[str, Any]] = (),
    unplayed: str | None = None,
    drift: str | None = None,
    max_age: str | None = None,
    on_expiry: str | None = None,
) -> TapeSettings:
    from tapeline.cassettes.matching import Matcher
    from tapeline.latency.faults import parse_faults

    return TapeSettings(
        path=path,
        record_mode=_mode(config, record_mode),
        pace=parse_pace(pace or setting(config, "pace")),
        ignore=Matcher(tuple(ignore)).ignore,
        faults=parse_faults(faults) if faults else None,
        unplayed=_chosen("unplayed", unplayed) or setting(config, "unplayed"),
        drift=_chosen("drift", drift) or setting(config, "drift"),
        max_age_s=_max_age_s(max_age or setting(config, "max-age")),
        on_expiry=_chosen("on-expiry", on_expiry) or setting(config, "on-expiry"),
    )


def _chosen(name: str, value: str | None) -> str | None:
    [option] = [option for option in OPTIONS if option.name == name]
    if value is not None and value not in (option.choices or ()):
        raise ConfigError(
            f"{name.replace('-', '_')}={value!r} is not one of {', '.join(option.choices or ())}"
        )
    return value


def _mode(config: pytest.Config, marked: str | None) -> RecordMode:
    """The command line wins, as it does for pytest-recording; its "rewrite" is our "all"."""
    mode = str(config.getoption("--record-mode", default=None) or marked or "none")
    if mode not in RECORD_MODES:
        raise ConfigError(f"record_mode={mode!r} is not one of {', '.join(RECORD_MODES)}")
    return cast("RecordMode", "all" if mode == "rewrite" else mode)
