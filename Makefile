# fleetwire. `make help` lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# `unit` lints what it compiles in the same pass: `cargo clippy` is this wrapper around `cargo check`, and checking
# everything before building it would take minutes more.
#
# One build profile for run and bench, and one for test, lint and doc, which is quicker to build.
CARGO := cargo
PROFILE := --release --locked
CHECKS := --profile checks --locked
BIN := $${CARGO_TARGET_DIR:-target}/release/fleetwire
APACHE_KAFKA := $${CARGO_TARGET_DIR:-target}/release/apache-kafka
TEST_BIN := $${CARGO_TARGET_DIR:-target}/checks/fleetwire
TEST_KAFKA := $${CARGO_TARGET_DIR:-target}/checks/apache-kafka
# The system's OpenSSL, where it has one: compiling it takes minutes. Without it, and in an image, it is built in.
ifneq ($(shell pkg-config --atleast-version=3.0 openssl 2>/dev/null && echo yes),)
export OPENSSL_NO_VENDOR ?= 1
endif
# Tests wait for Kafka, timeouts and clients more than they compute.
export RUST_TEST_THREADS ?= 4
DATA ?= .build/data

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build the fleetwire binary
	@.ci/setup build
	$(CARGO) build $(PROFILE) -p fleetwire

.PHONY: run
run: build ## Run the whole pipeline here; KAFKA=apache runs it on a durable local Apache Kafka, ARGS=... adds flags
ifeq ($(KAFKA),apache)
	@.ci/setup test
	$(CARGO) build $(PROFILE) -p fleetwire-apache-kafka
	@exec $(APACHE_KAFKA) exec --data $(DATA)/apache-kafka --env FLEETWIRE_KAFKA -- $(BIN) run --samples $(ARGS)
else ifneq ($(KAFKA),)
	@exec $(BIN) run --kafka $(KAFKA) $(ARGS)
else
	@exec $(BIN) run $(ARGS)
endif

.PHONY: test
test: setup fmt proto monitoring unit chart doc ## Everything that must hold: format, contract, lints, all tests, docs

.PHONY: setup
setup: ## Install what build and tests need
	@.ci/setup test
	@.ci/prometheus

.PHONY: clients
clients: setup ## Install the clients that tests drive: MQTT clients and schemathesis
	@.ci/clients

.PHONY: fmt
fmt: ## Check the format
	$(CARGO) fmt --all --check

.PHONY: proto
proto: ## Check the protobuf contract: format, lint, breaking changes
	@.ci/proto check

.PHONY: proto-release
proto-release: ## Make today's contract the one that later changes must not break
	@.ci/proto release

.PHONY: monitoring
monitoring: setup ## Check dashboards, recording rules, alerts and runbooks, with promtool's unit tests
	@.ci/monitoring check

.PHONY: dashboards
dashboards: setup ## Make the Grafana dashboards anew from deploy/grafana/src
	@.ci/monitoring write

.PHONY: lint
lint: ## Clippy with warnings denied, by itself
	$(CARGO) clippy $(CHECKS) --workspace --all-targets -- -D warnings

.PHONY: doc
doc: ## Build the API documentation with warnings denied
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(CHECKS) --workspace --no-deps --quiet

.PHONY: unit
unit: export RUSTC_WORKSPACE_WRAPPER := clippy-driver
unit: export CLIPPY_ARGS := -D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__
unit: clients ## All lints and all tests, with one real Apache Kafka for those that need it
	$(CARGO) build $(CHECKS) --workspace --all-targets
	@$(TEST_KAFKA) exec --env FLEETWIRE_TEST_KAFKA -- $(CARGO) test $(CHECKS) --workspace

.PHONY: chart
chart: export RUSTC_WORKSPACE_WRAPPER := clippy-driver
chart: export CLIPPY_ARGS := -D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__
chart: setup ## Check the Helm chart, the image and the compose file, with the binary that `unit` builds
	$(CARGO) build $(CHECKS) --workspace --all-targets
	@.ci/chart $(TEST_BIN)
	@$(TEST_KAFKA) exec --env FLEETWIRE_TEST_KAFKA -- .ci/chart roundtrip $(TEST_BIN)

