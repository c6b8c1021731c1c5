"""Put measured numbers into README.md and the model card, between their `<!-- NAME -->` and `<!-- end -->` marks.

    python -m experiments.embedded_models.card

NAME is a file of results/ (`default.md`), `curves` (the last row of each learning curve) or `files` (size and hash of what
ships). Nothing between the marks is written by hand.
"""

import csv
import hashlib
import re
from pathlib import Path

HERE = Path(__file__).parent
MODELS = HERE.parents[1] / "speechclean" / "assets" / "models"
TEXTS = (HERE / "README.md", MODELS / "MODEL_CARD.md")


def curves() -> str:
    """Markdown: how each training ended, by its learning curve."""
    lines = ["| training | minutes | steps | hours heard | on held-out voices and tracks |", "|---|---|---|---|---|"]
    for path in sorted((HERE / "results").glob("curve_*.csv")):
        with open(path, newline="") as file:
            last = list(csv.DictReader(file))[-1]
        if "mask_db" in last:
            score = f"{float(last['mask_db']):+.2f} dB by mask, {float(last['wave_db']):+.2f} dB by plain estimate"
        else:
            score = f"SI-SDR {float(last['before_db']):.2f} dB before, {float(last['after_db']):.2f} dB after"
        name = path.stem.removeprefix("curve_")
        told = [f"{float(last['minutes']):.0f}", f"{float(last['step']):.0f}", f"{float(last['hours_heard']):.1f}", score]
        lines.append(f"| {name} | " + " | ".join(told) + " |")
    return "\n".join(lines)


def files() -> str:
    """Markdown: what ships."""
    lines = ["| file | MB | sha256 |", "|---|---|---|"]
    for path in sorted(MODELS.glob("*.th")):
        lines.append(f"| {path.name} | {path.stat().st_size / 1e6:.2f} | `{hashlib.sha256(path.read_bytes()).hexdigest()}` |")
    return "\n".join(lines)


def filled(text: str) -> str:
    """The text with every marked place written anew."""

    def content(match: re.Match[str]) -> str:
        name = match.group(1)
        made = {"curves": curves, "files": files}.get(name)
        body = made() if made else (HERE / "results" / name).read_text().strip()
        return f"<!-- {name} -->\n\n{body}\n\n<!-- end -->"

    return re.sub(r"<!-- (?!end)([\w.]+) -->.*?<!-- end -->", content, text, flags=re.DOTALL)


def main() -> None:
    for path in TEXTS:
        path.write_text(filled(path.read_text()))
        print(f"{path.name} written")


if __name__ == "__main__":
    main()
