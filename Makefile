# Two commands do everything, installs included, in a virtual environment of the project's own.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test check docs format clean

demo: .venv/installed  ## train the embedded shapes, write the report, say where it is
	$(BIN)/treehead train shapes

test: .venv/installed-dev  ## everything that needs no accelerator
	$(BIN)/python -m pytest

check: .venv/installed-dev  ## what every commit must pass
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/python -m pytest -m "not slow and not browser"

docs: .venv/installed-dev  ## the documentation site; a warning is an error
	$(BIN)/sphinx-build -E -n -W --keep-going docs docs/_build/html
	@echo "docs/_build/html/index.html"

format: .venv/installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

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
