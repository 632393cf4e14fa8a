"""Whether the tests reach what they must: `make coverage` measures, ``python -m tests.covering REPORT`` judges."""
