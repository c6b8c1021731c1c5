"""Run a recorded run again, and say whether it came out the same.

What differs now (code, packages, machine, inputs, weights, knobs) is found and told before the start; then the run's own config
goes through `python -m speechclean` in a process of its own, on the code of now or, in a git worktree, on that of then; at last
every file's samples, marks and metrics are held against those of then.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from . import inputs, provenance, report, sameness
from .audio import AudioError
from .config import ConfigError, build
from .labels import text
from .marks import Mark
from .recording import OUTPUT_STAGE, mark_of
from .sameness import DIFFERENT, FileVerdict
from .tracking import NOTE_TAG, Record, Records

#: Knobs at the root that stages refer to: in a resolved config the reference is gone, so that they are set in both places.
SHARED = ("shifts", "overlap", "seed", "device", "batch_size")
#: Tags that link a run and its reproductions.
REPRODUCES_TAG, REPRODUCED_TAG, VERDICT_TAG = "reproduces", "reproduced_by", "reproduction"


class CannotReproduce(RuntimeError):  # noqa: N818 (reads as what it says)
    """A run that cannot be run again from here; the message lists what is missing."""


@dataclass(frozen=True)
class Plan:
    """A reproduction that is ready to start: the run, its config of now, what differs."""

    record: Record
    cfg: DictConfig
    found: inputs.Found
    folder: Path
    threads: int
    differences: list[str]
    then: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Reproduction:
    """What came of it: the new run's id, verdicts by file, what differed from then as the new run itself recorded it."""

    run_id: str
    files: list[FileVerdict]
    differences: list[str]

    @property
    def verdict(self) -> str:
        return sameness.overall(self.files)


def plan(
    records: Records, run: str, folder: Path, changes: Sequence[str] = (), root: Path | None = None, threads: int | None = None
) -> Plan:
    """Fetch a run and find out what differs now. Raises `CannotReproduce`, with everything that is missing.

    changes: overrides, `key=value`, for what shall differ on purpose; root: where the inputs are now; threads: of the CPU, None
    for as many as then.
    """
    record = records.get(run)
    missing = _missing_record(record)
    if missing:
        raise CannotReproduce(
            f"{record.name} ({record.id}) is {record.status}{f' ({record.failure})' if record.failure else ''} "
            "and cannot be reproduced; it lacks:\n" + "\n".join(f"- {each}" for each in missing)
        )
    then = json.loads(_need(record, "provenance.json").read_text())
    found = inputs.locate(inputs.read(_need(record, "inputs.csv")), root)
    if found.missing:
        raise CannotReproduce(
            f"{record.name} ({record.id}) cannot be run again from here:\n" + "\n".join(f"- {each}" for each in found.missing)
        )
    config = OmegaConf.load(_need(record, "config.yaml"))
    assert isinstance(config, DictConfig)
    knobs = change(config, changes)
    threads = threads or int(os.environ.get("OMP_NUM_THREADS") or then["cpu"]["threads"])
    _aim(config, record, records, folder)
    now = provenance.collect({}, {}, 0)
    now["cpu"]["threads"] = threads
    differences = [*knobs, *environment_differences(then, now), *found.differences, *_weights_differences(config, then)]
    return Plan(record, config, found, folder, threads, differences, then)


def change(config: DictConfig, changes: Sequence[str]) -> list[str]:
    """Apply overrides to a resolved config in place; what they change. Raises `CannotReproduce` for a key that is not there."""
    told = []
    for override in changes:
        key, equals, _ = override.partition("=")
        before = OmegaConf.select(config, key, default=None)
        if not equals or (before is None and not _has(config, key)):
            raise CannotReproduce(f"{override}: the run's config has no key {key!r}; give key=value")
        value = OmegaConf.select(OmegaConf.from_dotlist([override]), key)
        OmegaConf.update(config, key, value)
        told.append(f"{key}: {text(before, 200)} then, {text(value, 200)} now")
        if key in SHARED:
            for node in [*config.separators.values(), *config.postprocess.values(), config.fusion, config.enhancement]:
                if key in node and node[key] == before:
                    node[key] = value
    return told


