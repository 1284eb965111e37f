"""A model without a model: says what it is told, when it is told to, and remembers what it was asked.

    mock = tapeline.Mock(replies=["Hello!", ErrorCode.OVERLOADED], profile="hosted", seed=7)
    model = tapeline.chat_model("mock:any", client=mock)

It answers in OpenAI's wire format, so that the codec, the retries and the clock of the client are the
real ones. All it does is a function of its settings, the requests in their order, and the seed. Not a
simulation of quality. A token is a word.

    handler     `Mock`: the settings, the calls it took, a request's way through all of these:
    capacity    how many calls at a time and a minute, and the memory they hold
    chance      what the seed decides about one call
    faults      which calls fail, and how an error looks on the wire
    script      what to say; `wording` and `instances` make up words and JSON
    blocks      the reply as bytes
    tempo       when they are due
    codec       the wire format under the mock's own name

After AdvancedMock of the Go package `llms`, of the Beluga AI framework.
"""

from tapeline.providers.mock.codec import MockCodec
from tapeline.providers.mock.handler import Mock

__all__ = ["Mock", "MockCodec"]
