# Truelike. `make demo` and `make test` need Python 3.11 or newer and a package index, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DURATION ?=
PEOPLE ?=
BOTS ?=
RATE ?= 1000
SEEDS ?= 1
LIKES ?= 500000

.PHONY: help install demo test kafka-fetch kafka kafka-stop kafka-clean test-kafka test-faults test-faults-short check format lint types bench bench-short flink-fetch bench-flink lock clean test-compose test-croissant

help: ## What there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(STAMP): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Truelike needs Python 3.11 or newer; set PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements-dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/truelike compile
	@touch $(STAMP)

install: $(STAMP) ## Create the environment

demo: $(STAMP) ## Everything on this machine, with a live view; DURATION=60 stops by itself, RATE=1000 likes/s, PEOPLE=20000, BOTS=0.1
	$(BIN)/truelike demo --rate $(RATE) $(if $(DURATION),--duration $(DURATION)) $(if $(PEOPLE),--people $(PEOPLE)) $(if $(BOTS),--bots $(BOTS))

test: $(STAMP) ## All tests, against the embedded broker and Valkey
	$(BIN)/python -m pytest tests/unit --numprocesses auto --dist loadfile --cov --cov-report=
	$(BIN)/python -m pytest tests/integration --cov --cov-append --cov-report=term:skip-covered

KAFKA_JARS := .truelike/kafka/jars
BROKERS ?= 1

kafka-fetch: $(KAFKA_JARS)/.fetched ## Apache Kafka into .truelike/kafka, through Maven (needs Java 17)

$(KAFKA_JARS)/.fetched: tests/kafka/pom.xml
	@command -v mvn >/dev/null && command -v java >/dev/null || { echo "Apache Kafka needs java (17 or newer) and mvn"; exit 1; }
	mvn --quiet --batch-mode --file tests/kafka/pom.xml dependency:copy-dependencies -DincludeScope=runtime \
	  -DoutputDirectory=$(CURDIR)/$(KAFKA_JARS)
	@touch $@

kafka: $(STAMP) kafka-fetch ## Start Apache Kafka on loopback; BROKERS=3 starts three. kafka-stop, kafka-clean end it
	$(BIN)/python -m tests.kafka.server start --brokers $(BROKERS)

kafka-stop: $(STAMP)
	$(BIN)/python -m tests.kafka.server stop

kafka-clean: $(STAMP)
	$(BIN)/python -m tests.kafka.server clean

test-kafka: $(STAMP) kafka-fetch ## The integration tests on Apache Kafka
	TRUELIKE_TEST_BROKER=kafka $(BIN)/python -m pytest tests/integration tests/kafka

test-faults: $(STAMP) kafka-fetch ## The fault suite on Apache Kafka; SEEDS=3 LIKES=500000 for the table in docs/reliability.md
	$(BIN)/python -m tests.faults --seeds $(SEEDS) --likes $(LIKES)

test-faults-short: $(STAMP) kafka-fetch ## Fewer faults, fewer likes
	$(BIN)/python -m tests.faults --short

check: $(STAMP) ## Format, lint, types, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(MAKE) test

format: $(STAMP) ## Format and sort imports
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

bench-short: $(STAMP) ## Its ratios from fewer likes, within two minutes; nothing is written
	$(BIN)/python -m tests.bench.run --short

bench: $(STAMP) ## The benchmark table: docs/benchmarks.md; PART=detector for that part alone, LIKES=5000000 for the memory rows' full length
	$(BIN)/python -m tests.bench.run $(PART)

FLINK := .truelike/flink

flink-fetch: $(FLINK)/.fetched ## Apache Flink into .truelike/flink, through Maven (needs Java 17)

$(FLINK)/.fetched: tests/bench/flink/pom.xml tests/bench/flink/Likes.java
	@command -v mvn >/dev/null && command -v javac >/dev/null || { echo "Apache Flink needs a JDK (17 or newer) and mvn"; exit 1; }
	mvn --quiet --batch-mode --file tests/bench/flink/pom.xml dependency:copy-dependencies -DincludeScope=runtime \
	  -DoutputDirectory=$(CURDIR)/$(FLINK)/jars
	javac -cp '$(FLINK)/jars/*' -d $(FLINK)/classes tests/bench/flink/Likes.java
	@touch $@

bench-flink: $(STAMP) kafka-fetch flink-fetch ## Apache Flink's SQL beside ingest and detector, on Apache Kafka: one section of docs/benchmarks.md
	$(BIN)/python -m tests.bench.run flink

test-compose: $(STAMP) ## docker-compose.yml from build to end: likes, kills, a restart, every like accounted for (needs Docker)
	$(BIN)/python -m tests.compose

CROISSANT := .truelike/croissant

$(CROISSANT)/.installed: tests/croissant/requirements.txt
	$(PYTHON) -m venv $(CROISSANT)
	$(CROISSANT)/bin/python -m pip install --quiet --no-deps --require-hashes --requirement $<
	@touch $@

test-croissant: $(STAMP) $(CROISSANT)/.installed ## MLCommons' own library reads the training feed by its description
	rm -rf $(CROISSANT)/export
	$(BIN)/python -m tests.croissant.make $(CROISSANT)/export
	$(CROISSANT)/bin/python tests/croissant/read.py $(CROISSANT)/export

LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --python-version 3.11

lock: $(STAMP) ## Resolve anew (versions and hashes, no addresses): requirements-dev.txt with all extras but rivals, requirements.txt for what runs
	$(BIN)/python -m pip install --quiet uv
	echo setuptools | $(LOCK) --extra embedded --extra evaluate --extra dev pyproject.toml - --output-file requirements-dev.txt --upgrade
	echo setuptools | $(LOCK) --constraint requirements-dev.txt pyproject.toml - --output-file requirements.txt
	echo 'mlcroissant[parquet]>=1.1' | $(LOCK) - --output-file tests/croissant/requirements.txt --upgrade

clean: ## Remove the environment and what runs left behind
	rm -rf $(VENV) .truelike .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
