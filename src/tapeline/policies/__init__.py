"""Decisions about a call: pure, with no I/O, no clock and no randomness but what is passed in."""
