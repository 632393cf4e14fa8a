"""Copies of an archive that can be relied on, and what can be saved of one that cannot.

`backing_up` makes a copy while a recorder writes, and gives it its name only once it was read back whole (`proving`,
`places`).

`recovering` reads a damaged SQLite file without SQLite: `pages` (the file and its `log`), `btree` and `records` (the
format), `carving` (pages whose order is lost), `shapes` (which table a record is of), `scanning` (all of it, the surest
first). What it finds goes into a new archive (`pouring`), in which every stream is made consistent again: `keys`,
`evidence`, `placing` and `mending` decide, `settling`, `tidying` and `heads` write. What could not be saved is told
(`losses`). The damaged file is opened for reading only.
"""
