"""Cassettes as tables for a terminal. Nothing here reads files or prints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby

from rich.text import Text

from tapeline.bench.quantities import counted
from tapeline.bench.untrusted import visible
from tapeline.cassettes.review.inventory import Cassette, Group
from tapeline.cassettes.review.spending import Totals, usd
from tapeline.cli.cassette.columns import Column, aligned, size_text

UNKNOWN = "-"
OLD, BROKEN, HEAD = "yellow", "red", "bold"

LIST_COLUMNS = (
    Column(is_name=True),
    Column(head="calls"),
    Column(head="size"),
    Column(head="tokens"),
    Column(head="USD"),
    Column(head="recorded"),
    Column(head="model", is_name=True),
)
STATS_COLUMNS = (
    Column(is_name=True),
    Column(head="files"),
    Column(head="calls"),
    Column(head="size"),
    Column(head="tokens"),
    Column(head="USD"),
    Column(head="waited"),
    Column(head="oldest"),
)


# Cassettes ----------------------------------------------------------------------------------------------


def list_lines(
    cassettes: Sequence[Cassette], *, width: int, older_than: datetime | None = None
) -> Iterator[Text]:
    """Yield cassettes by folder, then what they are in all; those recorded before `older_than` are marked."""
    readable = [each for each in cassettes if not each.problem]
    head, *rows = aligned(LIST_COLUMNS, [_list_row(each, older_than) for each in readable], width=width)
    row_of = dict(zip((each.path for each in readable), rows, strict=True))
    yield Text(head, style=HEAD)
    for folder, placed in groupby(cassettes, key=lambda each: each.path.parent):
        yield Text(visible(f"{folder}/"))
        for each in placed:
            yield _broken_line(each) if each.problem else _styled(row_of[each.path], each, older_than)
    yield Text()
    yield from _list_end(cassettes, older_than)


def _list_row(cassette: Cassette, older_than: datetime | None) -> tuple[str, ...]:
    mark = "!" if _is_old(cassette, older_than) else ""
    return (
        f"  {cassette.path.name}",
        _calls_text(cassette),
        size_text(cassette.file_bytes),
        tokens_text(cassette.totals),
        cost_text(cassette.totals),
        mark + dates_text(cassette.recorded),
        _first_of(cassette.sources),
    )


def _styled(row: str, cassette: Cassette, older_than: datetime | None) -> Text:
    return Text(row, style=OLD if _is_old(cassette, older_than) else "")


def _broken_line(cassette: Cassette) -> Text:
    return Text(visible(f"  {cassette.path.name}: {cassette.problem}"), style=BROKEN)


def _list_end(cassettes: Sequence[Cassette], older_than: datetime | None) -> Iterator[Text]:
    totals = sum((cassette.totals for cassette in cassettes), Totals())
    calls = sum(len(cassette.calls) for cassette in cassettes)
    size = size_text(sum(cassette.file_bytes for cassette in cassettes))
    yield Text(f"{counted(len(cassettes), 'cassette')}, {counted(calls, 'call')}, {size}")
    yield Text(f"to record: {totals.described()}")
    if any(cassette.streams for cassette in cassettes):
        yield Text("~ streamed", style="dim")
    if old := sum(_is_old(cassette, older_than) for cassette in cassettes):
        yield Text(f"! {counted(old, 'cassette')} with calls older than --max-age", style=OLD)


def _is_old(cassette: Cassette, older_than: datetime | None) -> bool:
    return older_than is not None and bool(cassette.expired(older_than))


def _calls_text(cassette: Cassette) -> str:
    """Return "5", "5 ~" where all were streamed, "5 ~4" where four were."""
    calls, streams = len(cassette.calls), cassette.streams
    return f"{calls} ~{streams if streams < calls else ''}" if streams else f"{calls}"


def _first_of(names: Sequence[str]) -> str:
    return f"{names[0]} +{len(names) - 1}" if len(names) > 1 else "".join(names)


# Sums ---------------------------------------------------------------------------------------------------


def stats_lines(
    groups: Sequence[Group], total: Group, unreadable: Iterable[Cassette], *, width: int
) -> Iterator[Text]:
    """Yield one line for each source, one for all, and the files that are not among them."""
    head, *rows, last = aligned(STATS_COLUMNS, [_stats_row(each) for each in (*groups, total)], width=width)
    yield Text(head, style=HEAD)
    yield from map(Text, rows)
    yield Text(last, style=HEAD)
    yield Text()
    yield Text(f"each replay of all saves {total.totals.described()}")
    if total.waited_s:
        yield Text(f"and {duration_text(total.waited_s)} of waiting, one call after the other")
    for cassette in unreadable:
        yield Text(visible(f"not counted: {cassette.path}: {cassette.problem}"), style=BROKEN)


def _stats_row(group: Group) -> tuple[str, ...]:
    return (
        group.source,
        f"{group.files:,}",
        f"{group.calls:,}",
        size_text(group.body_bytes),
        tokens_text(group.totals),
        cost_text(group.totals),
        duration_text(group.waited_s) if group.waited_s else UNKNOWN,
        date_text(group.oldest),
    )


# Figures ------------------------------------------------------------------------------------------------


def tokens_text(totals: Totals) -> str:
    tokens = totals.input_tokens + totals.output_tokens
    return f"{tokens:,}" if tokens else UNKNOWN


def cost_text(totals: Totals) -> str:
    """Return an amount, with a "+" where some calls have no known price."""
    if totals.calls == totals.unpriced_calls:
        return UNKNOWN
    return f"{usd(totals.cost_usd)}{'+' if totals.unpriced_calls else ''}"


def duration_text(duration_s: float) -> str:
    if duration_s < 1:
        return f"{duration_s * 1000:.0f} ms"
    if duration_s < 60:
        return f"{duration_s:.1f} s"
    minutes = round(duration_s / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def date_text(date: datetime | None) -> str:
    return f"{date:%Y-%m-%d}" if date else UNKNOWN


def dates_text(dates: tuple[datetime, datetime] | None) -> str:
    """Return a day or two, such as "2026-11-23..12-02"."""
    if dates is None:
        return UNKNOWN
    oldest, newest = (date_text(date) for date in dates)
    if oldest == newest:
        return oldest
    return f"{oldest}..{newest[5:] if oldest[:4] == newest[:4] else newest}"
