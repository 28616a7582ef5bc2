# What all scripts share: tools that are built once, in the target folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PWD/target/tools/bin:$PATH"
tool() { command -v "$1" > /dev/null || cargo install --quiet --locked --root target/tools "$1@$2"; }

step() { printf '\n=== %s\n' "$*"; "$@"; }
