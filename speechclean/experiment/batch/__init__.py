"""Batches: thousands of files by one machine or many, resumed where they stopped.

A batch is a run like any other, with another `Session`: workers clean its files, and a ledger knows
what is done.

session          a batch from its lock to its delivery
ray_executor     actors of a Ray cluster
local_executor   worker processes of this machine
dispatch         tasks to workers; the tasks of a worker that died go to another
delivery         zip or tar of the cleaned files
ledger           ledger.jsonl: read, appended, never rewritten
folder_lock      one process at a time in an output folder
worker_handle    a worker process, as its parent sees it
interrupt        Ctrl-C once finishes what is at work, twice stops
progress         how far, how fast, how long
reports          failed.csv, map.csv, inputs.csv and files.json
record           a batch's runs in the tracking store
plan             which files are to be cleaned, and in which order
worker_process   the main function of a worker process
worker           files through the pipeline in threads: reading, models, writing side by side
entry_writer     a file's outputs and its entry for the ledger
shared_lock      a lock that threads share, or one holds for itself
memory_errors    is it want of memory?
jobs             a task on its way through a worker, and the one entry that it ends with
pulse            signs of life: that a worker's process computes, not merely that it is there
task             what is sent to workers, and the ledger's entries that come back
disk_errors      is it this file, or does the folder take no more?
"""

from __future__ import annotations


class BatchError(RuntimeError):
    """A batch that did not come to its end.

    Everything that was cleaned is kept, and the same command continues. `status` is the exit status
    of the process.
    """

    status = 1


class OutputLost(BatchError):  # noqa: N818 (reads as what it says)
    """The output folder takes no more: the disk is full, or it was made read-only."""

    status = 4


class Occupied(BatchError):  # noqa: N818 (reads as what it says)
    """Another process is at work in the output folder."""

    status = 5


class WorkersLost(BatchError):  # noqa: N818 (reads as what it says)
    """Workers die as soon as they start."""

    status = 6


class Interrupted(BatchError):  # noqa: N818 (reads as what it says)
    """Stopped by Ctrl-C."""

    status = 130
