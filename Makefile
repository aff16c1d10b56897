# Two commands: `make demo` and `make test`. Each sets up what it needs, in .venv.

# On a desktop without apt, CONSTRAINTS= takes the newest of everything, as an sdist does.
CONSTRAINTS ?= $(wildcard .ci/constraints.txt)
PYTHON := .venv/bin/python
# A virtual screen where there is none; software OpenGL suffices.
SCREEN := sh scripts/with-screen.sh
# Empty: what the commands import is compiled once, and not by each process.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test slow faults lint checks docs pictures corpus coverage mutation fuzz soak dist compat audit clean

demo: .venv/.app
	$(SCREEN) $(PYTHON) examples/demo.py

# Two processes share the tests; more need 3 GB of memory each.
WORKERS ?= 2
test: checks
	.venv/bin/mypy & typed=$$!; \
	$(SCREEN) $(PYTHON) -m pytest -n $(WORKERS) --dist worksteal; tested=$$?; \
	wait $$typed || { echo "mypy failed, see its words above" >&2; exit 1; }; exit $$tested

# With those that CI passes over.
slow: .venv/.dev
	$(SCREEN) $(PYTHON) -m pytest -n $(WORKERS) --dist worksteal --slow

# What takes long and is done before a release: see docs/reliability.md.
coverage: .venv/.dev
	$(PYTHON) -m pip install -q "coverage>=7.10" "pytest-cov>=7"
	$(SCREEN) $(PYTHON) -m pytest -n $(WORKERS) --dist worksteal --slow --cov --cov-report=
	$(PYTHON) -m coverage report --include="*/core/*" --fail-under=95
	$(PYTHON) -m coverage report --omit="*/core/*" --fail-under=85

mutation: .venv/.dev
	$(PYTHON) scripts/mutate.py

fuzz: .venv/.dev
	$(PYTHON) -m pip install -q atheris
	$(PYTHON) scripts/fuzz.py all --seconds 180

soak: .venv/.dev
	$(SCREEN) $(PYTHON) scripts/soak.py --minutes 180

faults: .venv/.dev
	$(SCREEN) $(PYTHON) -m pytest tests/faults tests/plugin/test_faults.py

# All bad slides; writes docs/bad-slides.md. Needs Linux, 4 GB and half an hour. SLIDES=
# names a folder of real slides, of which broken copies are made.
corpus: .venv/.dev
	PYTHONPATH=scripts:src MALLOC_ARENA_MAX=2 OMP_NUM_THREADS=1 $(SCREEN) $(PYTHON) -m bad_slides \
		--sampled python,report,export,bundled,widget,batch --sample 60 \
		$(if $(SLIDES),--slides $(SLIDES)) --table docs/bad-slides.md

lint: checks
	.venv/bin/mypy

# All but mypy, which `test` runs beside the tests.
checks: .venv/.dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/lint-imports
	.venv/bin/npe2 validate napari-deepheme
	.venv/bin/validate-pyproject pyproject.toml

# Into site/, strictly; nothing but pip needs the network.
docs: .venv/.docs
	PYTHONPATH=src NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict

pictures: .venv/.app
	$(SCREEN) $(PYTHON) scripts/pictures.py

# Into dist/, checked, and used where no checkout is.
dist: .venv/.app
	$(PYTHON) -m pip install -q build twine
	rm -rf dist
	$(PYTHON) -m build
	$(PYTHON) -m twine check --strict dist/*
	$(PYTHON) scripts/check_dist.py dist
	$(PYTHON) scripts/try_wheel.py dist $(if $(CONSTRAINTS),--constraints $(CONSTRAINTS))

# The suite with other versions of what it stands on, each in .compat/ by itself.
COMPAT ?= lowest newest pyside6 pyqt6
compat:
	sh scripts/libraries.sh
	python3 -m venv .compat/tools
	.compat/tools/bin/python -m pip install -q uv
	.compat/tools/bin/python scripts/compat.py $(COMPAT) --constraints "$(CONSTRAINTS)"

# Asks a database of vulnerabilities, on the network.
audit: .venv/.app
	$(PYTHON) -m pip install -q pip-audit
	$(PYTHON) -m pip_audit --skip-editable

.venv/.app: pyproject.toml $(CONSTRAINTS) scripts/setup.sh
	sh scripts/setup.sh "$(CONSTRAINTS)" ".[all]"
	@touch $@

# What the application needs is in it.
.venv/.dev: pyproject.toml $(CONSTRAINTS) scripts/setup.sh
	sh scripts/setup.sh "$(CONSTRAINTS)" ".[all]" --group test --group lint
	@touch .venv/.app $@

.venv/.docs: .venv/.app
	sh scripts/setup.sh "$(CONSTRAINTS)" ".[all]" --group docs
	@touch $@

clean:
	rm -rf .venv .compat demo-output site build dist .mypy_cache .ruff_cache .pytest_cache
