# make demo   train, deploy, run and prove a network (sets up .venv first)
# make test   lint, types, layers and the test suite (sets up .venv first)

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet --no-input
READY  := $(VENV)/.ready

.PHONY: demo test lint fuzz clean

demo: $(READY)
	$(BIN)/nirdeploy demo

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadgroup

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Property tests with five times the examples: 1,000 random networks on the RTL among them.
fuzz: $(READY)
	NIRDEPLOY_FUZZ=1 $(BIN)/python -m pytest -n 2 --dist loadgroup -m law

clean:
	rm -rf $(VENV) build dist demo .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (once, some minutes) ..."
	$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@touch $@
