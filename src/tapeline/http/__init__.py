"""The only room that sends: carriers over the vendors' SDKs and httpx2, blocking and asyncio.

A carrier takes an encoded request and returns a response to read block by block. It knows keys, base
URLs, signing and connection pools; it does not know what the bytes mean.
"""
