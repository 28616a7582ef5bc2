# Functions that `.ci/run` and `.ci/nightly` share. Needs Rust, a C compiler, Debian, crates.io and root.
source "$(dirname "${BASH_SOURCE[0]}")/tools.sh"

missing=()
command -v c++ > /dev/null || missing+=(g++)
command -v git > /dev/null || missing+=(git)
command -v chromium-headless-shell > /dev/null || missing+=(chromium-headless-shell)
command -v chromedriver > /dev/null || missing+=(chromium-driver)
compgen -G '/usr/lib/postgresql/*/bin/initdb' > /dev/null || missing+=(postgresql)
[ -x /usr/sbin/pgbouncer ] || missing+=(pgbouncer)
python3 -c 'import venv, ensurepip' 2> /dev/null || missing+=(python3-venv)
command -v slowhttptest > /dev/null || missing+=(slowhttptest)
[ -x /usr/sbin/nginx ] || command -v nginx > /dev/null || missing+=(nginx-light)
command -v caddy > /dev/null || missing+=(caddy)
command -v npm > /dev/null || missing+=(nodejs npm)
# The tests of completions and man pages.
command -v zsh > /dev/null || missing+=(zsh)
command -v fish > /dev/null || missing+=(fish)
command -v man > /dev/null || missing+=(man-db)
command -v mandoc > /dev/null || missing+=(mandoc)
command -v psql > /dev/null || missing+=(postgresql-client)
# Tests run the programs kill and pgrep; cargo-deb runs dpkg-shlibdeps.
type -P kill pgrep > /dev/null || missing+=(procps)
command -v dpkg-shlibdeps > /dev/null || missing+=(dpkg-dev)
for program in curl jq openssl sqlite3; do
    command -v "$program" > /dev/null || missing+=("$program")
done
install_packages() {
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
}
[ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"

# Builds the book in target/book; warnings are errors.
book() {
    local output
    output=$(mdbook build 2>&1) || { echo "$output"; return 1; }
    ! grep -E 'WARN|ERROR' <<< "$output"
}

# Runs every fuzz target for this many seconds. The properties are in fuzz/src. Gatepass has no unsafe code: the stable
# compiler without a sanitizer is enough.
fuzz() {
    tool cargo-fuzz 0.13.2
    step cargo fetch --locked --manifest-path fuzz/Cargo.toml
    local target targets
    targets=$(cargo fuzz list)
    for target in $targets; do
        mkdir -p "target/corpus/$target"
        # cargo-fuzz writes new inputs to the first directory.
        step cargo fuzz run --sanitizer none "$target" "target/corpus/$target" "fuzz/corpus/$target" -- \
            -max_total_time="$1" -timeout=10 -rss_limit_mb=1024 -verbosity=0 -print_final_stats=1
    done
}
