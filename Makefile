# What people type. `make run` needs nothing but Python 3.11 or later with its venv module.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
UV_VERSION := 0.13.9
WORKERS ?= 2
SERVICES := $(or $(IMS_SERVICES_HOME),.services)

# The packages of the checks hold those of the running system: where they are installed, `make run` takes nothing away.
READY := $(if $(wildcard $(VENV)/test.stamp),$(VENV)/test.stamp,$(VENV)/run.stamp)

.DEFAULT_GOAL := help
.PHONY: help services services-down services-status run test test-fast test-e2e test-services test-system lint docs studies manifests image lock bench clean

help: ## what there is
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# IMS_PROFILE=production make run: on what `make services` started; what is set already stays as it is.
run: $(READY) ## start IMS on this machine and stay in the foreground (Ctrl-C stops it)
	@if [ "$$IMS_PROFILE" = production ] && [ -r "$(SERVICES)/env" ]; then \
	  while IFS= read -r setting; do printenv "$${setting%%=*}" >/dev/null || export "$$setting"; done <"$(SERVICES)/env"; \
	fi; exec $(BIN)/ims up

test: lint test-fast test-e2e ## what every change must pass; CI runs it and test-services

test-fast: $(VENV)/test.stamp ## all tests that start nothing
	$(BIN)/pytest -n $(WORKERS) -m "not e2e and not system and not services"

test-e2e: $(VENV)/test.stamp ## tests that start IMS as a user does
	$(BIN)/pytest -n $(WORKERS) --dist loadfile -m "e2e and not system and not services"

test-services: $(VENV)/test.stamp ## on real servers: the contract suites, the production profile end to end, a sample of its faults (starts what it can)
	$(BIN)/pytest -n $(WORKERS) --dist loadfile -m "services and not system"

lint: $(VENV)/test.stamp ## ruff, mypy --strict, import directions
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/test.stamp ## render the generated parts of docs/
	$(BIN)/python -m ims.cli.docs

studies: $(VENV)/bench.stamp ## run the studies in docs/scaling.md again, with their pictures
	$(BIN)/python -m ims.cli.studies

manifests: $(VENV)/test.stamp ## render knative/generated from lanes, topics and knative/autoscaling.yaml
	$(BIN)/python -m ims.manifests $(ARGS)

image: ## the container image (IMAGE=name:tag); needs docker or podman (DOCKER=podman)
	$(or $(DOCKER),docker) build -f infra/image/Dockerfile --build-arg UV_VERSION=$(UV_VERSION) -t $(or $(IMAGE),ims:dev) .

test-system: $(VENV)/test.stamp ## kill -9, power loss, full disks, floods under load (minutes; IMS_SYSTEM_LONG=1: hours)
	$(BIN)/pytest -m system tests/system tests/bench tests/contracts

services: $(VENV)/test.stamp ## start the servers of the production profile here (NAMES="kafka redis": some)
	@$(BIN)/python -m infra up $(NAMES)

services-down: $(VENV)/test.stamp ## stop them; their data stays in .services
	@$(BIN)/python -m infra down $(NAMES)

services-status: $(VENV)/test.stamp ## what of them runs, where, with how much memory
	@$(BIN)/python -m infra status $(NAMES)

bench: $(VENV)/bench.stamp ## how fast (SCENARIO=bulk-e2e for one, IMS_PROFILE=production: on servers; see bench/README.md)
	$(BIN)/python -m bench $(or $(SCENARIO),all) --on $(or $(IMS_PROFILE),embedded)

lock: $(UV) ## pin what requirements*.in ask for
	$(UV) pip compile -q --generate-hashes --no-emit-index-url --no-header --python-version 3.11 requirements.in -o requirements.lock
	$(UV) pip compile -q --generate-hashes --no-emit-index-url --no-header --python-version 3.11 requirements-dev.in -o requirements-dev.lock
	$(UV) pip compile -q --generate-hashes --no-emit-index-url --no-header --python-version 3.11 requirements-bench.in -o requirements-bench.lock

clean: ## remove what make made; the data in .ims stays
	rm -rf $(VENV) *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "IMS needs Python 3.11 or later: make run PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(VENV)/run.stamp: requirements.lock pyproject.toml | $(UV)
	$(UV) pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

$(VENV)/bench.stamp: requirements-bench.lock $(VENV)/test.stamp
	$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements-bench.lock
	@touch $@

$(VENV)/test.stamp: requirements-dev.lock pyproject.toml | $(UV)
	$(UV) pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements-dev.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@
