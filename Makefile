# Two commands do all the set-up, each in this folder's own .venv:
#   make demo   run a small study of Spanish from five sources and write its report
#   make test   lint, types, layering, tests
#   make check  the same without the slow half of the tests, in about three minutes on two cores
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test check lint quick
demo: $(VENV)/neural
	$(BIN)/bytetransfer demo

test: lint
	$(BIN)/pytest

# while one core checks types, the other begins to test
check: $(VENV)/dev
	$(MAKE) --jobs=2 lint quick

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

quick: $(VENV)/dev
	$(BIN)/pytest -m "not slow"

# torch comes first and by its exact version, so that nothing later asks for another build of it
$(VENV)/neural: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) "$$(grep '^torch==' constraints.txt)"
	$(INSTALL) --editable '.[neural]'
	touch $@

$(VENV)/dev: $(VENV)/neural
	$(INSTALL) --editable '.[neural,hub,analysis,figures,dev]'
	touch $@
