"""Refuse a commit whose subject is longer than 72 characters, or is not followed by an empty line.

python tools/commit_subject.py .git/COMMIT_EDITMSG
"""

from __future__ import annotations

import sys
from pathlib import Path

_LONGEST = 72


def fault(message: str) -> str:
    """What is wrong with a commit's message, or nothing."""
    lines = [line for line in message.splitlines() if not line.startswith("#")]
    subject = lines[0] if lines else ""
    if not subject.strip():
        return "the commit has no subject; say in one line what it does"
    if len(subject) > _LONGEST:
        return f"the subject has {len(subject)} characters, {_LONGEST} at most; move the why into the body"
    if len(lines) > 1 and lines[1].strip():
        return "the second line must be empty; it parts the subject from the body"
    return ""


if __name__ == "__main__":
    sys.exit(fault(Path(sys.argv[1]).read_text(encoding="utf-8")) or 0)
