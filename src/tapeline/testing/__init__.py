"""The contract: what every provider's model must do, as a pytest class to subclass.

    from tapeline.testing import ProviderContract

    class TestAcme(ProviderContract):
        name = "acme:rocket-1"
        settings = {"api_key": "...", "base_url": "https://api.acme.example"}
        cassette = "cassettes/acme.yaml"

    contract         all checks together
    subject          what is tested, the facts it is judged by, and the ways to reach it
    stand_in         a server that speaks the provider's own format, and fails when it is told to
    verdicts         how a check says what it wants and what came
    prompts          what is asked; one cassette holds the answers to all of it

The checks themselves, by what they are about: answers, streams, tool_use, values (structured output),
outages (a server that fails), misuse (a caller that errs), departures (who leaves early), sharing (many
at once), identity (what a model says of itself) and spans (telemetry).

It descends from the provider test suite of the Go package `llms`, of the Beluga AI framework, and has
learned from langchain-tests. It does not judge how clever a model is: answers only have to be there.
"""

from tapeline.testing.contract import ProviderContract
from tapeline.testing.stand_in import StandIn

__all__ = ["ProviderContract", "StandIn"]
