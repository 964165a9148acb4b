# The only entry points. Each sets up what it needs.

target := $(or $(CARGO_TARGET_DIR),target)

.PHONY: run test lint unit end2end bench faults dev

# The portal with its practice tenant on http://127.0.0.1:3000, data in ./data.
run:
	@.ci/install run
	cargo build --release --bin signpost
	$(target)/release/signpost serve --practice

# Everything CI runs.
test:
	@.ci/install test
	$(MAKE) lint unit end2end

# Form: no difference to rustfmt, no warning of clippy.
lint:
	cargo fmt --check
	cargo clippy --workspace --all-targets -- -D warnings

# Unit, property and integration tests, on SQLite and PostgreSQL.
unit:
	cargo test --workspace

# Browser stories against the real server and the practice tenant.
end2end:
	cargo build --bin signpost
	cd end2end && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	cd end2end && SIGNPOST_BIN=$(abspath $(target))/debug/signpost npx playwright test

# Speed and memory of the release binary, against the bars: prints and writes BENCHMARKS.md.
# PARTS="sync portal" measures some parts again.
bench:
	@.ci/install run
	cargo bench -p signpost-server --bench whole -- $(PARTS)

# What goes wrong, many times: prints and writes the table of faults in BENCHMARKS.md. All of it
# takes hours; SHARE=0.01 is a hundredth.
SHARE ?= 1
faults:
	@.ci/install test
	cargo build --bin signpost
	cargo bench --profile dev -p signpost-sync --bench faults -- $(SHARE) > $(target)/faults.md
	cargo bench --profile dev -p signpost-server --bench faults -- $(SHARE) $(abspath $(target))/faults.md

# As run, with the quick build: for working on the code.
dev:
	@.ci/install run
	cargo run --bin signpost -- serve --practice
