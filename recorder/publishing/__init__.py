"""Sealed matches in a lake: Delta tables or plain Parquet, in a folder or an object store, each match exactly once."""
