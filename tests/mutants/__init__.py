"""Bugs that somebody could write in one line, put into a copy of the tree one at a time: the tests must notice each.

`lists/` names them, `make mutants` runs them all: see docs/campaigns.md.
"""
