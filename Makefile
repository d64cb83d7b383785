# make demo   train, deploy, run and prove a network (sets up .venv first)
# make docs   the documentation as a site, to be read without internet: site/index.html
# make test   lint, types, layers and the test suite (sets up .venv first)
# make test-frameworks   every framework at home against ours (sets up an environment for each that needs its own)
# make coverage   the test suite with branch coverage
# make soak   the campaigns among the tests at their full length (hours)
# make test-chips   every chip against what its maker wrote (sets up an environment for each of these)

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
QUIET  := --disable-pip-version-check --quiet --no-input
PIP    := $(BIN)/python -m pip $(QUIET)
READY  := $(VENV)/.ready

# What does not install beside nirdeploy, each in an environment of its own: frameworks, and chips' simulators.
FRAMEWORKS := spyx rockpool lava
CHIPS      := lava brian2loihi xylosim
WITNESSES  := $(sort $(FRAMEWORKS) $(CHIPS))
# What installs beside nirdeploy, but not with all that it requires.
BESIDE     := $(VENV)/.sinabs $(VENV)/.neurobench $(VENV)/.tonic
TABLE      := tests/frameworks/witnesses/test_table.py

.PHONY: demo docs test test-frameworks test-chips lint fuzz soak coverage clean

demo: $(READY)
	$(BIN)/nirdeploy demo

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "site/index.html"

# Two workers on two cores: a thread each, in what they start too.
test test-chips test-frameworks fuzz soak coverage: export OMP_NUM_THREADS := 1

test: lint $(BESIDE)
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not witness"

export NIRDEPLOY_WITNESS_SPYX := $(CURDIR)/.venv-spyx/bin/python
export NIRDEPLOY_WITNESS_ROCKPOOL := $(CURDIR)/.venv-rockpool/bin/python
export NIRDEPLOY_WITNESS_LAVA := $(CURDIR)/.venv-lava/bin/python
export NIRDEPLOY_WITNESS_BRIAN2LOIHI := $(CURDIR)/.venv-brian2loihi/bin/python
export NIRDEPLOY_WITNESS_XYLOSIM := $(CURDIR)/.venv-xylosim/bin/python
export NIRDEPLOY_WITNESS_SINABS := $(CURDIR)/$(BIN)/python

test-frameworks: $(BESIDE) $(FRAMEWORKS:%=.venv-%/.ready)
	$(BIN)/python -m pytest -n 2 --dist loadscope -m "" tests/frameworks --ignore $(TABLE)
	$(BIN)/python -m pytest --quiet -m "" $(TABLE)

test-chips: $(VENV)/.sinabs $(CHIPS:%=.venv-%/.ready)
	$(BIN)/python -m pytest -n 2 --dist loadscope -m "" tests/chips

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Property tests with five times the examples: 1,000 random networks on the RTL among them.
fuzz: $(READY) $(VENV)/.neurobench
	NIRDEPLOY_FUZZ=1 $(BIN)/python -m pytest -n 2 --dist loadgroup -m law

# Damaged files, faulty lines, planted faults and random networks on the RTL at full length, without a time limit.
soak: $(READY) $(VENV)/.neurobench
	NIRDEPLOY_SOAK=1 $(BIN)/python -m pytest -n 2 --dist loadgroup -m soak --timeout 0
	$(BIN)/python benchmarks/faulted_lines.py --rate 1e-3 --lines 200 --samples 8
	$(BIN)/python benchmarks/faulted_lines.py --rate 1e-2 --lines 50 --samples 5
	$(BIN)/python benchmarks/causes.py --many 10

# Branch coverage of the package, processes that the tests start left out; the lines that nothing reaches.
coverage: $(READY) $(BESIDE)
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not witness" --cov --cov-report term --cov-report html

clean:
	rm -rf $(VENV) $(WITNESSES:%=.venv-%) build dist demo site .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage htmlcov

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (once, some minutes) ..."
	$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@touch $@

# Sinabs requires samna, which installs from its vendor's own index when it is imported; what we use does without.
$(VENV)/.sinabs: $(READY)
	$(PIP) install --no-deps sinabs==3.1.3
	$(PIP) install pbr matplotlib pyyaml tqdm scipy
	@touch $@

# NeuroBench requires tonic and torchaudio for its data sets; its metrics and its benchmark do without.
$(VENV)/.neurobench: $(READY)
	$(PIP) install --no-deps neurobench==2.3.0
	$(PIP) install tqdm
	@touch $@

# Tonic requires torchaudio's and librosa's readers of sound; its data sets of events do without.
$(VENV)/.tonic: $(READY)
	$(PIP) install --no-deps tonic==1.7.0 importRosbag
	$(PIP) install pbr scipy tqdm
	@touch $@

# These lists are whole. lava names Python 3.10 and older packages than these; it computes the same.
$(CHIPS:%=.venv-%/.ready): FLAGS := --no-deps --ignore-requires-python

define ENVIRONMENT
	$(PYTHON) -m venv .venv-$*
	@echo "installing into .venv-$* (once, some minutes) ..."
	.venv-$*/bin/python -m pip $(QUIET) install $(FLAGS) --requirement $<
	@touch $@
endef

.venv-%/.ready: tests/frameworks/witnesses/%.txt
	$(ENVIRONMENT)

.venv-%/.ready: tests/chips/witnesses/%.txt
	$(ENVIRONMENT)
