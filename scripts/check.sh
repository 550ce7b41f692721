#!/usr/bin/env bash
# Everything a change must pass; the continuous integration runs just this.
#
# Usage: scripts/check.sh [--quick]     --quick leaves out the release build
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; }

step "format"
cargo fmt --all --check

step "clippy"
cargo clippy --workspace --all-targets --locked -- -D warnings

step "clippy without default features"
cargo clippy --workspace --no-default-features --locked -- -D warnings

step "fuzz targets"
for fuzz in crates/*/fuzz; do
    # They build with an instrumented toolchain; here it is enough that they are valid.
    CARGO_TARGET_DIR=target/fuzz cargo check --quiet --manifest-path "$fuzz/Cargo.toml"
done

step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet

step "examples"
for example in score best_of custom_reward custom_generator; do
    cargo run --quiet --locked --example "$example"
done

if [ "${1:-}" != "--quick" ]; then
    step "the README's first command"
    out=$(mktemp -d)
    cargo run --release --locked -- generate "a red fox in the snow" --best-of 8 --out "$out/fox"
    test -s "$out/fox/best.png" && test -s "$out/fox/08.png"
    rm -r "$out"
fi

step "the README's second command"
cargo test --workspace --locked
