# Common commands for a checkout. `make help` lists them.
#
# Everything is installed into .venv from pyproject.toml, at the versions of constraints.txt. pip's settings and
# environment determine where packages are downloaded from. OMP_NUM_THREADS and all other environment variables are
# passed to the commands unchanged.

VENV := .venv
BIN := $(VENV)/bin
PLUGIN := $(wildcard tests/plugin/pyproject.toml tests/plugin/*.py tests/plugin/*/*.py)

# Two tests run at a time, so each uses one thread unless the environment sets another number.
PYTEST = OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/python -m pytest
QUICK = not slow and not paper and not gpu
# What a new installation should pass first: the command line, runs, and each kind of component.
SMOKE = tests/test_run.py tests/test_cli.py tests/test_cores.py tests/test_geometries.py tests/test_regularizers.py \
	tests/test_tasks.py tests/test_registry.py
# What depends on the processor's arithmetic: kernels, cores, penalties, resuming.
ARITHMETIC = tests/test_products.py tests/test_communicability.py tests/test_stochastic.py \
	tests/test_regularizers.py tests/test_priced_regularizers.py tests/test_lif.py tests/test_leaky.py \
	tests/test_rnn.py tests/test_gru_lstm.py tests/test_cores.py tests/test_wrapped.py tests/test_training.py \
	tests/test_plain_network.py tests/test_lasso.py tests/test_rng.py tests/test_unrolling.py

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install run smoke test test-arithmetic test-slow test-paper check docs benchmark clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## create .venv and install the package into it

run: $(VENV)/.installed ## train 16 + 16 of the paper's networks, write the report and print its path
	$(BIN)/spatialnets run preset=sernn_paper networks=16

# pytest exits with status 5 if ARGS selects none of these tests.
test: $(VENV)/.plugin ## run the quick tests; the Slurm tests, which mostly wait, run in parallel with the others
	@output=$$(mktemp); \
	$(PYTEST) -m "$(QUICK) and slurm" $(ARGS) >"$$output" 2>&1 & slurm=$$!; \
	trap 'kill $$slurm 2>/dev/null; rm -f "$$output"' EXIT; trap 'exit 130' INT TERM; \
	$(PYTEST) -m "$(QUICK) and not slurm" -n 2 $(ARGS); code=$$?; \
	wait $$slurm; slurm_code=$$?; \
	echo; echo "Slurm tests:"; cat "$$output"; \
	case $$code$$slurm_code in \
		00 | 05 | 50) ;; \
		*) exit 1 ;; \
	esac

smoke: $(VENV)/.plugin ## check in under a minute that the installation works
	$(PYTEST) -m "$(QUICK) and not slurm" -n 2 $(SMOKE) $(ARGS)

test-arithmetic: $(VENV)/.plugin ## repeat the tests of kernels, cores and penalties without vector instructions
	ATEN_CPU_CAPABILITY=default $(PYTEST) -m "$(QUICK)" -n 2 $(ARITHMETIC) $(ARGS)

test-slow: $(VENV)/.plugin ## run the tests that take more than a few seconds each
	$(PYTEST) -m "slow and not paper and not gpu" -n 2 $(ARGS)

test-paper: $(VENV)/.plugin ## train enough networks to compare them with the published figures
	$(PYTEST) -m paper $(ARGS)

check: $(VENV)/.installed ## check style, formatting, types, import layers and language
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/plain_english.py

docs: $(VENV)/.installed ## build the documentation into docs/_build/html
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

benchmark: $(VENV)/.installed ## measure speed and memory and write docs/benchmarks.md
	$(BIN)/python tests/benchmarks/benchmark.py --out benchmark.json --page docs/benchmarks.md $(ARGS)

clean: ## remove build results (but not .venv and runs/)
	rm -rf build dist docs/_build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf tests/plugin/build
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# `make PYTHON=/path/to/python` selects an interpreter; the default is the first one that is new enough.
PYTHON ?=

$(BIN)/python:
	@set -e; \
	enough='import sys; sys.exit(sys.version_info < (3, 11))'; \
	chosen='$(PYTHON)'; \
	if [ -z "$$chosen" ]; then \
		for candidate in python3 python3.11 python3.12 python3.13 python3.14 python; do \
			if $$candidate -c "$$enough" >/dev/null 2>&1; then chosen=$$candidate; break; fi; \
		done; \
	fi; \
	if [ -z "$$chosen" ]; then \
		echo "make: found no Python 3.11 or later (python3 is $$(python3 --version 2>/dev/null || echo missing)); \
	install one, or give its path: make PYTHON=/path/to/python3.11" >&2; exit 1; \
	fi; \
	if ! "$$chosen" -c "$$enough" 2>/dev/null; then \
		echo "make: $$chosen is $$("$$chosen" --version 2>/dev/null || echo missing); spatialnets needs Python 3.11 or later" >&2; exit 1; \
	fi; \
	if ! "$$chosen" -c 'import venv, ensurepip' 2>/dev/null; then \
		echo "make: $$chosen has no venv module; install it (Debian: apt-get install python3-venv)" >&2; exit 1; \
	fi; \
	echo "creating $(VENV) with $$("$$chosen" --version)"; \
	"$$chosen" -m venv --clear $(VENV)

# Without build isolation, the build uses the pinned setuptools, which is installed first.
$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install -q -c constraints.txt setuptools
	$(BIN)/python -m pip install -q -c constraints.txt --no-build-isolation -e ".[dev]"
	@touch $@

# A geometry in a separate package, like one that a user would write; only for the tests.
$(VENV)/.plugin: $(VENV)/.installed $(PLUGIN)
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation --force-reinstall ./tests/plugin
	@touch $@
