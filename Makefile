# Holdfast. `make run` sets everything up and opens the app on two demo companies; `make test` sets up and tests it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export OMP_WAIT_POLICY ?= PASSIVE
# pytest keeps the tests that it has rewritten, or collecting them takes three times as long.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test quick check bench lock clean

run: $(VENV)/.ready
	@$(BIN)/python -m ui serve --demo

test: $(VENV)/.ready
	$(BIN)/python -m pytest

# The developer's inner loop.
quick: $(VENV)/.ready
	$(BIN)/python -m pytest -m "not slow and not browser"

check: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/mypy

# The figures of benchmarks/RESULTS.md. Real data are found through HOLDFAST_REAL_DATA.
bench: $(VENV)/.ready
	$(BIN)/python -m benchmarks

# Resolve requirements.txt and requirements-dev.txt anew into requirements.lock.
lock: $(VENV)/.ready
	$(BIN)/uv pip compile -q --universal --fork-strategy fewest --python-version 3.11 --upgrade requirements-dev.txt -o requirements.lock

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.ready: requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else f"Holdfast needs Python 3.11, 3.12 or 3.13; {sys.executable} is {v[0]}.{v[1]}. Try: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	@echo "Setting up $(VENV) (once; about a minute)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check uv
	@$(BIN)/uv pip install -q --python $(BIN)/python -r requirements.lock
	@touch $@
