"""Finds phrases in comments, documentation and messages that read as if translated.

Prints every occurrence, and fails if there are more than 5 in a thousand lines of prose. The limit is not zero, because
an occurrence may be correct, such as "where" in SQL.
"""

import pathlib
import re
import subprocess
import sys

LIMIT = 5
PATTERNS = [
    r"\banswer(s|ed|ing)?\b",
    r"\b[Ww]here (there|it|one|they|nobody|somebody|something|that|this|he|she|a|an|the) ",
    r"(?<![a-z] )\b([Ww]ho|[Ww]hoever|[Ww]hose|[Ww]hom)(?= (has|have|is|are|fails?|gives?|takes?|asks?|comes?|knows?"
    r"|loses?|signs?|wants?|makes?|reads?|writes?|opens?|counts?|gets?|waits?|needs?|calls?)\b)",
    r"\b(is|are|was|were) (no|none)\b(?! (longer|more than|less than))",
    r"\bcounts? no more\b|\bmakes? it count\b|\bdoes not count\b|\bno more\b(?! than)",
    r"\b(lives?|dies?|die|killed|kills|alive|living) ?(token|session|tokens|sessions|no more)?\b"
    r"(?= (with|before|everywhere|when|token|session))|\b(tokens?|sessions?) (that )?(lives?|dies?|die)\b",
    r"\bprov(e|es|ed) (it|them|right|itself|themselves)\w*\b",
    r"\b(tells|told|says so)\b",
    r"\b(anew|beside|meanwhile|at the most|held against|hold against|is held to)\b",
    r"\b(is|are) to be (had|told|asked|taken|kept|found|heard)\b|\bto be had\b",
    r"^\s*//[/!] (What|Whether|Where|Who|Whose|How|Of|Whom) ",
    r"\b(lender|lent|lend|purse|errands?|ledger|crowd|rooms?|the house|front door|gate that|walks?|patience|tidy)\b",
]
KINDS = {".rs", ".md", ".html", ".js", ".css", ".toml", ".yml", ".yaml", ".sql", ".py", ".sh"}


def prose(path: pathlib.Path, line: str) -> str:
    """Returns the part of a line that people read: all of a page, otherwise comments and strings."""
    if path.suffix in {".md", ".html"}:
        return line
    if path.suffix == ".rs":
        comment = re.search(r"//.*", line)
        strings = re.findall(r'"((?:[^"\\]|\\.)*)"', line)
        return " ".join([comment.group() if comment else "", *strings])
    comment = re.search(r"(#|//|--|/\*).*", line)
    return comment.group() if comment else ""


def main() -> None:
    names = subprocess.run(["git", "ls-files"], check=True, capture_output=True, text=True).stdout.splitlines()
    hits = total = 0
    for path in map(pathlib.Path, names):
        if path.suffix not in KINDS or "corpus" in path.parts or path.name == "prose.py":
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            text = prose(path, line)
            total += bool(text.strip())
            for pattern in PATTERNS:
                if re.search(pattern, line if pattern.startswith(r"^\s") else text):
                    hits += 1
                    print(f"{path}:{number}: {line.strip()[:140]}")
    rate = 1000 * hits / max(total, 1)
    print(f"{hits} occurrences in {total} lines of prose: {rate:.1f} in a thousand lines, at most {LIMIT} are allowed")
    sys.exit(rate > LIMIT)


main()
