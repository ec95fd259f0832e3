# Most targets need only Go and a fresh clone. The exceptions: race and drivers need a C compiler,
# examples needs PostgreSQL, and interop needs Node.js 20 or later with npm and Python 3.10 or later
# with venv. Tests on PostgreSQL need its programs on the machine. Without them these tests are
# skipped, or fail if BUDDYCHAT_REQUIRE_POSTGRES is 1.

GO ?= go
LINTER = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
export PATH := $(PATH):$(shell $(GO) env GOPATH)/bin

.PHONY: all build fmt vet test race prose lint vuln bench fuzz torture drivers examples interop run ci

all: fmt vet lint test

build:
	$(GO) build ./...

fmt: # fails if a file is not formatted
	@unformatted=$$(gofmt -l .) && test -z "$$unformatted" || { echo "run gofmt -w on:" $$unformatted; exit 1; }

vet:
	$(GO) vet ./...

test: # on a busy machine a package may exceed the default timeout of go test
	$(GO) test -timeout 20m ./...

race: # without the long histories of the property tests, which make test runs
	$(GO) test -race -short -timeout 20m ./...

prose: # checks the width of comments and Markdown, and phrases that are hard to read
	$(GO) run ./internal/prose

lint:
	@command -v golangci-lint >/dev/null || $(GO) install $(LINTER)
	golangci-lint run ./...

vuln:
	@.ci/vuln

bench:
	$(GO) test -run '^$$' -bench . -benchmem ./...

fuzz:
	@.ci/fuzz

torture: # about twenty minutes of random histories and faults, on real databases and processes
	BUDDYCHAT_TORTURE=1 $(GO) test -p 1 -timeout 90m ./internal/torture/... ./internal/faults/...

drivers: # tests other SQLite drivers, on which only this nested module depends
	cd internal/sqlitedrivers && $(GO) vet ./... && $(GO) test ./...

examples: # the other examples run until they are stopped; their tests start them
	$(GO) run ./examples/transaction
	echo stressed | $(GO) run ./examples/bot
	$(GO) run ./examples/cluster -duration 10s -clients 24 -rate 100 -kill-every 2s

interop:
	@.ci/interop/run

run:
	$(GO) run ./examples/server

ci:
	.ci/run
