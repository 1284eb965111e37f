"""Benchmarks of tapeline for asv. See README.md.

Imported by asv in the environment it measures in, before any benchmark: adds our kinds of benchmark and
refuses to measure any tapeline but that of the commit under test.
"""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks import kinds


def _refuse_foreign_code(environment: Path) -> None:
    """A stale wheel or an editable install of the same name would give every commit the same figures."""
    import tapeline

    found, checkout = Path(tapeline.__file__).resolve(), (environment / "project").resolve()
    if not found.is_relative_to(checkout):
        raise RuntimeError(f"this would measure {found}, which is not in asv's checkout {checkout}")


kinds.register()
if "ASV_ENV_DIR" in os.environ:  # set by asv in the environments it manages
    _refuse_foreign_code(Path(os.environ["ASV_ENV_DIR"]))
