# Targets are described by what stands behind ##.
SHELL := /bin/bash

.DEFAULT_GOAL := usage
.PHONY: usage test race bench check soak

usage: ## this list
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16
	@echo "Steps of check, also one by one: .ci/run STEP...; see .ci/run."

test: ## all tests of the module
	go test ./...

race: ## the same with the race detector
	go test -race ./...

bench: ## the benchmarks of all packages
	go test -run '^$$' -bench . ./...

check: ## everything that must hold before a change is merged
	.ci/run

soak: ## long work: see .ci/soak; log in soak-out/
	mkdir -p soak-out
	set -o pipefail; .ci/soak 2>&1 | tee soak-out/soak.log
