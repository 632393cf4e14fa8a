"""Rows from one archive into another: idempotent, compared by content, nothing overwritten.

One copying path for everything: `recorder merge` (any archive into any), the daemon's way from its spool to Postgres
(`recorder.archive.shipping`), and a stream that is taken over from another recorder (Postgres into the spool).
"""
