# make quickstart: trains a small model and finds entities with it.    make test: runs the tests.
# Both set up .venv first. PYTHON names the interpreter to start from (3.11 or newer), VENV the environment's folder.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TORCH ?= torch>=2.6

.PHONY: quickstart test lint clean

quickstart: $(VENV)/.ready
	$(BIN)/python run_scripts/quickstart.py

test: $(VENV)/.ready
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(VENV)/.ready
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

# Without a GPU the CPU build of torch is enough and ten times smaller; uv knows where it lies. Where uv reaches nothing,
# pip takes a version whose CPU build many mirrors and offline folders hold.
$(VENV)/.ready: pyproject.toml setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=24" "setuptools>=77" uv
	if command -v nvidia-smi >/dev/null 2>&1; then $(BIN)/python -m pip install --quiet "$(TORCH)"; \
	else UV_HTTP_TIMEOUT=20 $(BIN)/uv pip install --quiet --python $(BIN)/python --torch-backend=cpu "$(TORCH)" 2>/dev/null \
	  || $(BIN)/python -m pip install --quiet "torch==2.13.0"; fi
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) build dist outputs *.egg-info
