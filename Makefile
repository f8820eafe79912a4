# Each target does all its own set-up; nothing is needed before it but Python 3.11 or newer and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help

.PHONY: help demo stack test servers check lowest dashboards docs bench pictures clean

help:  ## what can be made
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/ready  ## check real flights, and see what a run prints and keeps
	@$(BIN)/python examples/flights/demo.py

stack: $(VENV)/ready  ## a suite every minute, Prometheus, Alertmanager and Jaeger around it (after make servers)
	@$(BIN)/python -m examples.stack

test: $(VENV)/ready  ## run all tests
	@$(BIN)/python -m pytest -n auto

servers:  ## install the servers that tests start (Debian's packages, as root; others built once)
	@PYTHON='$(PYTHON)' tests/servers/install

check: $(VENV)/ready  ## ruff and mypy --strict
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

lowest: $(VENV)/lowest-ready  ## run the tests at the lowest releases that pyproject.toml allows
	@$(VENV)/lowest/bin/python -m pytest -n auto

dashboards: $(VENV)/ready  ## write dashboards/*.json anew
	@$(BIN)/python -m dashboards.generate

docs: $(VENV)/ready  ## write docs/telemetry.md anew from the catalogue
	@$(BIN)/python docs/make_telemetry.py

bench: $(VENV)/ready  ## measure; prints the tables of docs/benchmarks.md
	@$(BIN)/python benchmarks/engine.py
	@$(BIN)/python benchmarks/plugins.py
	@$(BIN)/python benchmarks/audit.py
	@$(BIN)/python benchmarks/telemetry.py
	@$(BIN)/python benchmarks/otel.py

pictures: $(VENV)/ready  ## take the pictures of docs/ again; docs/pictures/make.py says what they need
	@$(BIN)/python -m pip install --quiet --group pictures
	@$(BIN)/python -m docs.pictures.make
	@$(BIN)/python -m docs.pictures.dashboards

clean:  ## remove what was made
	@rm -rf $(VENV) .demo .stack .bench build dist

$(VENV)/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "DQX needs Python 3.11 or newer, and this is " + sys.version.split()[0] + "; name another: make $(MAKECMDGOALS) PYTHON=python3.12")'
	@echo "setting up $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --editable '.[all]' --group dev --group demo
	@touch $@

$(VENV)/lowest-ready: pyproject.toml tests/constraints-lowest.txt
	@$(PYTHON) -m venv $(VENV)/lowest
	@$(VENV)/lowest/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(VENV)/lowest/bin/python -m pip install --quiet --editable '.[all]' --group dev --group demo --constraint tests/constraints-lowest.txt
	@touch $@
