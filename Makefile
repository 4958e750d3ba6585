# Two commands from a fresh clone: 'make quickstart' and 'make test'. Every target sets up what it needs, in .dev/.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.SUFFIXES:
# One failure does not hide the next.
MAKEFLAGS += --keep-going

export PATH := $(CURDIR)/.dev/venv/bin:$(PATH):/usr/sbin:/sbin
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/.dev/collections
export ANSIBLE_NOCOWS := 1
# What lies in .dev is nobody's repository: antsibull-docs copies collections out of it, and would ask git for their files.
export GIT_CEILING_DIRECTORIES := $(CURDIR)/.dev
export LC_ALL := C.UTF-8
# Tests start thousands of Pythons. Without compiled files each would compile this collection anew, and without buffers a
# module that comes through a pipe is read byte by byte.
unexport PYTHONDONTWRITEBYTECODE PYTHONUNBUFFERED

# More for pytest, such as PYTEST_ARGS='-k reload -x'.
PYTEST_ARGS ?=
# These tests also wait: for handshakes, time limits, hosts that boot.
integration_processes = $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN))))
pytest = python -m pytest --numprocesses=auto --durations=10 --junitxml=.dev/reports/$@.xml $(PYTEST_ARGS)

check_stages := lint types unit
test_stages := lint types docs-lint unit integration --beside sanity molecule

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: quickstart
quickstart: ## rotate a certificate under load in a real HAProxy, with an emulated AWS
	@scripts/bootstrap --minimal
	@scripts/quickstart

.PHONY: quickstart-issue
quickstart-issue: ## issue a certificate with a real ACME server, store, serve and renew it, with an emulated AWS
	@scripts/bootstrap --minimal
	@scripts/quickstart-issue

.PHONY: quickstart-push
quickstart-push: ## push what certbot issues to three hosts, with nginx and HAProxy, while one of them is down
	@scripts/bootstrap --minimal nginx ssh sshd
	@scripts/certbot
	@scripts/quickstart-push

.PHONY: quickstart-watch
quickstart-watch: ## watch a dozen TLS servers of all kinds, of which some change, expire and fall silent, and look at the dashboard
	@scripts/bootstrap --minimal watch
	@scripts/quickstart-watch

.PHONY: test
test: setup ## everything that must pass: lint, types, docs, sanity, unit, integration, molecule
	@python scripts/stages.py $(test_stages)

.PHONY: check
check: setup ## the fast part, about a minute: lint, types, unit tests
	@python scripts/stages.py $(check_stages)

.PHONY: setup
setup: ## install what all targets need (they call it themselves)
	@scripts/bootstrap

.PHONY: lint lint-python lint-yaml lint-shell lint-ansible lint-changelog
lint: lint-python lint-yaml lint-shell lint-ansible lint-changelog ## ruff, yamllint, shellcheck, ansible-lint, changelog fragments
lint-python: setup
	ruff check --quiet
	ruff format --quiet --check
lint-yaml: setup
	yamllint --strict .
lint-shell: setup
	shellcheck .ci/run benchmarks/*/run $$(grep -lE '^#!.*\b(ba)?sh$$' scripts/* 2>/dev/null)
lint-ansible: setup
	ansible-lint --offline --nocolor -q -f pep8
lint-changelog: setup
	antsibull-changelog lint

.PHONY: format
format: setup ## let ruff mend what it can
	ruff check --quiet --fix
	ruff format

.PHONY: types
types: setup ## mypy, strict, on module_utils and modules
	mypy $(patsubst %,-p ansible_collections.certops.rotation.plugins.%,module_utils modules)

.PHONY: docs-lint
docs-lint: setup ## documentation of the collection and its plugins
	antsibull-docs lint-collection-docs --plugin-docs --disallow-unknown-collection-refs --validate-collection-refs dependent .

.PHONY: sanity
sanity: setup ## ansible-test sanity on every Python found
	scripts/sanity

.PHONY: unit
unit: setup ## pure and fast tests
	$(pytest) --dist=worksteal tests/unit

.PHONY: integration
integration: setup ## real HAProxy, real TLS, AWS over HTTP from moto
	$(pytest) --numprocesses=$(integration_processes) --dist=loadfile --no-loadscope-reorder tests/integration

.PHONY: molecule
molecule: export ANSIBLE_CALLBACK_PLUGINS := $(CURDIR)/tests/support/callback
molecule: export PACKED_MODULES := $(CURDIR)/.dev/packed
molecule: setup ## the role and playbooks: check mode, converge, idempotence, verify
	molecule test --all

.PHONY: soak
MINUTES ?= 30
soak: setup ## for MINUTES=30: rotation and proof in random configurations of HAProxy, compared with what clients get
	python scripts/soak --minutes $(MINUTES) $(SOAK_ARGS)

.PHONY: benchmarks
benchmarks: setup ## measure, and compare with the usual ways
	@for program in benchmarks/*/run; do "$$program" || exit 1; done

.PHONY: screenshots
screenshots: setup ## the pictures of the documentation, anew
	python scripts/screenshots

.PHONY: build
build: ## the collection as a tarball; needs nothing but ansible-galaxy
	@command -v ansible-galaxy >/dev/null || { echo 'ansible-galaxy is not on PATH. It comes with: pip install ansible-core' >&2; exit 1; }
	ansible-galaxy collection build --force

.PHONY: clean
clean: ## remove all that these targets made
	rm -rf .dev tests/output certops-rotation-*.tar.gz
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
