r"""Credit for each recording that the weights were trained on, from the data folders' lists.

    python -m experiments.embedded_models.attributions \
        --source ../shared/data/train ../shared/data/train2 \
        --out speechclean/assets/models/ATTRIBUTIONS.tsv

A row per repository, commit, licence and note, or per package of Debian, its version and licence;
`files` are the names under which the clips stand in the data folder.
"""

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

USED = ("speech/", "music/", "noise/")


def rows(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a table with tabs."""
    with path.open(newline="") as file:
        yield from csv.DictReader(file, delimiter="\t")


def sources(folder: Path) -> Iterator[tuple[tuple[str, str, str, str], str]]:
    """Each clip of a data folder that is used: (origin, version, licence, note) and its name.

    A folder whose `sources.tsv` lists clips holds files of public repositories; one whose
    `sources.tsv` lists packages has the clips of each in `manifest.tsv`.
    """
    listed = list(rows(folder / "sources.tsv"))
    if "package" not in listed[0]:
        for row in listed:
            told = (row["commit"], row["licence"], row["attribution_note"])
            yield (f"https://github.com/{row['repo']}", *told), row["file"]
        return
    versions = {row["package"]: row["version"] for row in listed}
    for row in rows(folder / "manifest.tsv"):
        origin = f"Debian package {row['package']}"
        note = f"authors: /usr/share/doc/{row['package']}/copyright of the package"
        yield (origin, versions[row["package"]], row["licence"], note), row["file"]


def grouped(folders: Sequence[Path]) -> list[dict[str, str]]:
    """Rows of the attribution table, in the folders' order and sorted by origin."""
    table = []
    for folder in folders:
        groups: dict[tuple[str, str, str, str], list[str]] = defaultdict(list)
        for key, name in sources(folder):
            if name.startswith(USED):
                groups[key].append(name)
        table += [
            {
                "repository": origin,
                "commit": version,
                "licence": licence,
                "attribution": note,
                "files": " ".join(sorted(files)),
            }
            for (origin, version, licence, note), files in sorted(groups.items())
        ]
    return table


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--source",
        type=Path,
        nargs="+",
        default=[Path("../shared/data/train"), Path("../shared/data/train2")],
        help="folders with sources.tsv",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("speechclean/assets/models/ATTRIBUTIONS.tsv")
    )
    args = parser.parse_args(argv)
    table = grouped(args.source)
    with args.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    print(f"{sum(len(row['files'].split()) for row in table)} clips from {len(table)} sources")


if __name__ == "__main__":
    main()
