"""SQLite's own table of all tables, and Alembic's: where each of our trees begins, and at which revision they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from recorder.salvage.btree import FILE_HEADER, read_node
from recorder.salvage.reading import Records
from recorder.salvage.records import NoRecord, Value

_FIRST = 1
_NAME, _ROOT, _COLUMNS = 1, 3, 5


@dataclass(slots=True)
class Schema:
    """``roots``: the first page of each table and index by its name. ``revision``: None where it cannot be told.

    ``pages`` were read for it, ``unread`` of them could not be. ``is_whole``: nothing of it was damaged.
    """

    roots: dict[str, int] = field(default_factory=dict)
    revision: str | None = None
    pages: set[int] = field(default_factory=set)
    unread: list[int] = field(default_factory=list)
    is_whole: bool = True


def read_schema(records: Records) -> Schema:
    """Return what can be read of the schema."""
    schema = Schema()
    for values in _rows(records, schema, _FIRST):
        name, root = values[_NAME : _ROOT + 1 : 2] if len(values) == _COLUMNS else (None, None)
        if isinstance(name, str) and isinstance(root, int) and root > 0:
            schema.roots[name] = root
    if "alembic_version" in schema.roots:
        for values in _rows(records, schema, schema.roots.pop("alembic_version")):
            schema.revision = str(values[0]) if values else None
    schema.is_whole &= bool(schema.roots)
    return schema


def _rows(records: Records, schema: Schema, root: int) -> Iterator[list[Value]]:
    """Yield the values of a table b-tree's rows."""
    pending = [root]
    while pending:
        number = pending.pop()
        page = records.pages.page(number)
        node = None if page is None else read_node(page, FILE_HEADER if number == _FIRST else 0)
        is_of_rows = node is not None and node.is_of_rows
        if page is None or node is None or is_of_rows or number in schema.pages:
            schema.is_whole = False
            if page is not None and node is None and number not in schema.pages:
                schema.pages.add(number)
                schema.unread.append(number)
            continue
        schema.pages.add(number)
        schema.is_whole &= node.is_sound
        if node.last_child:
            pending += [node.last_child, *(cell.child for cell in node.cells)]
            continue
        for cell in node.cells:
            try:
                values, is_whole = records.values(page, cell)
            except NoRecord:
                is_whole = False
            else:
                yield values
            schema.is_whole &= is_whole
