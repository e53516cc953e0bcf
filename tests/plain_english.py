"""Report phrases that read as translated, in the sources and pages of the project; `make check` runs it.

A short list with reasons, each from a sentence that once stopped a reader; it is not a style checker. A line that must
keep such a phrase, because it quotes it, ends with the comment ``plain-english: quoted``.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SUFFIXES = (".py", ".md", ".html", ".yaml", ".template", ".toml")
QUOTED = "plain-english: quoted"

PATTERNS = {
    r"(?<!here )\b(?:is|are|was|were) no (?!(?:longer|more than|less than|better|worse)\b)[a-z]+": (
        "write 'is not a …'"
    ),
    r"\b(?:cannot|can|could) be had\b|\b(?:is|was|be) had\b": "write 'is available', 'has', 'cannot be combined'",
    r"\banew\b": "write 'again'",
    r"\bsittings?\b": "write 'session'",
    r"\bof one's own\b": "write 'your own' or 'its own'",
    r"\bas far there as back\b": "write 'symmetric'",
    r"\bno detour\b": "write 'triangle inequality'",
    r"\bshortest ways?\b": "write 'shortest path'",
    r"\bmodules? of torch\b(?!\.)": "write 'PyTorch module'",
    r"\bto turn around\b": "write 'interactive 3-D view'",
    r"\b[Tt]o do it again\b": "write 'reproduce'",
    r"\b(?:[Ww]hoever|[Ss]omebody|[Nn]obody)\b": "name the user, the process or the program",
    r"\b(?:MOST|LEAST|FEWEST|LONGEST)_[A-Z]": "write MAX_… or MIN_…, with the unit",
    r'^\s*[rf]?"""(?:What|That|How far|Of) [^"]*$|^\s*[rf]?"""(?:What|That|How far) [^"?]*"""': (
        "a docstring's first line must make sense without the name above it"
    ),
    r"\bsaid\b(?! to\b)": "name what it is: message, line, reason",
    r"\bas it were\b|\bso to say\b|\bby way of (?!example\b|the\b|unit\b)[a-z]": "say it directly",
}


def phrases(text: str) -> list[tuple[int, str, str]]:
    """Return line number, phrase and advice of every pattern found in a text.

    >>> phrases("x is no file\\nand is no longer there")
    [(1, 'is no file', "write 'is not a …'")]
    """
    return [
        (number, match[0].strip(), advice)
        for number, line in enumerate(text.splitlines(), start=1)
        if QUOTED not in line
        for pattern, advice in PATTERNS.items()
        for match in re.finditer(pattern, line)
    ]


def main() -> int:
    """Print every phrase found in a tracked file; return how many there are, at most 1."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = [ROOT / name for name in tracked.split("\0") if name.endswith(SUFFIXES)]
    found = 0
    for path in paths:
        if path.is_symlink() or not path.is_file() or path == Path(__file__):
            continue
        for number, phrase, advice in phrases(path.read_text(encoding="utf-8")):
            print(f"{path.relative_to(ROOT)}:{number}: '{phrase}': {advice}")
            found += 1
    if found:
        print(f"{found} phrases; CONTRIBUTING.md says how we write")
    return min(found, 1)


if __name__ == "__main__":
    sys.exit(main())
