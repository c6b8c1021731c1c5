"""Measure what reuse saves.

50 trials of TPE over the four knobs on the pilot, with the cache and without it, side by side.

    python -m experiments.pilot_sweep.reuse --work /tmp/reuse [--trials 50]

Three ways, interleaved trial by trial so that whatever else the machine does falls on all alike:

- reuse: a trial of the sweep, with the cache
- none: the same trial, figures alone, without the cache: the same points on the same process
- run: every tenth point as an ordinary run of its own (`python -m speechclean …`): what sweeping
  without this would be

Of the first two every cleaned file's samples are held against each other, bit by bit, and the
forward passes are counted. Each point is then changed in beta and wet alone, and timed again. Goes
on where it stopped; writes `results/reuse.json`, and `results.py` the table.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from omegaconf import open_dict

from speechclean.experiment.config.compose import composed
from speechclean.experiment.run import Trial, run_experiment
from speechclean.networks.cache import DiskCache
from speechclean.sweep.sampling import next_point
from speechclean.sweep.search_space import space_of
from speechclean.sweep.settings import Settings
from speechclean.sweep.space import as_overrides, rounded

HERE = Path(__file__).parent
LIGHT = [
    "metrics=[si_sdr,stoi]",
    "output.report=false",
    "output.ab_seconds=0",
    "output.plots=false",
    "output.fingerprints=false",
]
#: Every which point is run as an ordinary command too: each takes about a minute.
RUNS = 10


def evaluated(overrides: list[str], work: Path, reuse: bool) -> dict[str, Any]:
    """One trial in this process.

    Returns its value, the sha256 of every cleaned file, forwards, and seconds of wall and of all
    cores.
    """
    folder = work / "trial"
    cfg = composed(
        [*LIGHT, *overrides, f"cache.enabled={str(reuse).lower()}", f"cache.dir={work / 'cache'}"]
    )
    with open_dict(cfg):
        cfg.output.dir, cfg.name = str(folder), "reuse"
        cfg.tracking.uri = f"sqlite:///{work / 'mlflow.db'}"
        cfg.tracking.outputs_mib = 0
    folder.mkdir(parents=True, exist_ok=True)
    started, used = time.perf_counter(), time.process_time()
    result = run_experiment(cfg, {}, Trial(0, lambda _: False, lambda _means, _stopped: ({}, {})))
    seconds, cpu_s = time.perf_counter() - started, time.process_time() - used
    hashes = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((folder / "cleaned").glob("*.wav"))
    }
    forwards = {
        key: value
        for key, value in result.reuse.items()
        if "forwards" in key or key in ("reuse.saved_s",)
    }
    return {
        "value": result.means["si_sdr_improvement"],
        "files": hashes,
        "s": seconds,
        "cpu_s": cpu_s,
        **forwards,
    }


def ordinary(overrides: list[str], work: Path) -> dict[str, float]:
    """The same point as a command of its own, with everything that a run leaves behind."""
    line = [sys.executable, "-m", "speechclean", *overrides, f"hydra.run.dir={work / 'run'}"]
    line += [f"tracking.uri=sqlite:///{work / 'mlflow.db'}", "cache.enabled=false"]
    before, started = os.times(), time.perf_counter()
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = os.times()
    cpu_s = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    return {"s": time.perf_counter() - started, "cpu_s": cpu_s}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=50)
    arguments = parser.parse_args()
    work = arguments.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    kept = work / "reuse.json"
    rows: list[dict[str, Any]] = json.loads(kept.read_text()) if kept.is_file() else []
    searched = composed(["sweep=optuna"]).sweep
    settings = Settings.of(composed(["sweep=optuna"]))
    space = space_of(dict(searched.space), [])[0]
    if not rows:  # whatever is done once in a process is done
        evaluated(["enhancement.wet=0.5"], work / "warm", reuse=False)
    while len(rows) < arguments.trials:
        rows.append(_trial(rows, settings, space, work))
        kept.write_text(json.dumps(rows, indent=1))
        _write(rows, work)
        last = rows[-1]
        told = {
            way: f"{last[way]['s']:.1f} s"
            for way in ("reuse", "none", "beta_and_wet", "run")
            if way in last
        }
        print(len(rows), last["point"], told, "same" if last["same"] else "DIFFERENT", flush=True)


def _write(rows: list[dict[str, Any]], work: Path) -> None:
    """What the table is made of: all but the hashes, which have been held against each other."""
    entries = [stat.st_size for _, stat in DiskCache(work / "cache", 1).entries()]
    ways = ("reuse", "none", "beta_and_wet", "run")
    lean = [
        {
            key: {k: v for k, v in one.items() if k != "files"} if key in ways else one
            for key, one in row.items()
        }
        for row in rows
    ]
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "reuse.json").write_text(
        json.dumps({"rows": lean, "cache_bytes": sum(entries)}, indent=1) + "\n"
    )


def _trial(
    rows: list[dict[str, Any]], settings: Settings, space: Any, work: Path
) -> dict[str, Any]:
    import optuna

    known = [
        optuna.trial.create_trial(
            value=row["reuse"]["value"], params=row["point"], distributions=dict(space)
        )
        for row in rows
    ]
    proposed = next_point(settings, space, ["maximize"], known)
    assert proposed is not None
    point = proposed[0]
    ways = {True: "reuse", False: "none"}
    row: dict[str, Any] = {"point": point}
    for reuse in (True, False) if len(rows) % 2 else (False, True):
        row[ways[reuse]] = evaluated(as_overrides(point), work, reuse)
    row["same"] = (
        row["reuse"]["files"] == row["none"]["files"]
        and row["reuse"]["value"] == row["none"]["value"]
    )
    if not row["same"]:
        raise SystemExit(f"{point}: what was reused is not what is computed")
    beta, wet = "postprocess.beta_wiener.beta", "enhancement.wet"
    # wet=0 asks the denoiser for nothing: then only beta changes, else there would be something new
    # to compute.
    other = {
        **point,
        beta: rounded((point[beta] + 0.35) % 1.0),
        wet: rounded(point[wet] and point[wet] % 1.0 + 0.01),
    }
    row["beta_and_wet"] = evaluated(as_overrides(other), work, reuse=True)
    if len(rows) % RUNS == 0:
        row["run"] = ordinary(as_overrides(point), work)
    return row


if __name__ == "__main__":
    main()
