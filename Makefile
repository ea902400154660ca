# The commands of the project. `make` alone lists them.

VENV   := .venv
BIN    := $(VENV)/bin
PYTHON ?= python3

.DEFAULT_GOAL := help
.PHONY: help run test test-long test-whole check format bench race stress kills faults translations lock clean browser fuzz-api fuzz audit sbom flat growth lighthouse pictures machines proxy upgrade image

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.run ## serve on http://localhost:8000, with the plan and a demonstration season when the database is empty
	@exec $(BIN)/forums serve --demo

# What the first process of a run compiled, the others read: pytest rewrites every test, seconds in each.
unexport PYTHONDONTWRITEBYTECODE

# A file of tests stays in one process, where what it starts from is made once; those that last longest begin.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test: $(VENV)/.test tests/node_modules browser ## the tests, on SQLite and PostgreSQL, and in a real browser: each thing once, in minutes
	$(PYTEST) -m "not long"

test-long: $(VENV)/.test tests/node_modules browser ## what make test leaves out: the same walks in every theme, width and engine, every hostile form
	$(PYTEST) -m long

test-whole: $(VENV)/.test tests/node_modules browser ## all the tests
	$(PYTEST)

check: $(VENV)/.test ## style, types, import order, templates, translations, migrations
	$(BIN)/ruff format --check forums db tests
	$(BIN)/ruff check forums db tests
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py tests/test_translations.py tests/test_migrations.py

format: $(VENV)/.test ## put the code in form
	$(BIN)/ruff format forums db tests
	$(BIN)/ruff check --fix forums db tests

bench: $(VENV)/.test ## each promise of speed beside its limit, in one run
	$(BIN)/python -m tests.bench

race: $(VENV)/.test ## 10,000 confirmations for 500 seats over 4 processes, with the negative control
	$(BIN)/python -m tests.race

stress: $(VENV)/.test ## the same over HTTP, with people giving up and coming back: seats, order, one message for each fact
	$(BIN)/python -m tests.stress

kills: $(VENV)/.test ## 200 times kill -9 under load: nothing answered is lost, every message sent, once
	$(BIN)/python -m tests.kills

faults: $(VENV)/.test ## full disk, 40 power cuts, locks, a database gone, slow people, copies, stops: what was answered is there
	$(BIN)/python -m tests.faults

machines: $(VENV)/.test ## two hosts behind nginx, killed, cut off, restarted, straight and through PgBouncer (needs root, nginx, pgbouncer)
	$(BIN)/python -m tests.machines

proxy: $(VENV)/.test ## docs/nginx.conf itself before the site: TLS, plain http, headers, refusals, slow people (needs nginx)
	$(BIN)/python -m tests.proxy

upgrade: $(VENV)/.test ## every migration over full tables, and the newest while the program before it serves, on both engines
	$(BIN)/python -m tests.upgrade

image: $(VENV)/.test ## build the container of Debian's packages and the lock alone, and try it (needs root, mmdebstrap, buildah)
	$(BIN)/python -m tests.image

fuzz-api: $(VENV)/.test ## the API asked 10,000 times what its description allows, and what it does not
	$(BIN)/python -m tests.fuzz_api

fuzz: $(VENV)/.test ## every address and every header asked with what nobody should send, over raw sockets; answers timed
	$(BIN)/python -m tests.fuzz_site

audit: var/audit/.installed tests/audit/node_modules sbom ## known vulnerabilities, dangerous calls, the headers' grade (A+), the bill of materials
	$(PYTHON_AUDIT) -m bandit -q -c pyproject.toml -r forums db && echo "bandit: nothing found"
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.observatory
	$(BIN)/python -m tests.vulnerabilities $(CURDIR)/var/audit/bin/pip-audit

sbom: var/audit/.installed ## the bill of materials of what is installed to serve, from the lock, as CycloneDX JSON in var/
	$(PYTHON_AUDIT) -m cyclonedx_py requirements --pyproject pyproject.toml --output-reproducible --of JSON -o var/forums.cdx.json requirements.txt
	@echo "var/forums.cdx.json: $$(grep -c '"purl"' var/forums.cdx.json) components"
PYTHON_AUDIT := var/audit/bin/python

growth: $(VENV)/.test ## every page on a season fifty times larger: processor time and SQL statements, on both engines
	$(BIN)/python -m tests.growth

flat: $(VENV)/.test ## memory of one process over 100,000 requests of all kinds, read every 5,000: it does not grow
	$(BIN)/python -m tests.flat

lighthouse: $(VENV)/.test tests/node_modules/lighthouse browser ## Lighthouse on four pages, in both languages, on two devices: 100 everywhere or it says why
	$(BIN)/python -m tests.lighthouse

pictures: $(VENV)/.test browser ## take the pictures of docs/organiser.md and of the README again
	$(BIN)/python -m tests.pictures

translations: $(VENV)/.test ## bring the English catalogue up to the sentences of the code
	$(BIN)/python -m tests.translations

lock: $(VENV)/.test ## pin the newest dependencies that pyproject.toml allows (needs uv)
	$(BIN)/pip install -q uv
	$(BIN)/uv pip compile -q --upgrade $(LOCK) pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile -q --upgrade $(LOCK) --extra test -c requirements.txt pyproject.toml -o tests/requirements.txt
LOCK := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header

clean: ## remove what was installed and built here; the database stays
	rm -rf $(VENV) tests/node_modules build *.egg-info

# -- What the targets install ---------------------------------------------------------------------

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Il faut Python 3.11 ou plus récent."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Il manque le module venv : apt-get install python3-venv."; exit 1; }

$(VENV)/.run: requirements.txt pyproject.toml | $(BIN)/python
	@echo "Installation des dépendances…"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.test: tests/requirements.txt pyproject.toml | $(VENV)/.run
	@echo "Installation de ce que demandent les tests…"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r tests/requirements.txt
	@touch $@

tests/node_modules: tests/package-lock.json | $(VENV)/.test
	@PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --loglevel=error --ignore-scripts --omit=dev --prefix tests
	@touch $@

var/audit/.installed: tests/audit/requirements.txt
	@$(PYTHON) -m venv var/audit
	@var/audit/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r tests/audit/requirements.txt
	@touch $@

tests/audit/node_modules: tests/audit/package-lock.json | $(VENV)/.test
	@PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --loglevel=error --ignore-scripts --prefix tests/audit
	@touch $@

tests/node_modules/lighthouse: tests/package-lock.json | $(VENV)/.test
	@PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --loglevel=error --ignore-scripts --prefix tests
	@touch $@ tests/node_modules

browser:
	@command -v chromium >/dev/null || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; } || \
	  { echo "Il manque Chromium : apt-get install chromium."; test -z "$$CI"; }
