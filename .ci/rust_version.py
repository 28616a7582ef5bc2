"""Compares the documented minimum Rust versions with those of the dependencies.

The version in Cargo.toml must suffice for the dependencies of the library without `sql`. The version that src/lib.rs
documents for `sql` and `service` must suffice for all dependencies. Clippy checks our own code against Cargo.toml.
"""

import json
import pathlib
import re
import subprocess
import sys

WITHOUT_SQL = ["--no-default-features", "--features", "docs,password-policy,remote-jwks"]


def required(arguments: list[str]) -> tuple[tuple[int, ...], str]:
    """Returns the highest `rust-version` of the dependencies, and the name of the package that requires it."""
    command = ["cargo", "metadata", "--locked", "--format-version", "1", *arguments]
    metadata = json.loads(subprocess.check_output(command))
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]
    seen, queue = {root}, [root]
    while queue:
        for dependency in nodes[queue.pop()]["deps"]:
            is_used = any(kind["kind"] != "dev" for kind in dependency["dep_kinds"])
            if is_used and dependency["pkg"] not in seen:
                seen.add(dependency["pkg"])
                queue.append(dependency["pkg"])
    versions = [(version(packages[id]["rust_version"] or "1.0"), packages[id]["name"]) for id in seen - {root}]
    return max(versions)


def version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))[:2]


def main() -> None:
    manifest = re.search(r'^rust-version = "(.*)"', pathlib.Path("Cargo.toml").read_text(), re.M).group(1)
    text = pathlib.Path("src/lib.rs").read_text()
    library, service = re.search(r"Rust (1\.\d+) or later. With `sql` or `service` it needs Rust (1\.\d+)", text).groups()
    failed = library != manifest
    for documented, arguments in [(library, WITHOUT_SQL), (service, ["--all-features"])]:
        minimum, package = required(arguments)
        print(f"{' '.join(arguments)}: Rust {documented} documented, {'.'.join(map(str, minimum))} needed by {package}")
        failed |= version(documented) < minimum
    pages = [pathlib.Path("README.md"), *pathlib.Path("docs").rglob("*.md")]
    for page in pages:
        for other in set(re.findall(r"Rust (1\.\d+)", page.read_text())) - {library, service}:
            print(f"{page}: Rust {other} is neither {library} nor {service}")
            failed = True
    sys.exit(failed)


main()
