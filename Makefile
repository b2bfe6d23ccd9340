# The main commands are `make demo` and `make test`; they need Python 3.11 or later.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PYTEST_ARGS ?= -n 2 --dist worksteal

.PHONY: demo test examples lint docs clean other-tests oldest trust

$(BIN)/python:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or later is needed: make PYTHON=python3.12 ...')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.demo: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	@touch $@ $(VENV)/.demo

$(VENV)/.doc: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable ".[doc]"
	@touch $@

demo: $(VENV)/.demo
	$(BIN)/hyperspy-motifs demo -o demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest $(PYTEST_ARGS)

# The scripts of the gallery; two minutes. FIGURES=folder saves their figures.
examples: $(VENV)/.dev
	$(BIN)/python .ci/run_examples.py $(FIGURES)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/towncrier build --draft --version 0 > /dev/null

docs: $(VENV)/.doc
	$(BIN)/python -m sphinx -W --keep-going -b html -d docs/_build/doctrees $(SPHINXOPTS) docs docs/_build/html
	$(BIN)/python -m sphinx -W --keep-going -b doctest -D plot_gallery=0 -d docs/_build/doctrees $(SPHINXOPTS) docs docs/_build/doctest

# The tests of HyperSpy, atomap and scikit-learn with this package installed; half an hour.
other-tests: $(VENV)/.dev
	$(BIN)/python .ci/other_tests.py

# The tests on the oldest versions of pyproject.toml.
oldest:
	$(PYTHON) -m venv $(VENV)-oldest
	$(VENV)-oldest/bin/python -m pip install --quiet --upgrade pip
	$(VENV)-oldest/bin/python -m pip install --quiet --constraint .ci/oldest.txt --editable ".[tests]"
	$(VENV)-oldest/bin/python -m pytest $(PYTEST_ARGS)

# Thirty times as many random examples as in `make test`, different in every run; an hour.
trust: $(VENV)/.dev
	TRUST_TIMES=30 $(BIN)/python -m pytest tests/trust $(PYTEST_ARGS) --timeout=7200

clean:
	rm -rf $(VENV) $(VENV)-oldest $(VENV)-other demo build dist docs/_build .pytest_cache .mypy_cache .ruff_cache
