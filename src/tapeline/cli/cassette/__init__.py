"""`tapeline cassette`: keep recorded calls in order. One module for each group of verbs."""

from __future__ import annotations

import typer

from tapeline.cli.cassette import listing, mending, orphans, showing, verifying

app = typer.Typer(
    help="Keep cassettes in order. Start with: tapeline cassette ls",
    no_args_is_help=True,
)
app.command("ls")(listing.ls)
app.command("show")(showing.show)
app.command("stats")(listing.stats)
app.command("diff")(showing.diff)
app.command("lint")(mending.lint)
app.command("scrub")(mending.scrub)
app.command("migrate")(mending.migrate)
app.command("verify")(verifying.verify)
app.command("orphans")(orphans.orphans)
app.command("expire")(listing.expire)
