"""Leases that were seen free or expired a moment ago, and are not any more."""

from __future__ import annotations

from sqlalchemy import text

from recorder.archive.dialect import parse_url
from recorder.sharing.lease_table import beat, take
from recorder.sharing.table import Sharer

ONE, OTHER = (Sharer(name, "host", "0", 60_000_000) for name in ("one", "other"))
IDS = range(1, 4)


def test_a_lease_that_is_alive_is_not_inherited(url: str) -> None:
    """Whoever asks for it with however good a reason: its owner has renewed it, or another was faster."""
    address, dialect = parse_url(url)
    engine = dialect.writer(address)
    with engine.begin() as connection:
        now_us = beat(connection, ONE, {}, {}, IDS).now_us
        assert take(connection, ONE, IDS, 3, now_us, inherit=False).keys() == set(IDS)
    with engine.begin() as connection:
        now_us = beat(connection, OTHER, {}, {}, IDS).now_us
        assert take(connection, OTHER, IDS, 3, now_us, inherit=True) == {}
        connection.execute(text("UPDATE lease SET expires_us = 1 WHERE stream_id = 2"))
        assert take(connection, OTHER, IDS, 3, now_us, inherit=False) == {}
        assert take(connection, OTHER, IDS, 3, now_us, inherit=True) == {2: 2}
    engine.dispose()
