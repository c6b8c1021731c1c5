"""Batches: thousands of files by one machine or many, resumed where they stopped.

The run is the same as any other; an executor hands its files to workers, and a ledger knows what is done.

    tasks       Task (a file to be cleaned) and Entry (what became of it: a line of the ledger)
    ledger      ledger.jsonl: read, appended, never rewritten
    lock        one process at a time in an output folder
    plan        which files are to be done, and in which order
    worker      files through the pipeline in threads: reading, models, measuring and writing side by side
    gate        threads that share the cores, or one that has them for itself
    link        a worker in a process of its own, on pipes; `process` is what runs there
    dispatch    files to workers; what a dead worker held goes to another
    local, cluster    the executors: processes of this machine, actors of a Ray cluster
    stop        Ctrl-C once finishes what is at work, twice stops
    progress    how far, how fast, how long
    results     tables, summary and failed.csv of a batch
    record      its one run in the tracking store
    delivery    zip or tar for whoever asked for it; `deliver` is the command that packs several batches
    run         all of it in order
"""

from __future__ import annotations


class BatchError(RuntimeError):
    """A batch that did not come to its end; everything finished is kept, and the same command continues. `status` is the exit
    status of the process."""

    status = 1


class OutputLost(BatchError):  # noqa: N818 (reads as what it says)
    """The output folder takes no more: the disk is full, or it was made read-only."""

    status = 4


class Occupied(BatchError):  # noqa: N818
    """Another process is at work in the output folder."""

    status = 5


class WorkersLost(BatchError):  # noqa: N818
    """Workers die as soon as they start."""

    status = 6


class Interrupted(BatchError):  # noqa: N818
    """Stopped by Ctrl-C."""

    status = 130
