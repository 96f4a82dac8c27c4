# Every target sets up .venv by itself, where it is missing or older than pyproject.toml.

PYTHON  ?= python3
VENV    ?= .venv
BIN     := $(VENV)/bin
STAMP   := $(VENV)/.whatwhere-installed

BUDGET    ?= quick
SOURCE    ?= standin
DATA_ROOT ?=
ROWS      ?=
SEEDS     ?=
DEVICES   ?= auto
RESULTS   ?= results
WANDB     ?= off
CACHE     ?=
REASON    ?=
ENGINE    ?= local
ADDRESS   ?=
CPUS      ?=
SBATCH    ?=
CELL_DEVICES ?= 1
CELL_NODES   ?= 1
FLAGS     ?=

# Of the README's pictures.
TABLE     ?= mafl
ROW       ?= dlp-k30
INDEX     ?= 0

# Tables whose smoke numbers have been accepted.
TABLES := $(patsubst results/baselines/%-smoke-standin.json,%,$(wildcard results/baselines/*-smoke-standin.json))

COMMON := --budget $(BUDGET) --source $(SOURCE) --results "$(RESULTS)" \
	$(if $(DATA_ROOT),--data-root "$(DATA_ROOT)") $(if $(CACHE),--cache-dir "$(CACHE)")
BENCH  := $(COMMON) --devices $(DEVICES) --wandb $(WANDB) \
	$(if $(ROWS),--rows $(ROWS)) $(if $(SEEDS),--seeds $(SEEDS)) \
	--engine $(ENGINE) $(if $(ADDRESS),--address $(ADDRESS)) $(if $(CPUS),--cpus $(CPUS)) \
	$(if $(SBATCH),--sbatch "$(SBATCH)") \
	--cell-devices $(CELL_DEVICES) --cell-nodes $(CELL_NODES) $(FLAGS)

.DEFAULT_GOAL := help
.PHONY: help install bench-% table-% check-% accept-% keep-% tables report pictures smoke browser test lint format types perf clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  Variables: BUDGET=$(BUDGET) (smoke|quick|full) SOURCE=$(SOURCE) (standin|real) DATA_ROOT= ROWS= SEEDS="
	@echo "             DEVICES=$(DEVICES) RESULTS=$(RESULTS) WANDB=$(WANDB) (off|offline|online) CACHE= REASON="
	@echo "             ENGINE=$(ENGINE) (local|ray|slurm) ADDRESS= (ray) SBATCH= (slurm) CPUS= (both)"
	@echo "             CELL_DEVICES=$(CELL_DEVICES) CELL_NODES=$(CELL_NODES) (that train one cell together), see docs/cluster.md"
	@echo "             FLAGS=$(FLAGS) (more options of bench: \"--compile --channels-last\")"

install: $(STAMP) ## Make the virtual environment

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"whatwhere needs Python 3.11 to 3.13, {sys.executable} is {v[0]}.{v[1]}; choose another: make PYTHON=python3.12 ...")'
	@echo "Setting up $(VENV): a few minutes, about 7 GB."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

bench-%: $(STAMP) ## Run a table's missing cells and print it: make bench-mafl
	@$(BIN)/whatwhere bench $* $(BENCH)

table-%: $(STAMP) ## Print a table from the cells that are there: make table-mafl
	@$(BIN)/whatwhere table $* $(COMMON)

check-%: $(STAMP) ## Compare a table with its baseline: make check-mafl
	@$(BIN)/whatwhere check $* $(COMMON)

report: $(STAMP) ## Write a page of all results to look at, results/report.html
	@$(BIN)/whatwhere report --results $(RESULTS) -o $(RESULTS)/report.html

pictures: $(STAMP) ## Take the README's pictures of the report and the studio, docs/*.png: make pictures ROW=dlp-k30
	@set -e; cells="$(RESULTS)/cells/$(TABLE)"; for words in '"row": "$(ROW)"' '"budget": "$(BUDGET)"' '"status": "ok"'; do \
		cells=$$(grep -rlF --include='*.json' "$$words" $$cells 2>/dev/null || true); \
		test -n "$$cells" || { echo "$(RESULTS)/cells/$(TABLE): no cell with $$words; measure one: make bench-$(TABLE) BUDGET=$(BUDGET) ROWS=$(ROW) SEEDS=1" >&2; exit 1; }; \
	done; \
	run=$(RESULTS)/runs/$$(basename "$$(echo "$$cells" | head -n 1)" .json); \
	$(BIN)/whatwhere report $(TABLE) --results $(RESULTS) --budget $(BUDGET) --source standin -o $(RESULTS)/report.html --picture docs/report.png; \
	$(BIN)/whatwhere studio $$run --index $(INDEX) $(if $(CACHE),--cache-dir $(CACHE)) --picture docs/studio.png

accept-%: $(STAMP) ## Make a table the new baseline: make accept-mafl REASON="..."
	@$(BIN)/whatwhere accept $* $(COMMON) --reason "$(REASON)"

keep-%: $(STAMP) ## Put a table's finished cells into git: make keep-mafl
	@$(BIN)/whatwhere keep $* $(COMMON)

tables: $(STAMP) ## Write the tables of all kept cells, docs/leaderboard.md, and parts of tables in other pages
	@$(BIN)/whatwhere leaderboard --excerpts README.md --excerpts docs/findings.md

smoke: $(STAMP) ## Run every table that has a smoke baseline, and check all against those
	@$(BIN)/whatwhere bench $(TABLES) --budget smoke --results $(RESULTS); code=$$?; \
	$(BIN)/whatwhere check $(TABLES) --budget smoke --results $(RESULTS) && exit $$code

browser: $(STAMP) ## Install a browser for the tests of pages, where there is none
	@for name in chromium-headless-shell chromium google-chrome; do \
		if command -v $$name >/dev/null; then exit 0; fi; \
	done; \
	{ apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium-headless-shell; } \
		|| $(BIN)/playwright install --with-deps chromium-headless-shell

test: $(STAMP) ## Run the tests
	@$(BIN)/python -m pytest -q --numprocesses logical --maxprocesses 4 --dist loadfile

lint: $(STAMP) ## Check style and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: $(STAMP) ## Mend style and format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

types: $(STAMP) ## Check types
	@$(BIN)/mypy

perf: $(STAMP) ## Measure speed and memory
	@$(BIN)/whatwhere perf

clean: ## Remove the virtual environment and caches of tools, never results
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
