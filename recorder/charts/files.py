"""A chart as a file: .png and .svg are drawn here, without a browser; .html brings all that it needs with it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from recorder.errors import DiskError, UsageError
from recorder.extras import need

_SCALE = 2  # pixels for each of the chart's own, for screens of today

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline';
  script-src 'unsafe-inline' 'unsafe-eval'; img-src data:">
<title>recorder</title>
<script>{library}</script>
</head>
<body>
<div id="chart"></div>
<script>vegaEmbed("#chart", {spec}, {{actions: false, renderer: "svg"}});</script>
</body>
</html>
"""


def write_chart(chart: Any, path: Path) -> None:
    """Write what a function of this room returned; by the file's ending ``.png``, ``.svg`` or ``.html``.

    The file is there whole, or as it was before. UsageError for another ending or a directory that is not there,
    ConfigurationError when a library is missing, DiskError when it cannot be written.
    """
    draw = ending(path)
    content = draw(chart.to_dict())
    try:
        _replace(path, content)
    except FileNotFoundError:
        raise UsageError(f"there is no directory {path.absolute().parent} to write {path.name} into") from None
    except OSError as error:
        raise DiskError(f"{path}: {error.strerror}; make room or name another file") from error


def ending(path: Path) -> Callable[[Mapping[str, Any]], bytes]:
    """Return what draws a file of this name; UsageError when it cannot be one. Ask before the work, not after it."""
    draw = _ENDINGS.get(path.suffix.lower())
    if draw is None or path.is_dir():
        raise UsageError(f"{path}: a chart is written as {', '.join(_ENDINGS)}; name a file that ends so")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"there is no directory {path.absolute().parent} to write {path.name} into")
    return draw


def _png(spec: Mapping[str, Any]) -> bytes:
    drawn: bytes = _library().vegalite_to_png(dict(spec), scale=_SCALE, allowed_base_urls=[])
    return drawn


def _svg(spec: Mapping[str, Any]) -> bytes:
    drawn: str = _library().vegalite_to_svg(dict(spec), allowed_base_urls=[])
    return drawn.encode()


def _html(spec: Mapping[str, Any]) -> bytes:
    # JSON inside a script: a team's name must not be able to end it, nor begin a comment. The library's own page lets
    # it (vl-convert 1.9).
    data = json.dumps(spec).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return _PAGE.format(library=_library().javascript_bundle(), spec=data).encode()


_ENDINGS: Mapping[str, Callable[[Mapping[str, Any]], bytes]] = {".png": _png, ".svg": _svg, ".html": _html}


def _library() -> Any:
    return need("vl_convert", "analysis")


def _replace(path: Path, content: bytes) -> None:
    # Beside it, or the renaming would be a copy; the recorder's own umask says who may read it.
    half = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with half.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
