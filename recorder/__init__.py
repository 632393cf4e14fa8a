"""Recorder and archival database for IMG Arena / Sportradar live action feeds.

``recorder.Archive`` reads an archive; the command line (``recorder --help``) does everything else.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recorder.query.archive import Archive as Archive

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # SQLAlchemy takes a third of a second to import; `recorder --version` needs none of it.
    if name == "Archive":
        from recorder.query.archive import Archive

        return Archive
    raise AttributeError(f"module 'recorder' has no attribute {name!r}")
