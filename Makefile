# make demo   a demonstration city at http://127.0.0.1:8080, from nothing
# make test   the whole suite, on a real PostgreSQL that it starts itself
CARGO ?= cargo
export PATH := $(PATH):$(HOME)/.cargo/bin

.PHONY: demo test check bench generate generated clean deps lint

deps:
	@scripts/install-deps

demo: deps
	$(CARGO) build --release -p credence-gateway
	@exec target/release/credence demo

# The program is built first: some tests run it, and kill it.
test: deps
	$(CARGO) build -p credence-gateway
	$(CARGO) test --workspace

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

# Generated files are what the sources say.
generated: deps
	scripts/generate
	git diff --exit-code -- crates/db/src/schema.rs docs/openapi.json

# Format, lints, generated files, then every test.
check: lint generated test

bench: deps
	$(CARGO) build --release -p credence-gateway -p credence-tests --bins
	target/release/credence-bench

generate: deps
	scripts/generate

clean:
	$(CARGO) clean
