"""Drills on the processes of a batch: killed, interrupted, started twice.

A drill's docstring says in the table what was done; the drill returns what was found, and whether
that is as it should be.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from functools import partial

import psutil

from tests.support import batch_folder
from tests.support.waiting import wait_for

from .site import Site, fresh, has_entries

#: So many seconds a worker has to die with its parent: as it starts it may not have heard yet that
#: it should, and reads that its parent is gone instead.
DYING_S = 120.0


def uninterrupted(site: Site) -> tuple[str, bool]:
    """A batch that nothing happens to."""
    inputs, expected = site.inputs()
    site.reference()
    found = batch_folder.check(site.folder / f"uninterrupted{len(expected)}", inputs, expected)
    return str(found), found.whole


def kills(site: Site) -> tuple[str, bool]:
    """Kill -9 at random moments, each time the same command again."""
    inputs, expected = site.inputs()
    reference, out = site.reference(), fresh(site.folder / "killed")
    generator, done, orphans = random.Random(site.seed), 0, 0
    for number in range(site.kills):
        left = len(expected) - len({line["alias"] for line in batch_folder.ledger(out)})
        # Somewhere between the start and twice the share of what is left that each kill may take.
        delay = generator.uniform(
            0.3 * site.startup_s,
            site.startup_s + 2 * left * site.per_file_s / (site.kills - number),
        )
        process = site.start(out, inputs)
        time.sleep(delay)
        workers = (
            psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        )
        process.kill()
        done += process.wait() == -signal.SIGKILL
        _, alive = psutil.wait_procs(workers, timeout=DYING_S)
        orphans += len(alive)
    status = site.run(out, inputs)
    found = batch_folder.check(out, inputs, expected, reference)
    begun = batch_folder.begun(out)
    redone = sum(begun.values()) - len(begun)
    most = 3 * max(1, os.cpu_count() or 1)
    text = (
        f"{done} kills: {found}; begun again {redone} files, {redone / max(1, done):.1f} per kill"
    )
    text += f" (at most {most} are at work); {orphans} workers outlived their parent"
    return text, found.whole and status == 1 and not orphans and redone <= done * most


def workers_killed(site: Site) -> tuple[str, bool]:
    """Kill -9 of the worker while the batch goes on."""
    inputs, expected = site.inputs(site.few)
    reference, out = site.reference(site.few), fresh(site.folder / "worker_killed")
    process, killed = site.start(out, inputs), 0
    for share in (0.1, 0.3, 0.5, 0.7):
        wait_for(partial(has_entries, out, share * len(expected)), process)
        for child in psutil.Process(process.pid).children() if process.poll() is None else []:
            child.kill()
            killed += 1
    status = process.wait(600)
    found = batch_folder.check(out, inputs, expected, reference)
    return f"{killed} workers killed: {found}", found.whole and status == 1 and killed > 0


def ray(site: Site) -> tuple[str, bool]:
    """The same by Ray, an actor's process killed on the way."""
    inputs, expected = site.inputs()
    reference, out = site.reference(), fresh(site.folder / "ray")
    process, killed = site.start(out, inputs, "batch=ray", "batch.workers=2"), 0
    wait_for(lambda: len(batch_folder.ledger(out)) >= 0.3 * len(expected), process)
    for child in (
        psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    ):
        if "ray::Actor" in " ".join(child.cmdline()) and not killed:
            child.kill()
            killed += 1
    status = process.wait(600)
    found = batch_folder.check(out, inputs, expected, reference)
    return f"{killed} of 2 actors killed: {found}", found.whole and status == 1 and killed == 1


def two_at_once(site: Site) -> tuple[str, bool]:
    """A second process on the same folder."""
    inputs, expected = site.inputs(site.few)
    reference, out = site.reference(site.few), fresh(site.folder / "two")
    first = site.start(out, inputs)
    wait_for(lambda: len(batch_folder.ledger(out)) > 0, first)
    second = subprocess.run(
        site.command(out, inputs), cwd=site.folder, capture_output=True, text=True, check=False
    )
    status = first.wait(600)
    found = batch_folder.check(out, inputs, expected, reference)
    left = second.returncode == 5 and "another process" in second.stderr
    return (
        f"the second says so and leaves with status {second.returncode}; {found}",
        left and found.whole and status == 1,
    )


def interrupted(site: Site) -> tuple[str, bool]:
    """Ctrl-C once, the same command again; then twice."""
    inputs, expected = site.inputs(site.few)
    reference, out = site.reference(site.few), fresh(site.folder / "interrupted")
    statuses = []
    for times, share in ((1, 0.2), (2, 0.5)):
        process = site.start(out, inputs)
        wait_for(partial(has_entries, out, share * len(expected)), process)
        process.send_signal(signal.SIGINT)
        if times == 2:  # two at once may be one to the process
            wait_for(lambda: site.said(out).count("stopping:") == 2, process)
            process.send_signal(signal.SIGINT)
        statuses.append(process.wait(120))
        if times == 1:
            lines = batch_folder.ledger(out)
            begun = batch_folder.begun(out)
            in_flight = len(begun) - len(lines)
    status = site.run(out, inputs)
    found = batch_folder.check(out, inputs, expected, reference)
    text = (
        f"after one, status {statuses[0]} and {in_flight} files begun and not finished; after "
        f"two, status {statuses[1]}"
    )
    return f"{text}; then {found}", found.whole and statuses == [
        130,
        130,
    ] and in_flight == 0 and status == 1
