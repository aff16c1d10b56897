# Two commands: `make demo` and `make test`. Each sets up what it needs, in .venv.

# On a desktop without apt, CONSTRAINTS= takes the newest of everything.
CONSTRAINTS ?= .ci/constraints.txt
PYTHON := .venv/bin/python
# A virtual screen where there is none; software OpenGL suffices.
SCREEN := sh scripts/with-screen.sh

.PHONY: demo test faults lint docs pictures corpus coverage mutation fuzz soak clean

demo: .venv/.app
	$(SCREEN) $(PYTHON) examples/demo.py

test: lint
	$(SCREEN) $(PYTHON) -m pytest

# What takes long and is done before a release: see docs/reliability.md.
coverage: .venv/.dev
	$(PYTHON) -m pip install -q coverage pytest-cov
	$(SCREEN) $(PYTHON) -m pytest --cov --cov-report=
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

lint: .venv/.dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/npe2 validate napari-deepheme
	.venv/bin/validate-pyproject pyproject.toml

# Into site/, strictly; nothing but pip needs the network.
docs: .venv/.docs
	PYTHONPATH=src NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict

pictures: .venv/.app
	$(SCREEN) $(PYTHON) scripts/pictures.py

.venv/.app: pyproject.toml $(CONSTRAINTS) scripts/setup.sh
	sh scripts/setup.sh "$(CONSTRAINTS)" ".[all]"
	@touch $@

.venv/.dev: .venv/.app
	sh scripts/setup.sh "$(CONSTRAINTS)" ".[all,train]" --group test --group lint
	@touch $@

.venv/.docs: .venv/.app
	sh scripts/setup.sh "$(CONSTRAINTS)" ".[all]" --group docs
	@touch $@

clean:
	rm -rf .venv demo-output site build dist .mypy_cache .ruff_cache .pytest_cache
