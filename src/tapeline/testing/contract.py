"""All checks of the contract in one class."""

from __future__ import annotations

from tapeline.testing.answers import AnswerChecks
from tapeline.testing.departures import DepartureChecks
from tapeline.testing.identity import IdentityChecks
from tapeline.testing.misuse import MisuseChecks
from tapeline.testing.outages import OutageChecks
from tapeline.testing.sharing import SharingChecks
from tapeline.testing.spans import SpanChecks
from tapeline.testing.streams import StreamChecks
from tapeline.testing.tool_use import ToolChecks
from tapeline.testing.values import ValueChecks


class ProviderContract(
    AnswerChecks,
    StreamChecks,
    ToolChecks,
    ValueChecks,
    OutageChecks,
    MisuseChecks,
    DepartureChecks,
    SharingChecks,
    IdentityChecks,
    SpanChecks,
):
    """What every provider's model must do. Subclass it, say which model it is, and run pytest.

    The facts that may be said of a provider, and how its models are made, are in `Subject`.
    """
