"""Everything that can go wrong with a batch, done to it on purpose.

    python -m experiments.reliability.drills FOLDER [--count 500] [--kills 30] [--only kills,disk_full] [--write]

FOLDER is scratch. Each drill ends in a row: what was done, what was found, whether that is all right. `--write` puts the table
into README.md. Disk full and read-only need root, for a small tmpfs; the clock needs libfaketime; else they are left out, with
the reason.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from experiments import texts
from experiments.reliability import checks, files, surroundings

HERE = Path(__file__).parent


class LeftOut(RuntimeError):  # noqa: N818
    """A drill that cannot be done here."""


@dataclass
class Site:
    """Where drills are done: data sets, the uninterrupted batch's bytes, and what is common to all commands."""

    folder: Path
    count: int
    kills: int
    few: int = 60
    arguments: list[str] = field(default_factory=lambda: ["tracking=none", "batch=local"])
    seed: int = 0
    startup_s: float = 8.0
    per_file_s: float = 0.1
    sparse_s: float = files.SPARSE_S

    def inputs(self, count: int | None = None) -> tuple[Path, dict[str, str | None]]:
        """A data set of so many files, made once."""
        count = min(count or self.count, self.count)
        folder, known = self.folder / f"in{count}", self.folder / f"in{count}.json"
        if not known.is_file():
            shutil.rmtree(folder, ignore_errors=True)
            known.write_text(json.dumps(files.make(folder, count, self.seed, self.sparse_s)))
        return folder, json.loads(known.read_text())

    def command(self, out: Path, inputs: Path, *more: str) -> list[str]:
        line = [sys.executable, "-m", "speechclean", *self.arguments, "dataset=folder", f"dataset.pattern={inputs}"]
        return [*line, f"batch.out={out}", "batch.interval_s=5", *more]

    def start(self, out: Path, inputs: Path, *more: str, env: Mapping[str, str] | None = None, **options) -> subprocess.Popen:
        """A batch in the background; what it says is in `<out>.txt`."""
        with open(out.with_suffix(".txt"), "ab") as log:
            line = self.command(out, inputs, *more)
            return subprocess.Popen(line, cwd=self.folder, stdout=log, stderr=log, env={**os.environ, **(env or {})}, **options)

    def run(self, out: Path, inputs: Path, *more: str, env: Mapping[str, str] | None = None) -> int:
        """A batch to its end; its exit status."""
        return self.start(out, inputs, *more, env=env).wait(1800)

    def said(self, out: Path) -> str:
        return out.with_suffix(".txt").read_text(errors="replace")

    def reference(self, count: int | None = None) -> dict[str, str]:
        """Hashes of the uninterrupted batch's outputs."""
        inputs, expected = self.inputs(count)
        out = self.folder / f"uninterrupted{len(expected)}"
        if not (out / "summary.md").is_file():
            start = time.monotonic()
            process = self.start(out, inputs)
            wait_for(lambda: len(checks.ledger(out)) > 0, process)
            self.startup_s = time.monotonic() - start
            process.wait()
            self.per_file_s = (time.monotonic() - start - self.startup_s) / len(expected)
        return checks.hashes(out)


def wait_for(ready: Callable[[], bool], process: subprocess.Popen, seconds: float = 300) -> None:
    """Wait until something is so, the process ends, or the time is up."""
    deadline = time.monotonic() + seconds
    while not ready() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)


def uninterrupted(site: Site) -> tuple[str, bool]:
    """a batch that nothing happens to"""
    inputs, expected = site.inputs()
    site.reference()
    found = checks.look(site.folder / f"uninterrupted{len(expected)}", inputs, expected)
    return str(found), found.whole


def kills(site: Site) -> tuple[str, bool]:
    """kill -9 at random moments, each time the same command again"""
    inputs, expected = site.inputs()
    reference, out = site.reference(), _fresh(site.folder / "killed")
    generator, done, orphans = random.Random(site.seed), 0, 0
    for number in range(site.kills):
        left = len(expected) - len({line["alias"] for line in checks.ledger(out)})
        # Somewhere between the start and twice the share of what is left that each kill may take.
        delay = generator.uniform(0.3 * site.startup_s, site.startup_s + 2 * left * site.per_file_s / (site.kills - number))
        process = site.start(out, inputs)
        time.sleep(delay)
        workers = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.kill()
        done += process.wait() == -signal.SIGKILL
        _, alive = psutil.wait_procs(workers, timeout=5)
        orphans += len(alive)
    status = site.run(out, inputs)
    found = checks.look(out, inputs, expected, reference)
    begun = checks.begun(out)
    redone = sum(begun.values()) - len(begun)
    most = 3 * max(1, os.cpu_count() or 1)
    text = f"{done} kills: {found}; begun again {redone} files, {redone / max(1, done):.1f} per kill"
    text += f" (at most {most} are at work); {orphans} workers outlived their parent"
    return text, found.whole and status == 1 and not orphans and redone <= done * most


