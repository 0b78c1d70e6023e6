# Every target makes the environment on first use: .venv, from pinned and hashed requirements.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
# `make sim` runs schedules FIRST to FIRST+SEEDS-1, and so many sequences of sizing.
SEEDS ?= 2000
FIRST ?= 1
SEQUENCES ?= 1000000
# A recorded session beside the repository, if there is one; without it the demo's market is made.
TAPE ?= $(firstword $(wildcard ../shared/data/*.csv.gz))

.PHONY: demo test lint bench sim mutants soak peers lock clean
demo: $(READY)
	$(BIN)/copydesk demo $(if $(TAPE),--tape $(TAPE)) $(ARGS)

# Most tests wait more than they work, so four run at a time; then, alone, those that measure. On a machine that others
# use too, what failed is tried once more by itself, and what fails twice has failed. (5: none was chosen.)
BESIDE := -m "not bench and not soak and not alone"
ALONE := -m "alone and not bench and not soak"
test: $(READY)
	$(BIN)/pytest -n 4 --dist worksteal $(BESIDE) $(ARGS) || [ $$? -eq 5 ] || $(BIN)/pytest --last-failed $(BESIDE) $(ARGS)
	$(BIN)/pytest $(ALONE) $(ARGS) || [ $$? -eq 5 ] || $(BIN)/pytest --last-failed $(ALONE) $(ARGS)

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

bench: $(READY)
	$(BIN)/python -m tests.bench $(ARGS)

sim: $(READY)
	$(BIN)/python -m tests.sim --seeds $(SEEDS) --first $(FIRST) --sequences $(SEQUENCES) $(ARGS)

mutants: $(READY)
	$(BIN)/python -m tests.sim.mutants $(ARGS)

soak: $(READY)
	$(BIN)/pytest -m soak -s $(ARGS)

# The QuickFIX engine as counterparty. It compiles for minutes, once: its wheel is kept outside the repository.
# `make peers PEERS=soak` sends 1,000 orders through 20 disconnects and kills the desk 20 times, in both versions.
PEERS ?= not soak
WHEELS ?= $(HOME)/.cache/copydesk/wheels
QUICKFIX := quickfix==1.16.0
peers: $(READY)
	mkdir -p $(WHEELS)
	$(BIN)/python -m pip install --quiet --no-deps --find-links $(WHEELS) --no-index $(QUICKFIX) 2>/dev/null || \
	  { $(BIN)/python -m pip wheel --quiet --no-deps -w $(WHEELS) $(QUICKFIX) && \
	    $(BIN)/python -m pip install --quiet --no-deps --find-links $(WHEELS) --no-index $(QUICKFIX); }
	$(BIN)/pytest tests/peers/test_quickfix_*.py -m "$(PEERS)" $(ARGS)

lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  --group dev pyproject.toml -o requirements.txt

KERNEL := engine/market/kernel.c engine/market/build.py
$(READY): requirements.txt pyproject.toml $(KERNEL)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python engine/market/build.py
	touch $@

clean:
	rm -rf .venv build *.egg-info engine/market/_kernel.*
