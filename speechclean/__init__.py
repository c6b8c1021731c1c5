"""Take the music out of speech recordings and leave the voice as it was.

A run is a Hydra-composed config; it sends every input through separators -> fusion -> enhancement
-> post-processing, measures what came out, and records it. The package has nine rooms. A room
imports only from the rooms below it; `sweep` and `reproduction` do not know each other. Inside a
room, and inside every package in it, a module imports only from the modules that its `__init__`
lists below it. `tests/test_architecture.py` holds all of that.

    cli            entry points, thin
    sweep          searches over knobs
    reproduction   run a recorded run again; did it come out the same?
    experiment     a run from its config to its files: in one process, by workers, on a cluster
    records        what a run leaves behind: tables, reports, provenance, MLflow
    stages         what flows, the stages that it flows through, and the metrics that judge them
    networks       checkpoints, published weights, kept estimates
    audio          waveforms, streams, STFT, loudness
    system         files, devices, cores, processes

`conf/` has one folder per config group; `docs/architecture.md` follows one file through all of it.

From Python: `from speechclean import Cleaner` (`experiment.cleaner`).
"""

from importlib import import_module
from typing import Any

from speechclean.system.resources import PACKAGE

#: What there is for others; `__init__.pyi` has its types.
__all__ = ["Cleaner"]

# `speechclean reproduce` and its like are found in this folder.
__path__.append(str(PACKAGE / "cli" / "by_module"))


def __getattr__(name: str) -> Any:
    """The API, imported when it is first asked for: torch takes a second."""
    if name != "Cleaner":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # By name: every module imports this one, and what a module imports decides which kept answers
    # of networks still count (`networks.cache.code`).
    return import_module(f"{__name__}.experiment.cleaner").Cleaner
