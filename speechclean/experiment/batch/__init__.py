"""Batches: thousands of files by one machine or many, resumed where they stopped.

The run is the same as any other; an executor hands its files to workers, and a ledger knows what is
done.

    ray_executor     the executor on actors of a Ray cluster
    local_executor   the executor on worker processes of this machine
    dispatch         files to workers; what a dead worker held goes to another
    delivery         zip or tar for whoever asked for it; `deliver` is the command that packs
                     several batches
    run              all of it in order
    ledger           ledger.jsonl: read, appended, never rewritten
    folder_lock      one process at a time in an output folder
    worker_handle    a worker in a process of its own, on pipes; `process` is what runs there
    interrupt        Ctrl-C once finishes what is at work, twice stops
    progress         how far, how fast, how long
    results          tables, summary and failed.csv of a batch
    record           its one run in the tracking store
    plan             which files are to be done, and in which order
    worker_process   what runs in a worker's process
    worker           files through the pipeline in threads: reading, models, measuring and writing
                     side by side
    shared_lock      threads that share the cores, or one that has them for itself
    disk_errors      is it this file, or does the folder take no more?
    jobs             a task on its way through a worker's threads, and the one entry that it ends with
    task             Task (a file to be cleaned) and Entry (what became of it: a line of the ledger)
    pulse            signs of life: that a worker's process computes, not merely that it is there
"""

from __future__ import annotations


class BatchError(RuntimeError):
    """A batch that did not come to its end; everything finished is kept, and the same command
    continues. `status` is the exit status of the process.
    """

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
