# Needs Python 3.11 to 3.13 and make. Everything else is installed into .venv from the lock in .ci/lock.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
VENV := .venv
BIN := $(VENV)/bin
LOCK := .ci/lock
UV := $(BIN)/uv
INSTALL := VIRTUAL_ENV=$(VENV) UV_NO_CONFIG=1 $(UV) pip install --quiet
AGAIN := $(MAKE) --silent
PYTHON ?= 
ARGS ?=

.PHONY: help install test check bench demo train docs lock clean

help: ## Show the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile

install: $(VENV)/.dev $(VENV)/.package ## Make .venv with everything: worker, embedded Kafka, tests, linters

test: install ## Run the tests (ARGS="-k word -x")
	@$(BIN)/python -m pytest $(ARGS)

check: install ## Lint, format, types, import rules, file sizes
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python .ci/file_sizes.py

bench: install ## Print the benchmark table (ARGS="--json")
	@$(BIN)/stream-rec bench $(ARGS)

demo: $(VENV)/.kafka $(VENV)/.package ## A real broker, a worker, a shop's day, a live page (LOG=file replays a log)
	@$(BIN)/stream-rec demo $(if $(LOG),"$(LOG)",--install "$(AGAIN) $(VENV)/.neural") $(ARGS)

train: $(VENV)/.neural $(VENV)/.package ## Train the sequence model on a log (LOG=file ARGS="--items file")
	@$(BIN)/stream-rec train "$(LOG)" $(ARGS)

docs: install ## Write the pages of docs/ that are made from the code
	@$(BIN)/python .ci/docs.py

lock: install ## Write .ci/lock anew (ARGS="--upgrade")
	@$(LOCK)/compile.sh $(UV) $(ARGS)
	@$(BIN)/python $(LOCK)/kafka_artifacts.py

clean: ## Remove the environment and all caches
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.python:
	@PYTHON="$(PYTHON)" .ci/venv.sh $(VENV)
	@touch $@

$(UV): $(LOCK)/uv.txt | $(VENV)/.python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCK)/uv.txt
	@touch $@

$(VENV)/.kafka: $(LOCK)/kafka.txt | $(UV)
	@echo "installing the locked packages into $(VENV)"
	@$(INSTALL) --require-hashes -r $<
	@touch $@

$(VENV)/.dev: $(LOCK)/dev.txt | $(UV)
	@echo "installing the locked packages into $(VENV)"
	@$(INSTALL) --require-hashes -r $<
	@touch $@ $(VENV)/.kafka $(VENV)/.neural

$(VENV)/.neural: $(LOCK)/neural.txt | $(UV)
	@echo "installing the locked packages into $(VENV)"
	@$(INSTALL) --require-hashes -r $<
	@touch $@ $(VENV)/.kafka

$(VENV)/.package: pyproject.toml | $(VENV)/.kafka
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@
