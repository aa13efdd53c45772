"""The door's connections: who does not say a whole request's head in time is hung up on.

Uvicorn waits for ever for the rest of a head, and a connection costs a descriptor: a client that sends a byte a minute, a
few hundred times over, would shut the door for everybody. Bodies have their own time (gate.py).
"""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0  # from a connection's first moment, or a later request's first byte, to the end of the head


class Punctual(H11Protocol):
    """`head_seconds` is the same for all connections of a server (see `within`)."""

    head_seconds = HEAD_SECONDS
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._rest()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """One time for the whole head: more bytes of it do not give more."""
        if self.conn.their_state is not h11.IDLE or self.transport.is_closing():
            self._rest()
        elif self._late is None:
            self._late = self.loop.call_later(self.head_seconds, self.transport.close)

    def _rest(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def within(seconds: float) -> type[Punctual]:
    """The protocol with another time for a head."""
    return type("Punctual", (Punctual,), {"head_seconds": seconds})
