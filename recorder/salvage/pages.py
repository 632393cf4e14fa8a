"""A SQLite file and its write-ahead log as one list of pages, whatever state they are in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from recorder.errors import DamagedArchive
from recorder.salvage.btree import FILE_HEADER, read_node
from recorder.salvage.log import Log, page_size_of, read_log
from recorder.salvage.raw import File, Raw, opened

SIZES = tuple(512 << n for n in range(8))
_LOOKED_AT = 400
"""So many pages tell the size of all."""


class Pages:
    """``size``: bytes of each. ``count``: how many there are, in the file and in its log. Numbers begin with 1."""

    def __init__(self, file: Raw, log_file: Raw, page_size: int) -> None:
        self.size = page_size
        self._file = file
        self._log_file = log_file
        self._log: Log = read_log(log_file, page_size)
        in_file = -(-len(file) // page_size)
        self.count = max(in_file, max(self._log.pages, default=0))
        self._lock_page = 0x40000000 // page_size + 1

    def page(self, number: int) -> bytes | None:
        """Return a page as it was last committed, None when there is none; one that is cut is filled with zeros."""
        if not 1 <= number <= self.count:
            return None
        image = self._log.pages.get(number)
        if image is not None:
            return bytes(self._log_file[image : image + self.size])
        found = bytes(self._file[(number - 1) * self.size : number * self.size])
        return found.ljust(self.size, b"\0") if found else None

    def suspects(self) -> Iterator[bytes]:
        """Yield images of pages in the log that are damaged, or were perhaps not committed."""
        for image in self._log.suspect:
            yield bytes(self._log_file[image : image + self.size])

    @property
    def is_log_damaged(self) -> bool:
        """Whether the log holds images that cannot be relied on."""
        return bool(self._log.suspect)

    @property
    def refused(self) -> int:
        """How often the disk could not read what it was asked for; that counts as zeros."""
        return sum(raw.refused for raw in (self._file, self._log_file) if isinstance(raw, File))

    @property
    def told_count(self) -> int:
        """How many pages the file's own header tells; 0 when that cannot be told."""
        first = self.page(1)
        return int.from_bytes(first[28:32]) if first is not None and is_header(first) else 0

    def free(self) -> set[int]:
        """Return the pages that hold nothing by SQLite's own list of them; empty when that list cannot be read."""
        first, found = self.page(1), set[int]()
        number = int.from_bytes(first[32:36]) if first is not None and is_header(first) else 0
        while number and number not in found and (trunk := self.page(number)) is not None:
            found.add(number)
            count = int.from_bytes(trunk[4:8])
            if count > self.size // 4 - 2:
                break
            found |= {int.from_bytes(trunk[at : at + 4]) for at in range(8, 8 + 4 * count, 4)}
            number = int.from_bytes(trunk[:4])
        return found

    def numbers(self) -> Iterator[int]:
        """Yield the number of every page that may hold something."""
        return (number for number in range(1, self.count + 1) if number != self._lock_page)


def is_header(first: bytes) -> bool:
    """Say whether a first page begins as SQLite's files do."""
    return first.startswith(b"SQLite format 3\0")


@contextmanager
def open_pages(path: Path) -> Iterator[Pages]:
    """Give the pages of a file and of its log. Raises DamagedArchive when no page of a database is in them."""
    real = path.resolve()
    with ExitStack() as stack:
        file = stack.enter_context(opened(real))
        log = stack.enter_context(opened(real.with_name(real.name + "-wal")))
        size = _page_size(file, log)
        if size is None:
            raise DamagedArchive(f"{path} holds no page of a SQLite database: nothing can be saved from it")
        yield Pages(file, log, size)


def _page_size(file: Raw, log: Raw) -> int | None:
    """Return the size under which most of the file is pages, whatever its header says."""
    told = int.from_bytes(file[16:18]) if len(file) > FILE_HEADER else 0
    named = {65536 if told == 1 else told, page_size_of(log)}
    covered = {size: max(_covered(file, size), _covered_in_log(log, size)) for size in SIZES}
    best = max(covered, key=lambda size: (covered[size], size in named))
    if covered[best]:
        return best
    return next((size for size in SIZES if size in named), None) if is_header(file[:FILE_HEADER]) else None


def _covered(file: Raw, size: int) -> float:
    """Return about how many bytes are whole b-tree pages of this size."""
    count = -(-len(file) // size)
    step = -(-count // _LOOKED_AT) if count else 1
    looked_at = range(0, count, step)
    good = sum(_is_node(file, index * size, size, FILE_HEADER if index == 0 else 0) for index in looked_at)
    return good * size * step


def _covered_in_log(log: Raw, size: int) -> float:
    images = range(32 + 24, len(log) - size + 1, size + 24)[:_LOOKED_AT]
    return sum(_is_node(log, image, size, 0) for image in images) * size


def _is_node(raw: Raw, at: int, size: int, begin: int) -> bool:
    page = bytes(raw[at : at + size])
    if len(page) < size or page[begin] not in (0x02, 0x05, 0x0A, 0x0D):
        return False
    node = read_node(page, begin)
    return node is not None and node.is_sound