def workers_killed(site: Site) -> tuple[str, bool]:
    """kill -9 of the worker while the batch goes on"""
    inputs, expected = site.inputs(site.few)
    reference, out = site.reference(site.few), _fresh(site.folder / "worker_killed")
    process, killed = site.start(out, inputs), 0
    for share in (0.1, 0.3, 0.5, 0.7):
        wait_for(lambda share=share: len(checks.ledger(out)) >= share * len(expected), process)
        for child in psutil.Process(process.pid).children() if process.poll() is None else []:
            child.kill()
            killed += 1
    status = process.wait(600)
    found = checks.look(out, inputs, expected, reference)
    return f"{killed} workers killed: {found}", found.whole and status == 1 and killed > 0


def ray(site: Site) -> tuple[str, bool]:
    """the same by Ray, an actor's process killed on the way"""
    inputs, expected = site.inputs()
    reference, out = site.reference(), _fresh(site.folder / "ray")
    process, killed = site.start(out, inputs, "batch=ray", "batch.workers=2"), 0
    wait_for(lambda: len(checks.ledger(out)) >= 0.3 * len(expected), process)
    for child in psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []:
        if "ray::Actor" in " ".join(child.cmdline()) and not killed:
            child.kill()
            killed += 1
    status = process.wait(600)
    found = checks.look(out, inputs, expected, reference)
    return f"{killed} of 2 actors killed: {found}", found.whole and status == 1 and killed == 1


def two_at_once(site: Site) -> tuple[str, bool]:
    """a second process on the same folder"""
    inputs, expected = site.inputs(site.few)
    reference, out = site.reference(site.few), _fresh(site.folder / "two")
    first = site.start(out, inputs)
    wait_for(lambda: len(checks.ledger(out)) > 0, first)
    second = subprocess.run(site.command(out, inputs), cwd=site.folder, capture_output=True, text=True, check=False)
    status = first.wait(600)
    found = checks.look(out, inputs, expected, reference)
    left = second.returncode == 5 and "another process" in second.stderr
    return f"the second says so and leaves with status {second.returncode}; {found}", left and found.whole and status == 1


def interrupted(site: Site) -> tuple[str, bool]:
    """Ctrl-C once, the same command again; then twice"""
    inputs, expected = site.inputs(site.few)
    reference, out = site.reference(site.few), _fresh(site.folder / "interrupted")
    statuses = []
    for times, share in ((1, 0.2), (2, 0.5)):
        process = site.start(out, inputs)
        wait_for(lambda share=share: len(checks.ledger(out)) >= share * len(expected), process)
        for _ in range(times):
            process.send_signal(signal.SIGINT)
            time.sleep(0.05)
        statuses.append(process.wait(120))
        if times == 1:
            lines = checks.ledger(out)
            begun = checks.begun(out)
            in_flight = len(begun) - len(lines)
    status = site.run(out, inputs)
    found = checks.look(out, inputs, expected, reference)
    text = f"after one, status {statuses[0]} and {in_flight} files begun and not finished; after two, status {statuses[1]}"
    return f"{text}; then {found}", found.whole and statuses == [130, 130] and in_flight == 0 and status == 1


def disk_full(site: Site) -> tuple[str, bool]:
    """the disk full in the middle, then room again"""
    inputs, expected = site.inputs(site.few)
    reference = site.reference(site.few)
    with small_disk(site.folder / "disk", 2) as disk:
        out = disk / "out"
        text_file = out.with_suffix(".txt")
        text_file.symlink_to(site.folder / "disk_full.txt")
        first = site.run(out, inputs)
        before = len(checks.ledger(out))
        subprocess.run(["mount", "-o", "remount,size=900m", str(disk)], check=True)
        second = site.run(out, inputs)
        found = checks.look(out, inputs, expected, reference)
        said = "No space left" in (site.folder / "disk_full.txt").read_text()
    text = f"stopped with status {first} after {before} files, said why: {'yes' if said else 'no'}; then {found}"
    return text, found.whole and first == 4 and second == 1 and said and before < len(expected)


