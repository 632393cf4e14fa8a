"""What the tests of reparsing begin with: rows that are spoiled by hand, and what is found of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import text

from recorder.archive.dialect import parse_url
from recorder.reparsing import Change, Report, Unreached, reparse
from tests.archive.filling import Filled

Rows = list[tuple[Any, ...]]


def spoil(url: str, statement: str, **values: object) -> None:
    """Change an archive as nobody should, durably."""
    at, dialect = parse_url(url)
    engine = dialect.writer(at)
    with engine.begin() as connection:
        assert connection.execute(text(statement), values).rowcount
    engine.dispose()


def actions(archive: Filled) -> Rows:
    return archive.select("SELECT * FROM action ORDER BY stream_id, epoch, position")


def changes(found: Iterable[Change | Report | Unreached]) -> list[tuple[int, int, str, Any, Any]]:
    """Each change: epoch, position, column, old, new."""
    return [(each.epoch, each.position, each.column, each.old, each.new) for each in found if isinstance(each, Change)]


def reports(found: Iterable[Change | Report | Unreached]) -> list[Report]:
    return [each for each in found if isinstance(each, Report)]


def again(archive: Filled, *, changing: bool) -> list[Change | Report | Unreached]:
    return list(reparse(archive.url, changing=changing))
