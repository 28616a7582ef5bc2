# Functions that all scripts share. Tools are built once, in the target directory.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PWD/target/tools/bin:$PATH"
# Installs a version of a tool, unless target/tools has it already. Other versions, such as one in PATH, are not used.
tool() { cargo install --quiet --locked --root target/tools "$1@$2"; }

# In a container, root works on the checkout of another user, which git refuses without this setting.
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0="$PWD"

step() { printf '\n=== %s\n' "$*"; "$@"; }
