# Two commands: `make demo` and `make test`. Each sets up what it needs, in .venv.

# On a desktop without apt, CONSTRAINTS= takes the newest of everything.
CONSTRAINTS ?= .ci/constraints.txt
PYTHON := .venv/bin/python
# A virtual screen where there is none; software OpenGL suffices.
SCREEN := sh scripts/with-screen.sh

.PHONY: demo test lint corpus clean

demo: .venv/.app
	$(SCREEN) $(PYTHON) examples/demo.py

test: lint
	$(SCREEN) $(PYTHON) -m pytest

# All bad slides; writes docs/bad-slides.md. Needs Linux, 4 GB and ten minutes.
corpus: .venv/.dev
	PYTHONPATH=scripts MALLOC_ARENA_MAX=2 OMP_NUM_THREADS=1 $(PYTHON) -m bad_slides --bundled 15 --table docs/bad-slides.md

lint: .venv/.dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/npe2 validate napari-deepheme
	.venv/bin/validate-pyproject pyproject.toml

.venv/.app: pyproject.toml $(CONSTRAINTS) scripts/setup.sh
	sh scripts/setup.sh "$(CONSTRAINTS)" ".[all]"
	@touch $@

.venv/.dev: .venv/.app
	sh scripts/setup.sh "$(CONSTRAINTS)" ".[all,train]" --group test --group lint
	@touch $@

clean:
	rm -rf .venv demo-output build dist .mypy_cache .ruff_cache .pytest_cache
