"""Messages as a scenario file writes them: a text, or a list of texts, pictures, documents and sound."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveInt, model_validator

from tapeline.media import Audio, Document, Image, Media
from tapeline.scenarios.attachments import attachment
from tapeline.scenarios.strict import Strict, Variables
from tapeline.scenarios.templates import filled_text, refuse_length
from tapeline.types import Message, assistant, system, user

_CONSTRUCTORS = {"system": system, "user": user, "assistant": assistant}
_MEDIA: Mapping[str, type[Media]] = {"image": Image, "document": Document, "audio": Audio}


class Part(Strict):
    """A piece of a message: a text, or a picture, a document or sound."""

    text: str | None = Field(default=None, description="A text.")
    times: PositiveInt | None = Field(default=None, description="How often the text is said: 1 if not given.")
    image: str | None = Field(default=None, description="A picture: a file beside the scenario, or a URL.")
    document: str | None = Field(
        default=None, description="A document: a file beside the scenario, or a URL."
    )
    audio: str | None = Field(default=None, description="Sound: a file beside the scenario, or a URL.")

    @model_validator(mode="after")
    def _is_one_thing(self) -> Part:
        given = [name for name in ("text", *_MEDIA) if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of text, {', '.join(_MEDIA)}, not {' and '.join(given) or 'none'}")
        if self.times is not None and self.text is None:
            raise ValueError("times belongs to a text")
        return self

    @property
    def medium(self) -> str | None:
        """image, document or audio; None for a text."""
        return next((name for name in _MEDIA if getattr(self, name) is not None), None)

    @property
    def source(self) -> str:
        """Where the medium is; of a text, the text."""
        return str(getattr(self, self.medium or "text"))

    def content(self, folder: Path) -> Any:
        """Return what a message takes. Raises ConfigError for a file that cannot be read, or a huge text."""
        if self.medium is None:
            refuse_length(len(self.source) * (self.times or 1))
            return self.source * (self.times or 1)
        return attachment(_MEDIA[self.medium], self.source, folder)

    def filled(self, variables: Variables) -> Part:
        texts = {name: getattr(self, name) for name in ("text", *_MEDIA)}
        return self.model_copy(
            update={name: filled_text(text, variables) for name, text in texts.items() if text is not None}
        )


def _parts(value: Any) -> Any:
    parts = value if isinstance(value, (list, tuple)) else [value]
    return [{"text": part} if isinstance(part, str) else part for part in parts]


Content = Annotated[
    tuple[Part, ...],
    Field(min_length=1, description="A text, one part, or a list of texts and parts."),
    BeforeValidator(_parts, json_schema_input_type=str | Part | list[str | Part]),
]


class MessageSpec(Strict):
    """One message of the conversation."""

    role: Literal["system", "user", "assistant"] = Field(description="Who says it.")
    content: Content

    def message(self, folder: Path = Path()) -> Message:
        return _CONSTRUCTORS[self.role](*(part.content(folder) for part in self.content))

    def filled(self, variables: Variables) -> MessageSpec:
        return self.model_copy(update={"content": tuple(part.filled(variables) for part in self.content)})
