"""Put measured numbers into README.md and the model card.

They go between their `<!-- NAME -->` and `<!-- end -->` marks.

    python -m experiments.embedded_models.card

NAME is a file of results/ (`default.md`), `curves` (the last row of each learning curve) or `files`
(size and hash of what ships). Nothing between the marks is written by hand.
"""

import csv
import hashlib
from pathlib import Path

from experiments.texts import fill

HERE = Path(__file__).parent
MODELS = HERE.parents[1] / "speechclean" / "assets" / "models"
TEXTS = (HERE / "README.md", MODELS / "MODEL_CARD.md")


def curves() -> str:
    """Markdown: how each training ended, by its learning curve."""
    lines = [
        "| training | minutes | steps | hours heard | on held-out voices and tracks |",
        "|---|---|---|---|---|",
    ]
    for path in sorted((HERE / "results").glob("curve_*.csv")):
        with path.open(newline="") as file:
            last = list(csv.DictReader(file))[-1]
        if "mask_db" in last:
            score = (
                f"{float(last['mask_db']):+.2f} dB by mask, {float(last['wave_db']):+.2f} dB "
                "by plain estimate"
            )
        else:
            score = (
                f"SI-SDR {float(last['before_db']):.2f} dB before, "
                f"{float(last['after_db']):.2f} dB after"
            )
        name = path.stem.removeprefix("curve_")
        told = [
            f"{float(last['minutes']):.0f}",
            f"{float(last['step']):.0f}",
            f"{float(last['hours_heard']):.1f}",
            score,
        ]
        lines.append(f"| {name} | " + " | ".join(told) + " |")
    return "\n".join(lines)


def files() -> str:
    """Markdown: what ships."""
    lines = ["| file | MB | sha256 |", "|---|---|---|"]
    for path in sorted(MODELS.glob("*.th")):
        lines.append(
            f"| {path.name} | {path.stat().st_size / 1e6:.2f} | "
            f"`{hashlib.sha256(path.read_bytes()).hexdigest()}` |"
        )
    return "\n".join(lines)


def main() -> None:
    contents = {path.name: path.read_text() for path in (HERE / "results").glob("*.md")}
    contents |= {"curves": curves(), "files": files()}
    for path in TEXTS:
        fill(path, contents)
        print(f"{path.name} written")


if __name__ == "__main__":
    main()
