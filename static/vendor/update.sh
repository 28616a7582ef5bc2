#!/usr/bin/env bash
# Downloads ReDoc from npm, removes the logo that it loads from another origin, and compresses the file with zopfli, whose gzip files are
# 5 % smaller than those of gzip -9.
set -euo pipefail
cd "$(dirname "$0")"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

archive=$(cd "$folder" && npm pack --silent redoc@2.5.4)
tar -xzf "$folder/$archive" -C "$folder"
bundle=$folder/package/bundles/redoc.standalone.js
logo='"https://cdn.redoc.ly/redoc/logo-mini.svg"'
[ "$(grep -cF "$logo" "$bundle")" = 1 ]
sed "s|$logo|\"data:,\"|; /^\/\/# sourceMappingURL=/d" "$bundle" >redoc.standalone.js
cat "$folder/package/LICENSE" "$bundle.LICENSE.txt" >redoc.LICENSE.txt

zopfli redoc.standalone.js
rm redoc.standalone.js
