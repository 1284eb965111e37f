"""Any model on a socket, in every wire format we have a codec for."""

from __future__ import annotations

from tapeline.server.gateway import Gateway

__all__ = ["Gateway"]
