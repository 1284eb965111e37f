"""What the contract asks of a model, and the tools and types it brings along.

Few and fixed, so that a cassette of some forty recordings answers all checks. A recording of yours
becomes stale when one of these changes; so they do not, but for a reason.
"""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass

from pydantic import BaseModel

from tapeline.media import Image
from tapeline.types import Message, assistant, system, user

QUESTION = "What is the capital of France? Answer in one short sentence."
OTHER_QUESTION = "What is the capital of Norway? Answer in one short sentence."
COUNT = "Count from 1 to 40: digits, with a space between them, and nothing else."
WEATHER = "What is the weather in Paris? Use the tool."
TWO_CITIES = "What is the weather in Paris, and what in Oslo? Call the tool once for each of the two cities."
TIME = "What time is it? Use the tool."
TRIP = "Plan a trip from Zürich to Paris and then to Oslo, for two. Use the tool."
PERSON = "Ada Lovelace was born in London in 1815. Who is she?"
PEOPLE = "Ada Lovelace was born in 1815, Alan Turing in 1912. Who are they?"
KEY_QUESTION = "Is this key any good?"
MODEL_QUESTION = "Is this a model?"

CONVERSATION: tuple[Message, ...] = (
    system("You are a friendly teacher of geography."),
    user("What is the capital of France?"),
    assistant("Paris."),
    user("And that of Norway?"),
)

PIXEL = Image(
    media_type="image/png",
    data=b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
    ),
)
"""One red pixel."""

PICTURE = user("What colour is this picture? Answer in one word.", PIXEL)

SHORT_TOKENS = 16
"""A small max_tokens; the least that OpenAI's Responses API takes."""


def get_weather(city: str) -> str:
    """Get the weather.

    Args:
        city: The name of a city, such as Paris.
    """
    return f"18 degrees and sunny in {city}"


def get_time() -> str:
    """Get the time of day."""
    return "12:34"


def plan_trip(stops: list[str], adults: int, notes: dict[str, str] | None = None) -> str:
    """Plan a trip.

    Args:
        stops: The cities in their order, the first one being where it starts.
        adults: How many travel.
        notes: Wishes by city.
    """
    return f"{adults} adults: {' - '.join(stops)}"


class Person(BaseModel):
    """Somebody."""

    name: str
    born: int


@dataclass
class PersonRecord:
    """Somebody, as a dataclass."""

    name: str
    born: int


PERSON_SCHEMA = {
    "title": "person",
    "type": "object",
    "properties": {"name": {"type": "string"}, "born": {"type": "integer"}},
    "required": ["name", "born"],
    "additionalProperties": False,
}
