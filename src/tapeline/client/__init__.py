"""The client: `chat_model`, and the one core behind its blocking and its asyncio face.

    model      what a caller holds: options, tools, streams, batches
    stream     the two streams it hands out
    options    what may be said per call, and what a model takes of it
    core       where calls may go, under which policies
    policies   how `with_` changes that
    call       one call, written once as coroutines that await nothing but an Io
    stored     what an answer is kept under in the response cache
    attempts   which target is tried next, when, and when to give up
    target     one provider, one model, and the policies of the calls to it
    tool_loop  calling a model until it wants no more tools
    health     whether a provider can be used

The core holds no asyncio name, no clock but the Io's, no randomness but a passed generator. The blocking
face drives it without an event loop.
"""

from tapeline.client.model import LLM, ProviderModel, chat_model
from tapeline.client.stream import AsyncReplyStream, ReplyStream
from tapeline.client.tool_loop import ToolRun

__all__ = ["LLM", "AsyncReplyStream", "ProviderModel", "ReplyStream", "ToolRun", "chat_model"]
