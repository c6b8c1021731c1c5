"""Drills on what surrounds a batch: its disk, its store, its clock, its memory, file names.

As in `process_drills`.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

from tests.support import batch_folder, servers
from tests.support.waiting import wait_for

from . import environment
from .site import LeftOut, Site, fresh, has_entries


def disk_full(site: Site) -> tuple[str, bool]:
    """The disk full in the middle, then room again."""
    inputs, expected = site.inputs(site.few)
    reference = site.reference(site.few)
    with environment.small_disk(site.folder / "disk", 2) as disk:
        out = disk / "out"
        text_file = out.with_suffix(".txt")
        text_file.symlink_to(site.folder / "disk_full.txt")
        first = site.run(out, inputs)
        before = len(batch_folder.ledger(out))
        subprocess.run(["mount", "-o", "remount,size=900m", str(disk)], check=True)
        second = site.run(out, inputs)
        found = batch_folder.check(out, inputs, expected, reference)
        said = "No space left" in (site.folder / "disk_full.txt").read_text()
    text = (
        f"stopped with status {first} after {before} files, said why: "
        f"{'yes' if said else 'no'}; then {found}"
    )
    return text, found.whole and first == 4 and second == 1 and said and before < len(expected)


def read_only(site: Site) -> tuple[str, bool]:
    """The output folder made read-only in the middle, then writable."""
    inputs, expected = site.inputs(site.few)
    reference, out = site.reference(site.few), fresh(site.folder / "read_only")
    process = site.start(out, inputs)
    wait_for(lambda: len(batch_folder.ledger(out)) >= 0.2 * len(expected), process)
    undo = environment.bind_read_only(out)
    if undo is None:
        process.kill()
        raise LeftOut("nothing can be mounted here")
    try:
        first = process.wait(600)
    finally:
        undo()
    before = len(batch_folder.ledger(out))
    second = site.run(out, inputs)
    found = batch_folder.check(out, inputs, expected, reference)
    text = f"stopped with status {first} after {before} files; then {found}"
    return text, found.whole and first == 4 and second == 1


def store_down(site: Site) -> tuple[str, bool]:
    """The tracking server killed in the middle."""
    inputs, expected = site.inputs(site.few)
    reference, out = site.reference(site.few), fresh(site.folder / "store_down")
    store = fresh(site.folder / "store")
    store.mkdir()
    with servers.tracking_server(store) as (server, uri):
        process = site.start(out, inputs, "tracking=mlflow", f"tracking.uri={uri}")
        wait_for(lambda: len(batch_folder.ledger(out)) >= 0.3 * len(expected), process)
        servers.kill(server)
        status = process.wait(900)
    found = batch_folder.check(out, inputs, expected, reference)
    pending = (site.folder / "mlflow-pending.db").is_file()
    text = (
        f"status {status}, the rest of the record waits here: {'yes' if pending else 'no'}; {found}"
    )
    return text, found.whole and status == 3 and pending


def clock(site: Site) -> tuple[str, bool]:
    """The clock set ten years back and ten days ahead on the way."""
    library = environment.faketime()
    if library is None:
        raise LeftOut("libfaketime is not installed")
    inputs, expected = site.inputs(site.few)
    reference, out = site.reference(site.few), fresh(site.folder / "clock")
    offset = site.folder / "clock.offset"
    offset.write_text("+0\n")
    fake = {
        "LD_PRELOAD": library,
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_CACHE_DURATION": "1",
    }
    process = site.start(
        out, inputs, env={**fake, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}
    )
    for share, jump in ((0.1, "-10y\n"), (0.4, "+10d\n"), (0.6, "-3600\n")):
        wait_for(partial(has_entries, out, share * len(expected)), process)
        offset.write_text(jump)
    status = process.wait(900)
    again = site.run(out, inputs)
    found = batch_folder.check(out, inputs, expected, reference)
    years = {line["finished"][:4] for line in batch_folder.ledger(out)}
    negative = [
        line
        for line in site.said(out).splitlines()
        if "left" in line and "-" in line.split("left")[0].rsplit(",", 1)[-1]
    ]
    kept = "0 to clean" in site.said(out)
    text = (
        f"the ledger's dates are of {' and '.join(sorted(years))}; negative times left: "
        f"{len(negative)}; a second start does "
    )
    text += f"{'nothing' if kept else 'something'} again; {found}"
    return text, found.whole and status == again == 1 and len(years) > 1 and not negative and kept


def memory(site: Site) -> tuple[str, bool]:
    """A memory limit that one file in the batch does not fit into."""
    inputs, expected = site.inputs(site.few)
    reference, out = site.reference(site.few), fresh(site.folder / "memory")
    heavy = fresh(site.folder / "in_memory")
    shutil.copytree(inputs, heavy, symlinks=True, ignore=shutil.ignore_patterns("*.wav"))
    for name in expected:  # pipes and links too, which copytree would read
        if name.endswith(".wav"):
            copy_as_it_is(inputs / name, heavy / name)
    environment.write_huge(heavy / "huge.wav")
    limit = int(2.6 * 2**30)

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    status = site.start(out, heavy, "stream_above_s=1000", preexec_fn=limited).wait(900)
    found = batch_folder.check(out, heavy, {**expected, "huge.wav": ""}, {**reference})
    rows = {row["path"]: row for row in batch_folder.table(out / "metrics.csv")}
    reason = rows[str(heavy / "huge.wav")]["reason"].partition(": ")[2]
    text = f"{limit / 2**30:.1f} GiB: the file is named ({reason[:60]}...); {found}"
    return text, found.whole and status == 1


def hostile(site: Site) -> tuple[str, bool]:
    """Names that lead out of the folder, as aliases, paths and links, flat and as a tree."""
    inputs, _ = site.inputs(site.few)
    base = fresh(site.folder / "hostile")
    table, sources = environment.hostile_table(base)
    told, fine = [], True
    for layout in ("flat", "tree"):
        room = base / layout
        out = room / "a" / "b" / "out"
        out.mkdir(parents=True)
        if layout == "tree":  # a link that somebody left where a folder of outputs will be
            (out / "cleaned").mkdir()
            (base / "elsewhere").mkdir()
            (out / "cleaned" / "linked").symlink_to(base / "elsewhere")
        before = environment.snapshot(base, out)
        more = ("dataset=manifest", f"dataset.path={table}", f"output.layout={layout}")
        line = [
            part
            for part in site.command(out, inputs, *more)
            if not part.startswith(("dataset=folder", "dataset.pattern"))
        ]
        done = subprocess.run(line, cwd=site.folder, capture_output=True, text=True, check=False)
        outside = environment.snapshot(base, out) - before
        names = [row["cleaned"] for row in batch_folder.table(out / "map.csv")]
        unique = len({name.casefold() for name in names}) == len(names) == sources
        rows = batch_folder.table(out / "metrics.csv")
        failed = [row for row in rows if row["status"] == "failed"]
        refused = all("leads out" in row["reason"] for row in failed) and len(failed) == (
            layout == "tree"
        )
        there = sum((out / row["cleaned"]).is_file() for row in batch_folder.table(out / "map.csv"))
        told.append(
            f"{layout}: {there} of {sources} written, {len(failed)} refused, {len(outside)} "
            f"files outside the folder, status {done.returncode}"
        )
        if done.returncode not in (0, 1):
            print(done.stderr, file=sys.stderr)
        fine &= (
            not outside
            and unique
            and refused
            and there + len(failed) == sources
            and done.returncode == bool(failed)
        )
    return "; ".join(told), fine


def copy_as_it_is(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)