def read_only(site: Site) -> tuple[str, bool]:
    """the output folder made read-only in the middle, then writable"""
    inputs, expected = site.inputs(site.few)
    reference, out = site.reference(site.few), _fresh(site.folder / "read_only")
    process = site.start(out, inputs)
    wait_for(lambda: len(checks.ledger(out)) >= 0.2 * len(expected), process)
    undo = surroundings.bind_read_only(out)
    if undo is None:
        process.kill()
        raise LeftOut("nothing can be mounted here")
    try:
        first = process.wait(600)
    finally:
        undo()
    before = len(checks.ledger(out))
    second = site.run(out, inputs)
    found = checks.look(out, inputs, expected, reference)
    text = f"stopped with status {first} after {before} files; then {found}"
    return text, found.whole and first == 4 and second == 1


def store_down(site: Site) -> tuple[str, bool]:
    """the tracking server killed in the middle"""
    inputs, expected = site.inputs(site.few)
    reference, out = site.reference(site.few), _fresh(site.folder / "store_down")
    store = _fresh(site.folder / "store")
    store.mkdir()
    with surroundings.tracking_server(store) as (server, uri):
        process = site.start(out, inputs, "tracking=mlflow", f"tracking.uri={uri}")
        wait_for(lambda: len(checks.ledger(out)) >= 0.3 * len(expected), process)
        surroundings.end(server)
        status = process.wait(900)
    found = checks.look(out, inputs, expected, reference)
    pending = (site.folder / "mlflow-pending.db").is_file()
    text = f"status {status}, the rest of the record waits here: {'yes' if pending else 'no'}; {found}"
    return text, found.whole and status == 3 and pending


