#!/usr/bin/env bash
# Builds the Debian package and prints its path: `packaging/build.sh [PROFILE]`. The default profile is dist.
source "$(dirname "$0")/../.ci/tools.sh"
tool cargo-deb 3.8.0
profile=${1:-dist}

cargo build --quiet --locked --bin gatepass --profile "$profile"
directory=${CARGO_TARGET_DIR:-target}/${profile/#dev/debug}

# The program itself generates man pages and completions.
rm -rf target/packaging
mkdir -p target/packaging
install --strip "$directory/gatepass" target/packaging/gatepass
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) target/packaging/gatepass man --directory target/packaging/man
for shell in bash zsh fish; do
    target/packaging/gatepass completions "$shell" > "target/packaging/gatepass.$shell"
done

# --fast: lower compression, since the program of the profile dev is large.
options=()
[ "$profile" != dev ] || options+=(--fast)
# Without its output: cargo-deb prints the path too.
cargo deb --quiet --locked --no-build --no-strip "${options[@]}" --output target/packaging/gatepass.deb > /dev/null
echo target/packaging/gatepass.deb
