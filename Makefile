# Everything runs from .venv, which is created on demand. A stamp in it, one for each set of
# packages, remembers what is installed; a change of pyproject.toml installs it anew.
# Other interpreter: make PYTHON=python3.12 test. Arguments for pytest: make test ARGS="-k golden".

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test check golden bench katex clean

help:  ## print this list
	@awk -F ':.*##' '/^[a-z]+:.*##/ {printf "  make %-8s%s\n", $$1, $$2}' Makefile

run: $(VENV)/installed  ## install, derive and verify the two problems, train on MNIST
	@for command in derive verify train; do \
	    echo "\$$ cli $$command"; $(BIN)/cli $$command || exit; echo; \
	done

test: $(VENV)/installed-test  ## run the whole test suite, on all cores
	$(PYTEST) --numprocesses auto --dist worksteal $(ARGS)

check: $(VENV)/installed-check  ## lint, check the format and the types
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy --strict

golden: $(VENV)/installed-test  ## rewrite the golden files; read the change with git diff
	$(PYTEST) --update-golden $(ARGS)

bench: $(VENV)/installed  ## measure what the project says about its speed
	@for script in benchmarks/*.py; do $(BIN)/python "$$script" || exit; done

katex: tests/katex/node_modules/.package-lock.json  ## install the LaTeX engine of the tests (npm)

clean:  ## remove .venv, builds and caches; models stay
	rm -rf $(VENV) build dist *.egg-info tests/katex/node_modules
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/installed: $(VENV)/created pyproject.toml
	$(PIP) install --editable .
	@touch $@

# An extra brings the core along.
$(VENV)/installed-%: $(VENV)/created pyproject.toml
	$(PIP) install --editable '.[$*]'
	@touch $(VENV)/installed $@

$(VENV)/created:
	@suitable='import sys; sys.exit(sys.version_info < (3, 11))'; \
	for python in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python); do \
	    "$$python" -c "$$suitable" 2>/dev/null || continue; \
	    found=$$python; \
	    "$$python" -c 'import ensurepip, venv' 2>/dev/null || continue; \
	    "$$python" -m venv $(VENV) && touch $@; exit; \
	done; \
	if [ "$$found" ]; then \
	    echo "$$found has no modules venv and ensurepip, which create $(VENV)."; \
	    echo 'On Debian and Ubuntu: apt install python3-venv. Then run make again.'; \
	else \
	    echo 'Python 3.11 or newer is needed, $(or $(PYTHON),python3) is:' \
	        "$$($(or $(PYTHON),python3) --version 2>/dev/null || echo not installed)"; \
	    echo 'Install one, or name it: make PYTHON=/path/to/python3.12 ...'; \
	fi >&2; \
	exit 1

tests/katex/node_modules/.package-lock.json: tests/katex/package-lock.json
	cd tests/katex && npm ci --no-audit --no-fund
	@touch $@
