# Two commands are enough: `make run` and `make test`. Both make .venv first, once.
PYTHON ?= python3
BIN := .venv/bin
SECONDS_BUDGET ?= 45

.PHONY: run test soak eval lock docs screenshots clean

run: .venv/installed  ## fetch, tag, land, publish, export once, and show the result
	@$(BIN)/balkanwatch run --max-seconds $(SECONDS_BUDGET)

test: .venv/installed-dev  ## lint, types, layers, SQL, seeds, docs and all tests
	$(BIN)/ruff format --check pipeline flows tests benchmarks scripts
	$(BIN)/ruff check pipeline flows tests benchmarks scripts
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/sqlfluff lint sql --disable-progress-bar
	$(BIN)/balkanwatch seeds check
	$(BIN)/python scripts/build_docs.py --check
	$(BIN)/pytest -m "not soak" -n 2 --dist loadfile --no-loadscope-reorder

soak: .venv/installed-dev  ## the long tests: more kills, readers for minutes
	$(BIN)/pytest -m soak

eval: .venv/installed-dev  ## quality on gold texts; says so when ../shared/gold is absent
	$(BIN)/python benchmarks/quality.py --gold tests/golden
	$(BIN)/python benchmarks/quality.py

docs: .venv/installed-dev  ## generate docs/tables.md and docs/queries.md
	$(BIN)/python scripts/build_docs.py

screenshots: .venv/installed-dev  ## take docs/pictures anew; needs the system's chromium
	$(BIN)/python scripts/screenshots.py
	$(BIN)/python scripts/build_terminal.py

lock:  ## compile the lock files; needs uv
	uv pip compile -q --universal --python-version 3.11 --no-header --no-annotate --generate-hashes requirements.in -o requirements.txt
	uv pip compile -q --universal --python-version 3.11 --no-header --no-annotate --generate-hashes requirements-dev.in -o requirements-dev.txt

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("balkanwatch needs Python 3.11 or newer; this is " + sys.version.split()[0] + " (make PYTHON=python3.12 ...)")'
	$(PYTHON) -m venv .venv

# The lock is complete, so pip need not resolve anything (--no-deps): faster, and the same with every pip.
.venv/installed: requirements.txt pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --disable-pip-version-check -q --no-deps --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
	@touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed
	$(BIN)/python -m pip install --disable-pip-version-check -q --no-deps --require-hashes -r requirements-dev.txt
	@touch $@

clean:  ## remove what was installed and built, never data/
	rm -rf .venv *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
