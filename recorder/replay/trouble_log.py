"""What was done to clients on purpose, written down so that what a client made of it can be held against it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from recorder.errors import DiskError, UsageError
from recorder.logs.hiding import hidden

_log = logging.getLogger(__name__)


class TroubleLog:
    """Pass `note` as ``on_trouble``. ``file``: to this each is added as a line of JSON at once; None: only counted.

    ``count``: how many there were. When the file takes no more, ``failed`` is called once and leaving the block raises
    DiskError: what is compared with half of what was done proves nothing. Entering it raises UsageError when the file
    cannot be opened.
    """

    def __init__(self, file: Path | None, failed: Callable[[], None] = lambda: None) -> None:
        self.count = 0
        self.failed = failed
        self._path = file
        self._file: TextIO | None = None
        self._error: OSError | None = None

    def __enter__(self) -> Self:
        if self._path is not None:
            try:
                self._file = self._path.open("a", encoding="utf-8")
            except OSError as error:
                raise UsageError(
                    f"{self._path} cannot be written: {error.strerror}; name another file with --troubles"
                ) from None
        return self

    def note(self, trouble: Mapping[str, Any]) -> None:
        """Take down what was done."""
        self.count += 1
        line = hidden(json.dumps(trouble, ensure_ascii=False))
        _log.info("on purpose: %s", line)
        if self._file is None or self._error is not None:
            return
        try:
            self._file.write(line + "\n")
            self._file.flush()
        except OSError as error:
            self._error = error
            self.failed()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            try:
                self._file.close()
            except OSError as failure:
                self._error = self._error or failure
        if self._error is not None and error is None:
            raise DiskError(
                f"{self._path} takes no more troubles: {self._error.strerror}; what it holds is not all that was done: "
                "make room and replay again"
            )
