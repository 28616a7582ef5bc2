# Functions that `.ci/run` and `.ci/nightly` share. Needs Debian, root, Rust, a C compiler and access to crates.io.
source "$(dirname "${BASH_SOURCE[0]}")/tools.sh"
# Incremental compilation takes 10 GB and saves nothing here.
export CARGO_INCREMENTAL=0

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
[ -e /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf ] || missing+=(fonts-dejavu-core)
# For the tests of completions and man pages.
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

# Checks that Lighthouse rates accessibility and best practices of every page with 100, at widths of 1440 and 390 px.
lighthouse() {
    local folder=target/lighthouse chromium pids=() tutorial secure cookie
    chromium=$(command -v chromium-headless-shell)
    rm -rf "$folder"
    mkdir -p "$folder"
    cp tests/lighthouse/* "$folder"
    (cd "$folder" && npm install --silent --no-audit --no-fund --no-package-lock --ignore-scripts)
    target/debug/gatepass --bind 127.0.0.1:0 2> "$folder/tutorial.log" &
    pids+=($!)
    (cd "$folder" && ../debug/gatepass users add johndoe --password-stdin <<< 'glacier violin marmalade')
    (cd "$folder" && exec ../debug/gatepass --profile secure --bind 127.0.0.1:0 2> secure.log) &
    pids+=($!)
    trap "kill ${pids[*]}" EXIT
    tutorial=$(address_in "$folder/tutorial.log")
    secure=$(address_in "$folder/secure.log")
    cookie=$(curl --silent --fail --output /dev/null --cookie-jar - -H "Origin: $secure" \
        -d username=johndoe --data-urlencode 'password=glacier violin marmalade' "$secure/login" | awk '/session/ { print $6 "=" $7 }')
    node "$folder/run.mjs" "$chromium" "$tutorial/" "$tutorial/docs" "$tutorial/redoc" "$secure/login" "$secure/docs" \
        "$secure/redoc" "$secure/account=$cookie"
    trap - EXIT
    kill "${pids[@]}"
}

# Waits until the log of a service contains its URL, and prints the URL.
address_in() {
    timeout 60 bash -c "until grep -qs 'listening on' $1; do sleep 0.1; done"
    sed -n 's/.*listening on \(http:[^,]*\),.*/\1/p' "$1"
}
