"""Words that Whisper base loses and invents in a set: clean speech, mixtures, by band and language.

    python -m experiments.voices.hear SET/set.csv [--record]

Substitutions and deletions are words lost, insertions are words invented. `--record` writes the
table into this study's README and results/.
"""

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

from experiments.texts import record
from experiments.voices.transcribed_set import BANDS
from speechclean.audio.sound_files import load
from speechclean.system import parallel

COLUMNS = ("reference", "path")


def heard(table: Path) -> list[dict[str, str | int]]:
    """What each row comes to: its band, language, words, and what is lost and invented of them in
    both columns.
    """
    from speechclean.stages.metrics.alignment import align, normalise
    from speechclean.stages.metrics.recogniser import Recogniser

    recogniser = Recogniser("base", "auto", 1, None)
    recogniser.load()

    def listen(row: dict[str, str]) -> dict[str, str | int]:
        wanted = normalise(row["transcript"], row["language"])
        low, high = next(band for band in BANDS if float(row["snr_db"]) < band[1])
        found: dict[str, str | int] = {
            "alias": row["alias"],
            "band": f"{low:.0f} to {high:.0f} dB",
            "language": row["language"],
        }
        for column in COLUMNS:
            text = recogniser.hear(load(table.parent / row[column]), row["language"])
            result = align(wanted, normalise(text, row["language"]))
            found |= {"words": result.words, f"{column}_lost": result.lost}
            found[f"{column}_invented"] = result.insertions
        return found

    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [found for _, found in parallel.ordered(listen, rows)]


def summary(rows: Sequence[dict[str, str | int]]) -> str:
    """A table in Markdown: a line for each band, each language, and all."""
    lines = ["| | words | lost, clean | invented, clean | lost, mixture | invented, mixture |"]
    lines.append("|---|---|---|---|---|---|")
    groups = {"all": list(rows)}
    for key in ("band", "language"):
        for value in dict.fromkeys(str(row[key]) for row in rows):
            groups[value] = [row for row in rows if row[key] == value]
    sums = ["words", *(f"{column}_{kind}" for column in COLUMNS for kind in ("lost", "invented"))]
    for name, group in groups.items():
        cells = [str(sum(int(row[one]) for row in group)) for one in sums]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", type=Path)
    parser.add_argument("--record", action="store_true")
    args = parser.parse_args(argv)
    rows = heard(args.table)
    print(summary(rows))
    if args.record:
        record(Path(__file__).parent, "words", rows, summary(rows))


if __name__ == "__main__":
    main()
