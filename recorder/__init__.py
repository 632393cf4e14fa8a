"""Recorder and archival database for IMG Arena / Sportradar live action feeds."""