def environment_differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Code, packages and machine: what is other now, in words."""
    told = []
    if then["code"]["sha256"] != now["code"]["sha256"]:
        told.append(f"code: {_code(then)} then, {_code(now)} now")
    for name in dict.fromkeys([*then["packages"], *now["packages"]]):
        one, two = then["packages"].get(name), now["packages"].get(name)
        if one != two:
            told.append(f"package {name}: {one or 'none'} then, {two or 'none'} now")
    told += [f"{key}: {then[key]} then, {now[key]} now" for key in ("python", "platform") if then[key] != now[key]]
    for key in ("model", "capability", "threads"):
        if then["cpu"].get(key) != now["cpu"].get(key):
            told.append(f"cpu {key}: {then['cpu'].get(key)} then, {now['cpu'].get(key)} now")
    if then.get("cuda") != now.get("cuda"):
        told.append(f"cuda: {then.get('cuda') or 'none'} then, {now.get('cuda') or 'none'} now")
    return told


def run(plan: Plan, records: Records, code: Path | None = None, python: str | None = None) -> Record:
    """Run it, on the package of now or on the one in `code`; the new run's record. Raises `CannotReproduce` if it breaks."""
    work = plan.folder / "reproduce"
    code = code or Path(__file__).parent.parent
    report.write_text(plan.found.manifest(), work / "inputs.csv")
    report.write_text(_primary(plan, code), work / "reproduced.yaml")
    environment = {**os.environ, "PYTHONPATH": str(code), "OMP_NUM_THREADS": str(plan.threads)}
    environment.pop("SPEECHCLEAN_PARENT_RUN", None)
    line = [python or sys.executable, "-m", "speechclean", "--config-dir", str(work), "--config-name", "reproduced"]
    since = int(time.time() * 1000) - 1000
    process = subprocess.Popen(line, cwd=plan.folder, env=environment)
    try:
        status = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    record = records.by_process(plan.record.experiment_id, process.pid, since)
    if record is None or status not in (0, 1):
        raise CannotReproduce(f"the repetition broke (exit status {status}); {work} holds its config, its words are above")
    return record


def compare(plan: Plan, again: Record, tolerance_db: float = 60.0) -> Reproduction:
    """Hold a repetition in `plan.folder` against the run."""
    now = json.loads((plan.folder / "provenance.json").read_text())
    differences = environment_differences(plan.then, now)
    same_machine = not any(told.startswith(("cpu", "cuda", "platform", "package")) for told in differences)
    then_rows, now_rows = (_rows(path) for path in (_need(plan.record, "metrics.json"), plan.folder / "metrics.json"))
    then_marks, now_marks = (_marks(path) for path in (plan.record.artifact("marks.json"), plan.folder / "marks.json"))
    files = []
    for row in plan.found.rows:
        alias = row["alias"]
        one, two = then_rows.get(alias), now_rows.get(alias)
        if one is None or two is None:
            files.append(FileVerdict(alias, DIFFERENT, note=f"no result {'of then' if one is None else 'now'}"))
        elif "failed" in (one["status"], two["status"]):
            same = one["status"] == two["status"]
            note = f"failed {'then and now' if same else 'then' if one['status'] == 'failed' else 'now'}: "
            verdict = sameness.BIT_EXACT if same else DIFFERENT
            files.append(FileVerdict(alias, verdict, note=note + (two["reason"] or one["reason"])))
        else:
            marks = (then_marks.get(alias, {}), now_marks.get(alias, {}))
            output = _output_difference(plan, alias, marks[0].get(OUTPUT_STAGE))
            files.append(sameness.judge(alias, *marks, output, (one, two), same_machine, tolerance_db))
    differences += [told for told in plan.differences if told not in differences]
    return Reproduction(again.id, files, differences)


def link(plan: Plan, outcome: Reproduction, records: Records, page: Path) -> None:
    """Tag both runs with one another, and keep the report with the new one."""
    record, again = plan.record, outcome.run_id
    address = f"#/experiments/{record.experiment_id}/runs/"
    note = f"Reproduces [{record.name}]({address}{record.id}): **{outcome.verdict}**\n\n" + page.read_text()
    records.tag(again, {REPRODUCES_TAG: record.id, VERDICT_TAG: outcome.verdict, NOTE_TAG: note})
    for path in (page, page.with_suffix(".json")):
        records.keep(again, path)
    before = records.get(record.id)
    known = [each for each in before.tags.get(REPRODUCED_TAG, "").split(", ") if each]
    old_note = before.tags.get(NOTE_TAG, "")
    linked = f"\n\nReproduced by [{again[:8]}]({address}{again}): {outcome.verdict}\n"
    records.tag(record.id, {REPRODUCED_TAG: ", ".join([*known, again]), NOTE_TAG: old_note + linked})


def _missing_record(record: Record) -> list[str]:
    """What a run did not leave behind and a reproduction needs."""
    there = record.artifacts()
    needed = {
        "config.yaml": "its config",
        "inputs.csv": "the table of its inputs",
        "provenance.json": "code, versions and hashes",
        "metrics.json": "its metrics, which are written at its end",
    }
    missing = [f"{name}: {meaning}" for name, meaning in needed.items() if name not in there]
    if record.status != "FINISHED" and not missing:
        missing.append("its end: what it left may be a part; start it anew")
    if record.status != "FINISHED" and "inputs.csv" in there:
        wanted = [row["alias"] for row in inputs.read(_need(record, "inputs.csv"))]
        kept = {Path(path).stem for path in record.artifacts("cleaned")} if "cleaned" in there else set()
        lost = [alias for alias in wanted if alias not in kept]
        if lost:
            shown = ", ".join(lost[:5]) + (f" and {len(lost) - 5} more" if len(lost) > 5 else "")
            missing.append(f"cleaned files: {len(lost)} of {len(wanted)} ({shown})")
    return missing


