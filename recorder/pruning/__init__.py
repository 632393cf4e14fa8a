"""Rows out of the archive once a lake was proven to hold them: which streams may go, and how each of them goes."""
