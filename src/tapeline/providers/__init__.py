"""Codecs: one pure module per wire format. No sockets, no SDKs, no asyncio."""
