"""Finish a site made by `asv publish` and `asv-tachyon install`, so that it can be served as it is.

usage: python benchmarks/tools/finish_site.py .asv/html [BASE_URL]

Adds what the pages ask for (the subjects of the commits, and lists that may be empty), takes away asv's
own pages, which load their libraries from other hosts, and the cards of benchmarks without any figure.
With a BASE_URL the links in the Atom feed become absolute: readers of feeds cannot follow relative ones.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

STOCK_PAGES = ("index.legacy.html", "error.html", "*.js", "*.css", "swallow.*")
"""What asv puts beside index.html; asv-tachyon keeps its own files in `assets`."""

_FEED_LINK = re.compile(r'"index\.html#([\w.]+)\?[^"]*"')


def finish(site: Path, base_url: str | None) -> None:
    """Change the site in place. Raises FileNotFoundError if there is none."""
    write_json(site / "commits.json", commit_subjects())
    write_json(site / "profiles.json", {"paths": {}})
    write_json(site / "regressions-ignore.json", [])
    for graph in site.glob("graphs/branch-*/**/*.json"):
        write_json(site / "samples" / graph.relative_to(site / "graphs"), {})
    drop_empty_cards(site)
    for pattern in STOCK_PAGES:
        for path in site.glob(pattern):
            path.unlink()
    if base_url is not None:
        feed = site / "regressions.xml"
        feed.write_text(with_absolute_links(feed.read_text(encoding="utf-8"), base_url), encoding="utf-8")
    (site / ".nojekyll").touch()  # GitHub Pages would leave out names that begin with an underscore


def commit_subjects() -> dict[str, str]:
    """Return the first line of every commit message, by full hash."""
    log = subprocess.run(["git", "log", "--format=%H %s"], capture_output=True, text=True, check=True)
    return dict(line.split(" ", 1) for line in log.stdout.splitlines())


def drop_empty_cards(site: Path) -> None:
    """Leave only benchmarks with a graph in the index."""
    graphs = {path.stem for path in site.glob("graphs/**/*.json")}
    index = json.loads((site / "index.json").read_text(encoding="utf-8"))
    index["benchmarks"] = {name: facts for name, facts in index["benchmarks"].items() if name in graphs}
    write_json(site / "index.json", index)


def with_absolute_links(feed: str, base_url: str) -> str:
    """Return the feed with links that open the benchmark's graph.

    >>> with_absolute_links('<link href="index.html#calls.Call.time_20_calls?p-n=1" />', "http://x/y")
    '<link href="http://x/y/#view=explore&amp;bench=calls.Call.time_20_calls" />'
    """
    return _FEED_LINK.sub(rf'"{base_url.rstrip("/")}/#view=explore&amp;bench=\1"', feed)


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    finish(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) == 3 else None)
