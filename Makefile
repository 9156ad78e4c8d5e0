# make demo | make test | make check | make ui : everything else is one command of collapse-pipeline.
PYTHON ?= python3
BIN := .venv/bin
export GX_ANALYTICS_ENABLED := False
export DO_NOT_TRACK := 1
export OMP_WAIT_POLICY := PASSIVE
export TOKENIZERS_PARALLELISM := false

.PHONY: demo test check ui setup clean

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else f"Python 3.11 to 3.13 is needed, this is {v[0]}.{v[1]}: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: setup
	@rm -rf data/demo
	@# A night that a gate blocks (exit 3) is a demonstration too; anything else is a fault.
	$(BIN)/collapse-pipeline run --home data/demo --from first --generations 5 || [ $$? = 3 ]

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
	.ci/postgresql
	$(BIN)/pytest -n 2 --dist loadfile

# HOME_DIR=data/demo shows what `make demo` left.
HOME_DIR ?= data
ui: setup
	$(BIN)/collapse-pipeline ui --home $(HOME_DIR)

clean:
	rm -rf .venv
