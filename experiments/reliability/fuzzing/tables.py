"""Tables of inputs and ledgers of batches."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

from speechclean.experiment.batch.ledger import Ledger
from speechclean.experiment.batch.task import Entry, Input
from speechclean.records.file_result import FileResult, Status
from speechclean.records.kept_files import is_file_name
from speechclean.records.run_folder import LEDGER
from speechclean.stages.datasets import DatasetError
from speechclean.stages.datasets.manifest import COLUMNS, Manifest

from .mutations import CRAFTED, mutated
from .target import BrokenPromiseError, Target, require_named

#: Files that stand beside every manifest.
FILES = ("a.wav", "b c.wav", "ü.wav")


def manifests() -> list[bytes]:
    """Good tables: by commas and by tabs, with all columns and with one."""
    rows = [
        [name, "a.wav", 'said, "so"', f"alias {number}", "", "en"]
        for number, name in enumerate(FILES)
    ]
    made = []
    for delimiter in ",\t":
        text = io.StringIO()
        writer = csv.writer(text, delimiter=delimiter)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
        made.append(text.getvalue().encode())
    return [*made, "\n".join(("path", *FILES)).encode(), made[0].decode().encode("utf-8-sig")]


def check_manifest(content: bytes, folder: Path) -> None:
    """Tracks under names of their own that lead nowhere else, or a refusal."""
    for name in FILES:
        (folder / name).touch()
    table = folder / "table.csv"
    table.write_bytes(content)
    try:
        tracks = Manifest(str(table)).tracks()
    except DatasetError as error:
        require_named(error, table)
        return
    if not tracks or len({track.alias.casefold() for track in tracks}) < len(tracks):
        raise BrokenPromiseError(f"aliases {[track.alias for track in tracks]}")
    if wrong := [track.alias for track in tracks if not is_file_name(track.alias)]:
        raise BrokenPromiseError(f"aliases that are no names of files: {wrong}")


def entries() -> list[Entry]:
    """What a batch says of a cleaned file and of a bad one."""
    good = FileResult("a", "/in/a.wav", Status.CLEANED, seconds=1.0, output="cleaned/a.wav")
    bad = FileResult.failure("b", "/in/b.wav", "/in/b.wav: truncated", "cleaned/b.wav")
    source = Input("0" * 64, 4, 5)
    return [Entry(result, "s", "w", source, "1" * 64, 4) for result in (good, bad)]


def check_ledger(content: bytes, folder: Path) -> None:
    """Whatever is in it, it opens; and what is added then, the next one reads."""
    (folder / LEDGER).write_bytes(content)
    added = entries()[0]
    added = replace(added, result=replace(added.result, alias="added"))
    with Ledger(folder) as ledger:
        found = dict(ledger.entries)
        ledger.append([added])
    with Ledger(folder) as ledger:
        if ledger.entries != {**found, "added": Entry.from_json(added.to_json())}:
            raise BrokenPromiseError(f"{found} became {ledger.entries}")


TARGETS = (
    Target("manifests", "tables of inputs", mutated(manifests(), CRAFTED), check_manifest),
    Target(
        "ledgers",
        "ledgers of batches",
        mutated(
            ["".join(entry.to_json() + "\n" for entry in entries()).encode()],
            (*CRAFTED, b"[]", b'{"alias": 5}', b"\n" + entries()[1].to_json().encode()),
        ),
        check_ledger,
    ),
)
