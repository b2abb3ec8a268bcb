# make quickstart: trains a small model and finds entities with it.    make test: runs the tests.
# make gpu: tests and measures on a GPU.    make compat: runs the tests with the lowest version of every dependency.
# Each sets up its environment first. PYTHON names the interpreter to start from (3.11 or newer), VENV the environment's folder.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TORCH ?= torch>=2.6

.PHONY: quickstart test gpu compat lint clean

quickstart: $(VENV)/.ready
	$(BIN)/python run_scripts/quickstart.py

test: $(VENV)/.ready
	$(BIN)/python -m pytest -n 2 --dist loadfile

# without a GPU the tests are skipped with the reason, and nothing is measured
gpu: $(VENV)/.ready
	$(BIN)/python -m pytest -m gpu -rs
	if $(BIN)/python -c "import sys, torch; sys.exit(not torch.cuda.is_available())"; \
	then $(BIN)/python run_scripts/benchmark.py --device cuda --part chinese_bert glyph_crm --rounds 10 --output_dir outputs/gpu; \
	else echo "nothing is measured: torch sees no GPU"; fi

# "name>=1.2" in pyproject.toml becomes the constraint "name==1.2"
compat:
	$(PYTHON) -m venv $(VENV)-lowest
	$(VENV)-lowest/bin/python -m pip install --quiet --upgrade uv
	sed -nE 's/^ *"([a-z-]+)>=([0-9.]+).*/\1==\2/p' pyproject.toml > $(VENV)-lowest/lowest.txt
	$(VENV)-lowest/bin/uv pip install --quiet --python $(VENV)-lowest/bin/python --resolution lowest-direct \
	  --constraint $(VENV)-lowest/lowest.txt --editable ".[dev]"
	$(VENV)-lowest/bin/python -m pytest -n 2 --dist loadfile

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
	rm -rf $(VENV) $(VENV)-lowest build dist outputs *.egg-info
