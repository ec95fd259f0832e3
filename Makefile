# Every target works from a fresh clone with Go alone, but for race and drivers (a C compiler), examples (PostgreSQL) and interop (Node.js 20 or
# later with npm, Python 3.10 or later with venv). Tests on PostgreSQL
# need its programs on the machine, and are skipped otherwise unless BUDDYCHAT_REQUIRE_POSTGRES is 1.

GO ?= go
LINTER = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
export PATH := $(PATH):$(shell $(GO) env GOPATH)/bin

.PHONY: all build fmt vet test race prose lint vuln bench fuzz torture drivers examples interop run ci

all: fmt vet lint test

build:
	$(GO) build ./...

fmt: # fails where a file is not formatted
	@unformatted=$$(gofmt -l .) && test -z "$$unformatted" || { echo "run gofmt -w on:" $$unformatted; exit 1; }

vet:
	$(GO) vet ./...

test: # a package may take longer than go test allows where the machine has other work
	$(GO) test -timeout 20m ./...

race: # the long histories of the property tests are left to make test
	$(GO) test -race -short -timeout 20m ./...

prose: # the width of comments and Markdown, and phrases that readers stumble over
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

torture: # twenty minutes of random histories, proofs and faults, on real databases and processes
	BUDDYCHAT_TORTURE=1 $(GO) test -p 1 -timeout 90m ./internal/torture/... ./internal/faults/...

drivers: # the store on other drivers of SQLite, which are dependencies of this nested module alone
	cd internal/sqlitedrivers && $(GO) vet ./... && $(GO) test ./...

examples: # the others serve until they are stopped, and their tests start them
	$(GO) run ./examples/transaction
	echo stressed | $(GO) run ./examples/bot
	$(GO) run ./examples/cluster -duration 10s -clients 24 -rate 100 -kill-every 2s

interop:
	@.ci/interop/run

run:
	$(GO) run ./examples/server

ci:
	.ci/run
