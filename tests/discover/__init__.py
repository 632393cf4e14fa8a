"""Tests of the vendor's REST: against a real HTTP server on this machine."""
