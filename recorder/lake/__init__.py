"""A lake in Python, asked as an archive is::

from recorder import lake

with lake.open("s3://season/football") as there:
    for stream in there.streams(sport="soccer"): ...
    there.timeline("france-romania", as_of="2016-06-10T19:02:00Z")
    there.actions(sport="soccer", type="Goal").to_polars()
"""

from __future__ import annotations

from recorder.lake.reading import Lake, open

__all__ = ["Lake", "open"]
