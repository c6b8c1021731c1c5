"""Batches: thousands of files by one machine or many, resumed where they stopped.

A batch is a run like any other, with another `Session`: workers clean its files, and a ledger knows
what is done.

session          a batch from its lock to its delivery
ledger_executor  a plan's files cleaned by a pool of workers, one by one into the ledger
ray_executor     a pool of actors of a Ray cluster
ray_connection   connecting to a Ray cluster, or starting one
local_executor   a pool of worker processes of this machine
worker_pool      what every pool is and has: the config group `batch`
dispatch         tasks to workers; the tasks of a worker that died are retried by another
delivery         zip or tar of the cleaned files
ledger           ledger.jsonl: read, appended, never rewritten
leftovers        what killed processes left half-written
folder_lock      one process at a time in an output folder
interrupt        Ctrl-C once finishes what is at work, twice stops
progress         how far, how fast, how long
reports          failed.csv, map.csv, inputs.csv and files.json
record           a batch's runs in the tracking store
plan             which files are to be cleaned, and in which order
worker_handle    a worker as the dispatcher sees it; one in a process of its own
worker_process   the main function of a worker process
worker           files through the pipeline in threads: reading, models, writing side by side
reading          a file into its job: the sound, and what the ledger says of the input
job_queue        jobs that have been read and wait for the models
entry_writer     a file's outputs and its entry for the ledger
shared_lock      a lock that threads share, or one holds for itself
memory_errors    is it want of memory?
jobs             a task on its way through a worker, and the one entry that it ends with
heartbeat        signs of life: that a worker's process computes, not merely that it is there
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
