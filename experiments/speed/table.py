"""Put the tables of results/ into this study's README and into docs/speed.md.

python -m experiments.speed.table
"""

from __future__ import annotations

import json

from experiments.speed.compare import RESULTS
from experiments.texts import fill


def clips() -> str:
    """The 40 clips as a table."""
    found = json.loads((RESULTS / "clips.json").read_text())
    lines = [
        "| 40 clips of 3 to 6 s | a call per file | speechclean | ratio |",
        "|---|---:|---:|---:|",
    ]
    for name, told in (
        ("loaded", "models loaded, one process"),
        ("commands", "commands, Python's start included"),
    ):
        row = found[name]
        lines.append(
            f"| {told} | {row['theirs_s']:.0f} s | {row['ours_s']:.0f} s | ×{row['ratio']:.1f} |"
        )
    return "\n".join(lines)


def main() -> None:
    contents = {path.name: path.read_text() for path in RESULTS.glob("*.md")} | {"clips": clips()}
    for path in (RESULTS.parent / "README.md", RESULTS.parents[2] / "docs" / "speed.md"):
        fill(path, contents)
        print(f"{path} written")


if __name__ == "__main__":
    main()
