# What one does with a checkout. `make help` lists it.
#
# Everything is installed into .venv from pyproject.toml, at the versions of constraints.txt. Where packages come
# from is pip's own affair (its settings and environment). OMP_NUM_THREADS and everything else in the environment
# reaches the commands as it is.

VENV := .venv
BIN := $(VENV)/bin
PLUGIN := $(wildcard tests/plugin/pyproject.toml tests/plugin/*.py tests/plugin/*/*.py)

# Tests run two at a time, so one thread each unless the environment says otherwise.
PYTEST = OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/python -m pytest
QUICK = not slow and not paper and not gpu

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install run test test-slow test-paper check docs benchmark clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## create .venv and install into it

run: $(VENV)/.installed ## train 16 + 16 of the paper's networks and print where the report is
	$(BIN)/spatialnets run preset=sernn_paper networks=16

# Exit status 5 of pytest: ARGS choose none of these tests.
test: $(VENV)/.plugin ## the quick tests; those of Slurm, which mostly wait, go on beside the others
	@said=$$(mktemp); \
	$(PYTEST) -m "$(QUICK) and slurm" $(ARGS) >"$$said" 2>&1 & slurm=$$!; \
	trap 'kill $$slurm 2>/dev/null; rm -f "$$said"' EXIT; trap 'exit 130' INT TERM; \
	$(PYTEST) -m "$(QUICK) and not slurm" -n 2 $(ARGS); code=$$?; \
	wait $$slurm; code_of_slurm=$$?; \
	echo; echo "With Slurm:"; cat "$$said"; \
	case $$code$$code_of_slurm in \
		00 | 05 | 50) ;; \
		*) exit 1 ;; \
	esac

test-slow: $(VENV)/.plugin ## the tests that take more than a few seconds each
	$(PYTEST) -m "slow and not paper and not gpu" -n 2 $(ARGS)

test-paper: $(VENV)/.plugin ## train enough networks to compare with the published figures
	$(PYTEST) -m paper $(ARGS)

check: $(VENV)/.installed ## lint, formatting, types, who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.installed ## the documentation, into docs/_build/html
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

benchmark: $(VENV)/.installed ## measure speed and memory and write docs/benchmarks.md with it
	$(BIN)/python tests/benchmarks/benchmark.py --out benchmark.json --page docs/benchmarks.md

clean: ## remove what was built (not .venv, not runs/)
	rm -rf build dist docs/_build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf tests/plugin/build
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# `make PYTHON=/path/to/python` chooses another one; without it the first that is new enough is taken.
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
	install one, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; \
	fi; \
	if ! "$$chosen" -c "$$enough" 2>/dev/null; then \
		echo "make: $$chosen is $$("$$chosen" --version 2>/dev/null || echo missing); spatialnets needs Python 3.11 or later" >&2; exit 1; \
	fi; \
	if ! "$$chosen" -c 'import venv, ensurepip' 2>/dev/null; then \
		echo "make: $$chosen has no venv module; install it (Debian: apt-get install python3-venv)" >&2; exit 1; \
	fi; \
	echo "creating $(VENV) with $$("$$chosen" --version)"; \
	"$$chosen" -m venv --clear $(VENV)

# No build isolation: the build uses the pinned setuptools that is installed first.
$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install -q -c constraints.txt setuptools
	$(BIN)/python -m pip install -q -c constraints.txt --no-build-isolation -e ".[dev]"
	@touch $@

# A geometry in a package of its own, as a stranger would write one; for the tests only.
$(VENV)/.plugin: $(VENV)/.installed $(PLUGIN)
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation --force-reinstall ./tests/plugin
	@touch $@
