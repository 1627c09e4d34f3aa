# Everything runs in .venv, made on first use; only a Python of at least 3.10 is needed beforehand.
PYTHON ?= python3
WORKERS ?= 2
BENCH ?= quick
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install $(shell [ -t 2 ] || echo -q)
OFFLINE := HF_HUB_OFFLINE=1 HF_DATASETS_OFFLINE=1
PYTEST := $(OFFLINE) OMP_NUM_THREADS=1 $(BIN)/python -m pytest

.PHONY: bench demo docs test test-slow lint style types format clean
.DELETE_ON_ERROR:

demo: .venv/demo.stamp
	$(OFFLINE) $(BIN)/attnmask demo $(ARGS)

test: .venv/test.stamp
	$(PYTEST) -m "not slow" -n $(WORKERS) --dist worksteal --durations 10 $(ARGS)

test-slow: .venv/test.stamp
	$(PYTEST) -m slow --durations 10 $(ARGS)

bench: .venv/test.stamp
	$(OFFLINE) $(BIN)/python -m benchmarks $(BENCH) $(addprefix --only ,$(BENCH_ONLY)) $(ARGS)

docs: .venv/test.stamp
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build $(ARGS)

lint: style types

style: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/test.stamp
	$(BIN)/mypy

format: .venv/test.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv build dist demo site *.egg-info .pytest_cache .ruff_cache .mypy_cache .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) .ci/make_venv.py .venv

.venv/demo.stamp: setup.cfg pyproject.toml | $(BIN)/python
	@echo "Installing into .venv (PyTorch is large: several minutes the first time) ..."
	$(PIP) -e ".[train]"
	@touch $@

# pydensecrf2 is compiled on the spot and ray lags behind new Pythons: without them the rest installs, their tests skip.
.venv/test.stamp: .venv/demo.stamp
	$(PIP) -e ".[test]"
	@$(PIP) -e ".[crf]" || echo "The optional [crf] extra did not build; for its tests: apt install g++ python3-dev"
	@$(PIP) -e ".[ray]" || echo "The optional [ray] extra did not install; its tests will be skipped"
	@touch $@
