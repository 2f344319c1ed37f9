# Commands of this project; `make help` lists them. What brings things up is in dev/, started as `python3 -m dev`.
#
# Variables: WORKERS=N     worker nodes beside the control plane (default 1)
#            AIRFLOW_PORT  where Airflow answers on 127.0.0.1 (default 8080)
#            CLUSTER=current   install into the current kubeconfig context instead of a kind cluster

PYTHON ?= python3
DEV := $(PYTHON) -m dev
VENV := .venv/bin
# Tests and tools talk to what `make up` made, whatever KUBECONFIG the caller has set. What follows is to be begun with
# `exec`: a shell in between would keep for itself the signal that make passes on.
WITH_CLUSTER := settings=$$($(DEV) env) && eval "$$settings" &&
LOCK := $(VENV)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-emit-index-url --no-header
export WORKERS AIRFLOW_PORT CLUSTER

.DEFAULT_GOAL := help
.PHONY: help demo up down clean status env test test-unit test-integration test-e2e test-production test-gitops test-install lint crds argo-cd lock bench bench-scale bench-alone venv

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {gsub(/\$$\$$/, "$$"); printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@sed -n 's/^# Variables:/  variables:/p; s/^#            /             /p' $(MAKEFILE_LIST)

demo: ## bring everything up, run two examples and watch them end
	@$(DEV) demo

up: ## a kind cluster with Airflow and the operator; again after a change: rebuilds and rolls what changed
	@$(DEV) up

down: ## remove the cluster
	@$(DEV) down

clean: ## remove the cluster, and the Docker engine if it was started here
	@$(DEV) clean

status: ## what is up
	@$(DEV) status

env: ## settings for a shell: eval "$$(make -s env)"
	@$(DEV) env

test: venv up ## all tests: unit, integration, end to end, on an Airflow as production has it
	@$(WITH_CLUSTER) exec $(VENV)/pytest tests/unit tests/integration tests/e2e tests/production

test-unit: venv ## tests that need no cluster
	$(VENV)/pytest tests/unit

test-integration: venv up ## the operator on a real API server, with a fake Airflow
	@$(WITH_CLUSTER) exec $(VENV)/pytest tests/integration

test-e2e: venv up ## everything real
	@$(WITH_CLUSTER) exec $(VENV)/pytest tests/e2e

test-production: venv up ## all examples on an Airflow as production has it, in place of the development one meanwhile
	@$(WITH_CLUSTER) exec $(VENV)/pytest tests/production

test-gitops: venv up ## a real Argo CD, compiled here, that syncs a git repository into the cluster
	@$(WITH_CLUSTER) exec $(VENV)/pytest tests/gitops

test-install: venv up ## the ways to install, as docs/how-to/install.md tells them; compiles Helm the first time
	@$(WITH_CLUSTER) exec $(VENV)/pytest tests/install

lint: venv ## style, types, layers
	$(VENV)/ruff check
	$(VENV)/ruff format --check
	$(VENV)/mypy
	$(VENV)/lint-imports

crds: venv up ## generate crds/airflowcontainerjobs.yaml, with the core types' schemas as the cluster publishes them, and docs/reference.md
	@$(WITH_CLUSTER) exec $(VENV)/python -m crds.generate

argo-cd: venv ## generate manifests/argo-cd/argocd-cm.yaml from the Lua beside it
	$(VENV)/python manifests/argo-cd/generate.py

lock: venv ## renew requirements/ from pyproject.toml
	$(LOCK) --extra dev pyproject.toml --output-file requirements/dev.txt
	$(LOCK) --extra operator --constraint requirements/dev.txt pyproject.toml --output-file requirements/operator.txt
	$(LOCK) --extra airflow --extra production --constraint requirements/dev.txt pyproject.toml --output-file requirements/airflow.txt
	$(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
		| $(LOCK) - --output-file requirements/build.txt

bench: venv up ## measure jobs beside bare Kubernetes Jobs and the stock operator (an hour)
	@$(WITH_CLUSTER) exec $(VENV)/python -m bench

bench-scale: venv up bench-alone ## thousands of jobs with simulated pods, Airflow on PostgreSQL; and what bench-alone does (well over an hour)
	@$(WITH_CLUSTER) exec $(VENV)/python -m bench.scale

bench-alone: venv up ## the operator alone, with a fake Airflow; the installed one forgets its runs by that
	@$(WITH_CLUSTER) exec $(VENV)/python -m bench.alone

venv:
	@$(DEV) venv
