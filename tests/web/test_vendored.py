"""What other people made for browsers and lies here as they made it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import recorder

STATIC = Path(recorder.__file__).parent / "web" / "static"
VENDORED = STATIC / "vendor"


def test_every_file_is_what_its_makers_published() -> None:
    """Each with its checksum, and its licence beside it."""
    lines = (VENDORED / "SHA256SUMS").read_text().splitlines()
    expected = {name: digest for digest, name in (line.split() for line in lines)}
    found = {path.name for path in VENDORED.iterdir()} - {"SHA256SUMS"}
    assert found == set(expected)
    for name, digest in expected.items():
        assert hashlib.sha256((VENDORED / name).read_bytes()).hexdigest() == digest
    assert {"uPlot.LICENSE", "pico.LICENSE"} <= found


def test_nothing_of_ours_names_another_origin() -> None:
    """No page can load what lies elsewhere; none of them tries to."""
    ours = [path for path in (STATIC.parent / "templates").iterdir() if path.is_file()]
    ours += [path for path in STATIC.iterdir() if path.is_file()]
    for path in ours:
        # A namespace is a name, and is not loaded.
        assert set(re.findall(r"https?://[^\s\"'<>)]*", path.read_text())) <= {"http://www.w3.org/2000/svg"}, path
