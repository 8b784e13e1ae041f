# SPDX-License-Identifier: Apache-2.0
# Every verb sets up the machine by itself: what is missing is installed from Debian's packages.
.PHONY: all build run test check asan tsan fuzz lint quality bench interop install clean help
BUILD ?= build
MESON_ARGS ?=
TARGETS ?=

all: build ## build everything into build/

build:
	@tools/deps.sh build
	@[ -f $(BUILD)/build.ninja ] || meson setup $(BUILD) $(MESON_ARGS) >/dev/null || meson setup $(BUILD) $(MESON_ARGS)
	@ninja -C $(BUILD) --quiet $(TARGETS)

run: ## build what it takes, then start one node with the tour: gateway and board on loopback
	@$(MAKE) --no-print-directory build TARGETS=tour
	@exec $(BUILD)/cmd/sennit/sennit up --tour

check: build ## quick: lint, unit, simulation and fuzz-smoke tests of the plain build
	@tools/run-tests.py --suite lint --suite unit --suite sim --suite models --suite fuzz $(BUILD)

SAN_ARGS = -Db_lundef=false
test: ## everything CI runs: plain, ASan+UBSan and TSan builds, fuzz smoke, end to end
	@tools/deps.sh test
	@[ ! -f $(BUILD)/build.ninja ] || [ -f $(BUILD)/bpf/takeover.bpf.o ] || meson setup --reconfigure $(BUILD) >/dev/null
	@$(MAKE) --no-print-directory build
	@$(MAKE) --no-print-directory build BUILD=build-asan MESON_ARGS="-Db_sanitize=address,undefined $(SAN_ARGS)"
	@$(MAKE) --no-print-directory build BUILD=build-tsan MESON_ARGS="-Db_sanitize=thread $(SAN_ARGS)"
	@tools/run-tests.py $(BUILD)::lint,unit,sim,models,fuzz,e2e build-asan:asan:unit,sim build-tsan:tsan:unit

asan: ## the whole unit suite under AddressSanitizer and UBSan
	@$(MAKE) --no-print-directory build BUILD=build-asan MESON_ARGS="-Db_sanitize=address,undefined $(SAN_ARGS)"
	@tools/run-tests.py --suite unit --suite sim build-asan:asan

tsan: ## the whole unit suite under ThreadSanitizer
	@$(MAKE) --no-print-directory build BUILD=build-tsan MESON_ARGS="-Db_sanitize=thread $(SAN_ARGS)"
	@tools/run-tests.py --suite unit build-tsan:tsan

FUZZ_SECONDS ?= 60
fuzz: ## each fuzz target under libFuzzer for FUZZ_SECONDS (needs clang; installed if missing)
	@tools/deps.sh build fuzz
	@[ -f build-fuzz/build.ninja ] || CC=clang meson setup build-fuzz -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false
	@ninja -C build-fuzz --quiet
	@tests/fuzz/run.sh build-fuzz $(FUZZ_SECONDS)

lint: build ## layering, banned calls, formatting
	@tools/run-tests.py --suite lint $(BUILD)

quality: ## numbers to read: function sizes, layering, asserts, test ratio, documented functions
	@python3 tools/lint/quality.py

bench: build ## every claim's script, into bench/RESULTS.md (long)
	@tools/deps.sh bench
	@bench/all.sh

ONLY ?=
interop: ## the matrices against real peers (long); ONLY="chain_net kv_interop": these scripts
	@tools/deps.sh build test bench interop containers
	@[ ! -f $(BUILD)/build.ninja ] || [ -f $(BUILD)/chains/zk/runtime.wasm ] || meson setup --reconfigure $(BUILD) >/dev/null
	@$(MAKE) --no-print-directory build
	@tools/run-tests.py --suite interop --table $(ONLY:%=--only %) $(BUILD)

install: build ## program, manual pages, completions, the tour; DESTDIR and meson's prefix count
	@meson install -C $(BUILD)

clean: ## remove every build folder
	@rm -rf build build-asan build-tsan build-fuzz

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18
