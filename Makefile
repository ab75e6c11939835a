# Two commands do everything, installs included, in a virtual environment of the project's own.
PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest -n 2 --dist worksteal
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test check quick campaign lint docs format results evidence clean

demo: .venv/installed  ## train the built-in shapes, write the report, say where it is
	$(BIN)/treehead train shapes

test: .venv/installed-dev  ## everything that needs no accelerator, on two cores
	$(PYTEST)

check: .venv/installed-dev  ## what every commit must pass: lint and the quick tests, side by side
	$(MAKE) --jobs=2 --output-sync --no-print-directory lint quick

quick: .venv/installed-dev  ## the tests that take seconds
	$(PYTEST) -m "not slow and not browser"

CASES ?= 1000
SEED ?= 0
campaign: .venv/installed-dev  ## the campaigns of tests/campaign with many cases: make campaign CASES=10000 SEED=7
	$(PYTEST) tests/campaign --cases $(CASES) --seed $(SEED)

lint: .venv/installed-dev  ## format, lint, types, imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

docs: .venv/installed-dev  ## the documentation site; a warning is an error
	$(BIN)/sphinx-build -E -n -W --keep-going docs docs/_build/html
	@echo "docs/_build/html/index.html"

format: .venv/installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

results: .venv/installed-dev  ## recompute what README and docs report from docs/results, and check it
	$(BIN)/python tools/results.py --write

evidence: .venv/installed-dev  ## recompute published figures by a program that shares no code with treehead
	$(BIN)/python tools/evidence.py

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/pip install --quiet -c constraints.txt -e .
	touch $@

.venv/installed-dev: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@ .venv/installed

clean:
	rm -rf .venv dist .pytest_cache .ruff_cache .hypothesis
