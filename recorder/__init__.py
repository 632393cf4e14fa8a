"""Recorder and archival database for IMG Arena / Sportradar live action feeds."""

__version__ = "0.1.0"
