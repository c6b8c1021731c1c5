r"""Credit for each recording that the weights were trained on, from the data folder's
`sources.tsv`.

    python -m experiments.embedded_models.attributions \
        --out speechclean/assets/models/ATTRIBUTIONS.tsv

A row per repository, commit, licence and note; `files` are the names under which the clips stand in
the data folder.
"""

import argparse
import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

USED = ("speech/", "music/", "noise/")


def grouped(sources: Path) -> list[dict[str, str]]:
    """Rows of the attribution table, sorted by repository."""
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    with sources.open(newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row["file"].startswith(USED):
                key = tuple(row[name] for name in ("repo", "commit", "licence", "attribution_note"))
                groups[key].append(row["file"])
    return [
        {
            "repository": f"https://github.com/{repo}",
            "commit": commit,
            "licence": licence,
            "attribution": note,
            "files": " ".join(sorted(files)),
        }
        for (repo, commit, licence, note), files in sorted(groups.items())
    ]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--source", type=Path, default=Path("../shared/data/train"), help="folder with sources.tsv"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("speechclean/assets/models/ATTRIBUTIONS.tsv")
    )
    args = parser.parse_args(argv)
    rows = grouped(args.source / "sources.tsv")
    with args.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{sum(len(row['files'].split()) for row in rows)} clips from {len(rows)} sources")


if __name__ == "__main__":
    main()
