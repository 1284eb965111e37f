"""Text in columns: names make way until a row fits, figures never.

Plain strings in, plain strings out. Everything is made visible first, because names come from files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tapeline.bench.untrusted import visible

GAP = 2
SHORTEST = 8
"""Characters that a shortened column keeps, even where the terminal is too narrow for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """is_name: set to the left, and shortened where there is no room; figures are set to the right."""

    head: str = ""
    is_name: bool = False


def aligned(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, width: int) -> list[str]:
    """Return the head and the rows, in at most `width` characters.

    What the first column has no room for stands on a line of its own, above its row; other names are
    shortened in the middle.
    """
    table = [[visible(cell) for cell in row] for row in ([column.head for column in columns], *rows)]
    widths = _widths(columns, table, width)
    return [_row(columns, row, widths, width) for row in table]


def _widths(columns: Sequence[Column], table: Sequence[Sequence[str]], width: int) -> list[int]:
    widths = [max(len(row[index]) for row in table) for index in range(len(columns))]
    names = [index for index, column in enumerate(columns) if column.is_name]
    left = width - GAP * (len(columns) - 1) - sum(widths) + sum(widths[index] for index in names)
    share = fair_shares([widths[index] for index in names], left)[0]
    widths[0] = max((len(row[0]) for row in table if len(row[0]) <= share), default=0)
    for index in names[1:]:
        widths[index] = min(widths[index], max(SHORTEST, (left - widths[0]) // (len(names) - 1)))
    return widths


def fair_shares(wanted: Sequence[int], left: int) -> list[int]:
    """Share out `left` characters: who wants less than an equal share leaves more for others."""
    shares = [0] * len(wanted)
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    for done, index in enumerate(order):
        equal = left // (len(order) - done)
        shares[index] = min(wanted[index], max(SHORTEST, equal))
        left -= shares[index]
    return shares


def _row(columns: Sequence[Column], row: Sequence[str], widths: Sequence[int], width: int) -> str:
    first, *others = row
    if len(first) <= widths[0]:
        return _line(columns, row, widths)
    return f"{shortened(first, width)}\n{_line(columns, ['', *others], widths)}"


def _line(columns: Sequence[Column], row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (
        f"{shortened(cell, width):{'<' if column.is_name else '>'}{width}}"
        for column, cell, width in zip(columns, row, widths, strict=True)
    )
    return (" " * GAP).join(cells).rstrip()


def shortened(text: str, width: int) -> str:
    """Return a text with its middle left out, if it is longer: both ends of a name tell it from others."""
    if len(text) <= width:
        return text
    end = (width - 1) // 2
    return f"{text[: width - 1 - end]}…{text[len(text) - end :]}"


def size_text(size_bytes: int) -> str:
    """Return such as "412 B", "7.4 kB", "1.2 MB"."""
    size: float = size_bytes
    for unit in ("B", "kB", "MB"):
        if size < 999.5:
            return f"{size:.1f} {unit}" if size < 9.95 and unit != "B" else f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