def _aim(config: DictConfig, record: Record, records: Records, folder: Path) -> None:
    """Point a run's config at the inputs, the folder and the store of now; none of it touches the sound."""
    OmegaConf.set_struct(config, False)
    manifest = str(folder / "reproduce" / "inputs.csv")
    config.dataset = {"_target_": "speechclean.datasets.manifest.Manifest", "path": manifest}
    known = config.tracking if "experiment" in config.tracking else {"_target_": "speechclean.tracking.MlflowTracker"}
    config.tracking = {**known, "uri": records.store.uri, "experiment": record.experiment}
    if "log_model" in config.tracking:
        config.tracking.log_model = False
    config.output.dir = str(folder)
    config.name = f"reproduction of {record.name}"


def _primary(plan: Plan, code: Path) -> str:
    """The config as Hydra's primary one, on the schema of the code that will run it."""
    defaults: list[Any] = ["schema"]
    for group, name in (("hydra/job_logging", "plain"), ("hydra/output", "speechclean")):
        if any((conf / group / f"{name}.yaml").is_file() for conf in (code / "conf", code / "speechclean" / "conf")):
            defaults.append({f"override {group}": name})
    hydra = {"run": {"dir": str(plan.folder)}}
    config: Any = OmegaConf.to_container(plan.cfg)
    return OmegaConf.to_yaml(OmegaConf.create({"defaults": [*defaults, "_self_"], "hydra": hydra, **config}))


def _weights_differences(config: DictConfig, then: Mapping[str, Any]) -> list[str]:
    """Weights that are others now. Raises `CannotReproduce` for what is missing."""
    untracked = OmegaConf.merge(config, {"tracking": None, "dataset": None})
    assert isinstance(untracked, DictConfig)
    untracked.tracking = {"_target_": "speechclean.tracking.NoTracker"}
    untracked.dataset = {"_target_": "speechclean.datasets.manifest.Pilot"}
    try:
        weights = build(untracked).weights
    except ConfigError as error:
        raise CannotReproduce(f"the run's config does not run here: {error}") from error
    now = {name: provenance.file_hash(path) for name, path in weights.items()}
    told = []
    for name in dict.fromkeys([*then["weights"], *now]):
        one, two = then["weights"].get(name, {}).get("sha256"), now.get(name)
        if one != two:
            told.append(f"weights {name}: sha256 {str(one)[:12]} then, {str(two)[:12]} now")
    return told


def _output_difference(plan: Plan, alias: str, mark: Mark | None) -> sameness.Difference | None:
    """Between the written files, if that of then is kept with the run or still lies where it was written."""
    now = plan.folder / "cleaned" / f"{alias}.wav"
    kept = plan.record.artifact(f"cleaned/{alias}.wav")
    folder = OmegaConf.load(_need(plan.record, "config.yaml")).output.dir
    there = Path(folder) / "cleaned" / f"{alias}.wav"
    try:
        if kept is None and mark is not None and there.is_file() and there != now and mark_of(there) == mark:
            kept = there
        return sameness.difference(kept, now) if kept is not None else None
    except AudioError:
        return None


def _need(record: Record, path: str) -> Path:
    found = record.artifact(path)
    if found is None:
        raise CannotReproduce(f"{record.name} ({record.id}) keeps no {path}")
    return found


def _rows(path: Path) -> dict[str, dict[str, Any]]:
    return {row["alias"]: row for row in json.loads(path.read_text())["rows"]}


def _marks(path: Path | None) -> dict[str, dict[str, Mark]]:
    if path is None or not path.is_file():
        return {}
    read = json.loads(path.read_text())
    return {alias: {stage: Mark.from_json(mark) for stage, mark in stages.items()} for alias, stages in read.items()}


def _code(origin: Mapping[str, Any]) -> str:
    git = origin["code"].get("git") or {}
    if git.get("commit"):
        return git["commit"][:10] + (" with changes" if git.get("dirty") else "")
    return f"sources {origin['code']['sha256'][:10]}"


def _has(config: DictConfig, key: str) -> bool:
    parent, _, last = key.rpartition(".")
    node = OmegaConf.select(config, parent) if parent else config
    return isinstance(node, DictConfig) and last in node
