"""A process that publishes, to be killed: ``python -m tests.lake.child DATABASE_URL PLACE FORM``.

It says ``begin`` when all is imported, and publishes two streams at a time, so that there are many moments to be
killed at.
"""

from __future__ import annotations

import sys

from recorder.publishing import taking
from recorder.publishing.forms import Form
from recorder.publishing.publishing import publish

if __name__ == "__main__":
    taking._STREAMS_AT_ONCE = 2
    url, place, form = sys.argv[1:]
    print("begin", flush=True)
    publish(url, place, Form(form))
    print("end", flush=True)