def clock(site: Site) -> tuple[str, bool]:
    """the clock set ten years back and ten days ahead on the way"""
    library = surroundings.faketime()
    if library is None:
        raise LeftOut("libfaketime is not installed")
    inputs, expected = site.inputs(site.few)
    reference, out = site.reference(site.few), _fresh(site.folder / "clock")
    offset = site.folder / "clock.offset"
    offset.write_text("+0\n")
    fake = {"LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": str(offset), "FAKETIME_CACHE_DURATION": "1"}
    process = site.start(out, inputs, env={**fake, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"})
    for share, jump in ((0.1, "-10y\n"), (0.4, "+10d\n"), (0.6, "-3600\n")):
        wait_for(lambda share=share: len(checks.ledger(out)) >= share * len(expected), process)
        offset.write_text(jump)
    status = process.wait(900)
    again = site.run(out, inputs)
    found = checks.look(out, inputs, expected, reference)
    years = {line["finished"][:4] for line in checks.ledger(out)}
    negative = [
        line for line in site.said(out).splitlines() if "left" in line and "-" in line.split("left")[0].rsplit(",", 1)[-1]
    ]
    kept = "0 to clean" in site.said(out)
    text = (
        f"the ledger's dates are of {' and '.join(sorted(years))}; negative times left: {len(negative)}; a second start does "
    )
    text += f"{'nothing' if kept else 'something'} again; {found}"
    return text, found.whole and status == again == 1 and len(years) > 1 and not negative and kept


def memory(site: Site) -> tuple[str, bool]:
    """a memory limit that one file in the batch does not fit into"""
    inputs, expected = site.inputs(site.few)
    reference, out = site.reference(site.few), _fresh(site.folder / "memory")
    heavy = _fresh(site.folder / "in_memory")
    shutil.copytree(inputs, heavy, symlinks=True, ignore=shutil.ignore_patterns("*.wav"))
    for name in expected:  # pipes and links too, which copytree would read
        if name.endswith(".wav"):
            _copy(inputs / name, heavy / name)
    surroundings.write_huge(heavy / "huge.wav")
    limit = int(2.6 * 2**30)

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    status = site.start(out, heavy, "stream_above_s=1000", preexec_fn=limited).wait(900)
    found = checks.look(out, heavy, {**expected, "huge.wav": ""}, {**reference})
    rows = {row["path"]: row for row in checks.table(out / "metrics.csv")}
    reason = rows[str(heavy / "huge.wav")]["reason"].partition(": ")[2]
    text = f"{limit / 2**30:.1f} GiB: the file is named ({reason[:60]}...); {found}"
    return text, found.whole and status == 1


def hostile(site: Site) -> tuple[str, bool]:
    """names that lead out of the folder, as aliases, paths and links, flat and as a tree"""
    inputs, _ = site.inputs(site.few)
    base = _fresh(site.folder / "hostile")
    table, sources = surroundings.hostile_table(base)
    told, fine = [], True
    for layout in ("flat", "tree"):
        room = base / layout
        out = room / "a" / "b" / "out"
        out.mkdir(parents=True)
        if layout == "tree":  # a link that somebody left where a folder of outputs will be
            (out / "cleaned").mkdir()
            (base / "elsewhere").mkdir()
            (out / "cleaned" / "linked").symlink_to(base / "elsewhere")
        before = surroundings.snapshot(base, out)
        more = ("dataset=manifest", f"dataset.path={table}", f"output.layout={layout}")
        line = [part for part in site.command(out, inputs, *more) if not part.startswith(("dataset=folder", "dataset.pattern"))]
        done = subprocess.run(line, cwd=site.folder, capture_output=True, text=True, check=False)
        outside = surroundings.snapshot(base, out) - before
        names = [row["cleaned"] for row in checks.table(out / "map.csv")]
        unique = len({name.casefold() for name in names}) == len(names) == sources
        rows = checks.table(out / "metrics.csv")
        failed = [row for row in rows if row["status"] == "failed"]
        refused = all("leads out" in row["reason"] for row in failed) and len(failed) == (layout == "tree")
        there = sum((out / row["cleaned"]).is_file() for row in checks.table(out / "map.csv"))
        told.append(f"{layout}: {there} of {sources} written, {len(failed)} refused, {len(outside)} files outside the folder")
        fine &= not outside and unique and refused and there + len(failed) == sources and done.returncode == bool(failed)
    return "; ".join(told), fine


DRILLS = {
    drill.__name__: drill
    for drill in (
        uninterrupted, kills, workers_killed, ray, two_at_once, interrupted, disk_full, read_only, store_down, clock, memory,
        hostile,
    )
}  # fmt: skip


@contextmanager
def small_disk(place: Path, mebibytes: int) -> Iterator[Path]:
    """A tmpfs of a size. Raises `LeftOut` where nobody may mount one."""
    place.mkdir(parents=True, exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(place)], check=False).returncode:
        raise LeftOut("a tmpfs cannot be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


def _fresh(path: Path) -> Path:
    for old in (path, path.with_suffix(".txt")):
        shutil.rmtree(old, ignore_errors=True) if old.is_dir() else old.unlink(missing_ok=True)
    return path


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


def drill(name: str, site: Site) -> dict[str, object]:
    """One drill's row."""
    start = time.monotonic()
    try:
        text, fine = DRILLS[name](site)
    except LeftOut as reason:
        text, fine = f"left out: {reason}", None
    words = DRILLS[name].__doc__ or ""
    return {"drill": name, "what": words, "found": text, "fine": fine, "seconds": round(time.monotonic() - start)}


def markdown(rows: list[dict[str, object]], site: Site) -> str:
    mark = {True: "yes", False: "**no**", None: "–"}
    head = f"{site.count} files for the batch that nothing happens to, the kills and Ray; {site.few} for the others."
    lines = [f"| {row['what']} | {row['found']} | {mark[row['fine']]} |" for row in rows]  # type: ignore[index]
    return "\n".join([head, "", "| what was done | what was found | as it should |", "|---|---|---|", *lines])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--few", type=int, default=60)
    parser.add_argument("--only", default=",".join(DRILLS))
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    site = Site(options.folder.resolve(), options.count, options.kills, options.few)
    rows = []
    for name in options.only.split(","):
        rows.append(drill(name, site))
        print(f"{rows[-1]['fine']!s:6} {name}: {rows[-1]['found']} ({rows[-1]['seconds']} s)", flush=True)
    print("\n" + markdown(rows, site))
    if options.write:
        (HERE / "results").mkdir(exist_ok=True)
        (HERE / "results" / "drills.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
        texts.fill(HERE / "README.md", {"drills": markdown(rows, site)})
    sys.exit(any(row["fine"] is False for row in rows))


if __name__ == "__main__":
    main()