.PHONY: chart-acl
chart-acl: build ## Try the ACLs of the chart's Kafka users on an Apache Kafka that denies everything else
	@.ci/setup test
	$(CARGO) build $(PROFILE) -p fleetwire-apache-kafka
	@$(APACHE_KAFKA) exec -- .ci/chart acl $(BIN) $${CARGO_TARGET_DIR:-target}/apache-kafka/*/lib

.PHONY: bench
bench: ## All benchmarks; needs a quiet machine
	@.ci/setup test
	$(CARGO) bench --locked --workspace

.PHONY: bench-pipeline
bench-pipeline: build ## Messages a second and CPU per message of the whole pipeline on Apache Kafka
	@.ci/setup test
	$(CARGO) build $(PROFILE) -p fleetwire-benches -p fleetwire-apache-kafka
	@$(APACHE_KAFKA) exec --env FLEETWIRE_TEST_KAFKA -- $(dir $(APACHE_KAFKA))pipeline

.PHONY: bench-decoder
bench-decoder: build ## The decoder beside a worker that only copies; ARGS="--rounds 5"
	@.ci/setup test
	$(CARGO) build $(PROFILE) -p fleetwire-benches -p fleetwire-apache-kafka
	@$(APACHE_KAFKA) exec --env FLEETWIRE_TEST_KAFKA -- $(dir $(APACHE_KAFKA))decode $(ARGS)

.PHONY: bench-peers
bench-peers: build ## CPU and latency of a publish beside mosquitto and beside a bare producer; ARGS="--rounds 5"
	@.ci/setup bench
	$(CARGO) build $(PROFILE) -p fleetwire-benches -p fleetwire-apache-kafka
	@$(APACHE_KAFKA) exec --heap-mib 512 --env FLEETWIRE_TEST_KAFKA -- $(dir $(APACHE_KAFKA))peers $(ARGS)

.PHONY: bench-registry
bench-registry: ## Memory, load time and lookups of the registry with 10 million devices; ARGS="--devices 1000000"
	@.ci/setup test
	$(CARGO) build $(PROFILE) -p fleetwire-benches -p fleetwire-apache-kafka
	@$(APACHE_KAFKA) exec --env FLEETWIRE_TEST_KAFKA -- $(dir $(APACHE_KAFKA))registry $(ARGS)

.PHONY: bench-metrics
bench-metrics: build ## Size of the exposition with 100,000 sessions, and CPU that metrics take; ARGS="--only cpu"
	@.ci/setup test
	$(CARGO) build $(PROFILE) -p fleetwire-benches -p fleetwire-apache-kafka
	@$(APACHE_KAFKA) exec --env FLEETWIRE_TEST_KAFKA -- $(dir $(APACHE_KAFKA))metrics $(ARGS)

.PHONY: docs-metrics
docs-metrics: build ## Write docs/metrics.md anew from the code
	@$(BIN) metrics >docs/metrics.md

.PHONY: loss-test
loss-test: build ## Kill the frontend KILLS times (50) under load and look for lost publishes; MODE=drain or kafka
	@.ci/setup test
	$(CARGO) build $(PROFILE) -p fleetwire-benches -p fleetwire-apache-kafka
	@$(APACHE_KAFKA) exec --env FLEETWIRE_TEST_KAFKA -- $(dir $(APACHE_KAFKA))loss --kills $(or $(KILLS),50) --mode $(or $(MODE),frontend) $(ARGS)

.PHONY: command-loss-test
command-loss-test: build ## Kill frontends and gateways under COMMANDS (50000) to DEVICES (5000); ARGS="--kill-every 4"
	@.ci/setup test
	$(CARGO) build $(PROFILE) -p fleetwire-benches -p fleetwire-apache-kafka
	@$(APACHE_KAFKA) exec --env FLEETWIRE_TEST_KAFKA -- $(dir $(APACHE_KAFKA))commands loss --commands $(or $(COMMANDS),50000) --devices $(or $(DEVICES),5000) $(ARGS)

.PHONY: scale-test
scale-test: build ## Add, remove and restart processes and brokers under load; ARGS="roll --devices 500"
	@.ci/setup test
	$(CARGO) build $(PROFILE) -p fleetwire-benches -p fleetwire-apache-kafka
	@$(APACHE_KAFKA) exec --env FLEETWIRE_TEST_KAFKA -- $(dir $(APACHE_KAFKA))scale $(ARGS)

.PHONY: bench-commands
bench-commands: build ## Time of a command from the producer to the device, beside Kafka alone; DEVICES (10000)
	@.ci/setup test
	$(CARGO) build $(PROFILE) -p fleetwire-benches -p fleetwire-apache-kafka
	@$(APACHE_KAFKA) exec --env FLEETWIRE_TEST_KAFKA -- $(dir $(APACHE_KAFKA))commands latency --devices $(or $(DEVICES),10000) $(ARGS)

.PHONY: clean
clean: ## Remove everything that was built
	$(CARGO) clean
	rm -rf .build
