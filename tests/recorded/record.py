"""Record what later code has to understand, by the code of this checkout: `python -m
tests.recorded.record [FOLDER]`.

Runs, a batch and a sweep are commands as users type them, in a folder of their own. What the
tracking store and the folders then hold is copied, with this machine's places replaced by
`/recorded`. README.md says what is what.
"""

from __future__ import annotations

import csv
import hashlib
import json
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from speechclean.experiment.batch.record import identity
from speechclean.experiment.config.choices import LIST_GROUPS, OPTIONAL_GROUPS, SINGLE_GROUPS
from speechclean.experiment.config.compose import composed
from speechclean.experiment.config.preset import preset
from speechclean.experiment.serving import pack, unpacked
from speechclean.networks.cache.packing import unpack
from speechclean.records.provenance import signature
from speechclean.records.tracking import Record, Records
from speechclean.stages.datasets.manifest import Pilot
from speechclean.system.resources import conf_dir

from . import made

#: Of a run's artifacts, what is kept: nothing that is heard or seen.
KEPT = re.compile(r"[\w.-]+\.(yaml|json|csv|txt|md)|ledger\.jsonl")
#: Tags that belong to the process and the store of then; the tracker of now sets its own.
OF_THEN = ("mlflow.", "speechclean.")


def main() -> None:
    """Everything, into a folder; what is there of the same names is replaced."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else made.FOLDER
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch).resolve()
        made.write_inputs(work)
        keep = Keeper(work, target)
        records = Records(f"sqlite:///{work}/mlflow.db")
        _unusual_inputs(work)
        for name, overrides in made.RUNS.items():
            _speechclean(work, *overrides, f"name={name}", f"hydra.run.dir={name}")
            keep.run(records.get(name), f"runs/{name}")
        for name in made.PROMOTED:
            keep.text(preset(records.get(name), "promoted")[0], f"presets/{name}.yaml")
        _speechclean(work, *made.BATCH, "name=batch", status=1)  # one of its files is none
        keep.run(records.get("batch"), "batch")
        for name in ("ledger.jsonl", "batch.json"):
            keep.text((work / "batch" / name).read_text(), f"batch/{name}")
        _speechclean(work, "-m", *made.SWEEP, "sweep.n_trials=2")
        keep.text((work / "study.log").read_text(), "study.log")
        keep.cache(work / "cache")
        keep.json(_signatures(), "signatures.json")
        keep.json(_choices(), "choices.json")
        keep.json(_packed(work, records.get("default")), "packed.json")
        keep.json({"machine": made.machine()}, "machine.json")


class Keeper:
    """Writes below `target` what was made in `work`, without this machine's places and names."""

    def __init__(self, work: Path, target: Path) -> None:
        self.target = target
        self.neutral = {
            str(work): "/recorded",
            str(made.ROOT): "/recorded/checkout",
            socket.gethostname(): "recorded",
            # what follows tells the host, not the kernel
            platform.release(): platform.release().partition("-")[0],
        }

    def text(self, content: str, name: str) -> None:
        """A text file."""
        for here, there in self.neutral.items():
            content = re.sub(rf"(?<!\w){re.escape(here)}(?!\w)", there, content)
        path = self.target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def json(self, content: Any, name: str) -> None:
        """A JSON file, an item of the outermost mapping on each line."""
        items = [
            f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}"
            for key, value in content.items()
        ]
        self.text("{\n" + ",\n".join(items) + "\n}\n", name)

    def run(self, record: Record, name: str) -> None:
        """A run's small artifacts, and in run.json what else its store knows of it."""
        for artifact in sorted(filter(KEPT.fullmatch, record.artifacts())):
            path = record.artifact(artifact)
            assert path is not None
            self.text(path.read_text(), f"{name}/{artifact}")
        own = {key: value for key, value in record.tags.items() if not key.startswith(OF_THEN)}
        known = {
            "id": record.id,
            "name": record.name,
            "status": record.status,
            "experiment": record.experiment,
        }
        self.json(
            known | {"tags": own, "params": dict(record.params), "metrics": dict(record.metrics)},
            f"{name}/run.json",
        )

    def cache(self, folder: Path) -> None:
        """The smallest entry of each kind, and what it holds."""
        held = {}
        for kind in sorted(path for path in folder.iterdir() if path.is_dir()):
            entry = min(kind.rglob("*.est"), key=lambda path: (path.stat().st_size, path.name))
            head, tensor = unpack(entry.read_bytes())
            there = self.target / "cache" / entry.relative_to(folder)
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(entry, there)
            sha256 = hashlib.sha256(tensor.numpy().tobytes()).hexdigest()
            held[entry.relative_to(folder).as_posix()] = {**head, "sha256": sha256}
        self.json(held, "cache.json")


def _speechclean(work: Path, *arguments: str, status: int = 0) -> None:
    line = [sys.executable, "-m", "speechclean", *arguments]
    done = subprocess.run(line, cwd=work, env=made.environment(), check=False)
    if done.returncode != status:
        raise SystemExit(f"{' '.join(line)} ended with {done.returncode}")


def _unusual_inputs(work: Path) -> None:
    tracks = {track.alias: track for track in Pilot().tracks()}
    with (work / "set.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("path", "reference", "alias"))
        writer.writerows(
            (tracks[one].path, tracks[one].reference_path, one) for one in made.UNUSUAL_INPUTS
        )


def resolved(overrides: Iterable[str]) -> dict[str, Any]:
    """The resolved config of a command line."""
    cfg = composed(list(overrides))
    OmegaConf.set_struct(cfg, False)
    cfg.output.dir, cfg.name = "outputs", "run"
    config = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(config, dict)
    return {str(key): value for key, value in config.items()}


def _signatures() -> dict[str, Any]:
    """Of each config: itself, its signature, and what a ledger knows it by, all without inputs and
    weights."""
    found = {}
    for name, overrides in made.CONFIGS.items():
        config = resolved(overrides)
        found[name] = {
            "signature": signature(config, {}, {}),
            "identity": identity(config, {}).signature,
            "config": config,
        }
    return found


def _choices() -> dict[str, Any]:
    """The node of every choice in conf/ that becomes an object, by `group/choice`."""
    found = {}
    for group in (*LIST_GROUPS, *SINGLE_GROUPS, *OPTIONAL_GROUPS):
        for path in sorted(Path(conf_dir(), group).glob("*.yaml")):
            name = f"{group}/{path.stem}"
            config = resolved(
                [
                    f"{group}=[{path.stem}]" if group in LIST_GROUPS else f"{group}={path.stem}",
                    *made.REQUIRED.get(name, ()),
                ]
            )
            node = config[group][path.stem] if group in LIST_GROUPS else config[group]
            if node:  # batch=none is no object
                found[name] = node
    return found


def _packed(work: Path, record: Record) -> dict[str, Any]:
    """The config that travels with a model, and what that model makes of a sound."""
    path, folder = record.artifact("config.yaml"), work / "packed"
    assert path is not None
    folder.mkdir()
    config: Mapping[str, Any] = OmegaConf.to_container(OmegaConf.load(path))  # type: ignore[assignment]
    pack(config, {}, folder)  # its weights ship with the package
    cleaned = unpacked(folder).clean_bytes((work / "in/a.wav").read_bytes())
    return {
        "config": (folder / "config.yaml").read_text(),
        "sha256": hashlib.sha256(cleaned).hexdigest(),
    }


if __name__ == "__main__":
    main()
