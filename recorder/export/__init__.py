"""The archive as files, and back: Parquet, JSON lines or CSV, for analysts and for `recorder import`."""
