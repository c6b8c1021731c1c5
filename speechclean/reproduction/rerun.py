"""Run a recorded run again, and say whether it came out the same.

What differs now (code, packages, machine, inputs, weights, knobs) is found and told before the
start; then the run's own config goes through `python -m speechclean` in a process of its own, on
the code of now or, in a git worktree, on that of then; at last every file's samples, marks and
metrics are held against those of then.
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

from speechclean.audio.waveform import AudioError
from speechclean.records import provenance, run_folder
from speechclean.records.fingerprint import OUTPUT_STAGE, Mark, mark_of
from speechclean.records.tracking import NOTE_TAG, Record, Records
from speechclean.system.resources import PACKAGE

from . import equality, locate_inputs, rerun_config
from .differences import environment_differences, weights_differences
from .equality import DIFFERENT, FileVerdict
from .rerun_config import CannotReproduce

#: Tags that link a run and its reproductions.
REPRODUCES_TAG, REPRODUCED_TAG, VERDICT_TAG = "reproduces", "reproduced_by", "reproduction"


@dataclass(frozen=True)
class Plan:
    """A reproduction that is ready to start: the run, its config of now, what differs."""

    record: Record
    cfg: DictConfig
    found: locate_inputs.Found
    folder: Path
    threads: int
    differences: list[str]
    then: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Reproduction:
    """What came of it: the new run's id, verdicts by file, what differed from then as the new run
    itself recorded it.
    """

    run_id: str
    files: list[FileVerdict]
    differences: list[str]

    @property
    def verdict(self) -> str:
        return equality.overall(self.files)


def plan(
    records: Records,
    run: str,
    folder: Path,
    changes: Sequence[str] = (),
    root: Path | None = None,
    weights_root: Path | None = None,
    threads: int | None = None,
) -> Plan:
    """Fetch a run and find out what differs now. Raises `CannotReproduce`, with everything that is
    missing.

    changes: overrides, `key=value`, for what shall differ on purpose; root, weights_root: where
        inputs and weights are now;
    threads: of the CPU, None for as many as then.
    """
    record = records.get(run)
    missing = _missing_record(record)
    if missing:
        raise CannotReproduce(
            f"{record.name} ({record.id}) is {record.status}{f' ({record.failure})' if record.failure else ''} "
            "and cannot be reproduced; it lacks:\n" + "\n".join(f"- {each}" for each in missing)
        )
    then = json.loads(_need(record, run_folder.PROVENANCE).read_text())
    found = locate_inputs.locate(locate_inputs.read(_need(record, run_folder.INPUTS)), root)
    if found.missing:
        raise CannotReproduce(
            f"{record.name} ({record.id}) cannot be run again from here:\n"
            + "\n".join(f"- {each}" for each in found.missing)
        )
    config = OmegaConf.load(_need(record, run_folder.CONFIG))
    assert isinstance(config, DictConfig)
    knobs = rerun_config.change(config, changes)
    threads = threads or int(os.environ.get("OMP_NUM_THREADS") or then["cpu"]["threads"])
    rerun_config.aim(config, record, records, folder)
    rerun_config.relocate(config, then.get("working_folder"), weights_root)
    now = provenance.collect({}, {}, 0)
    now["cpu"]["threads"] = threads
    differences = [
        *knobs,
        *environment_differences(then, now),
        *found.differences,
        *weights_differences(config, then),
    ]
    return Plan(record, config, found, folder, threads, differences, then)


def run(
    plan: Plan, records: Records, code: Path | None = None, python: str | None = None
) -> Record:
    """Run it, on the package of now or on the one in `code`; the new run's record. Raises
    `CannotReproduce` if it breaks.
    """
    work = plan.folder / "reproduce"
    code = code or PACKAGE.parent
    run_folder.write_text(plan.found.manifest(), work / run_folder.INPUTS)
    run_folder.write_text(
        rerun_config.primary(plan.cfg, plan.folder, code), work / "reproduced.yaml"
    )
    environment = {**os.environ, "PYTHONPATH": str(code), "OMP_NUM_THREADS": str(plan.threads)}
    environment.pop("SPEECHCLEAN_PARENT_RUN", None)
    line = [
        python or sys.executable,
        "-m",
        "speechclean",
        "--config-dir",
        str(work),
        "--config-name",
        "reproduced",
    ]
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
        raise CannotReproduce(
            f"the repetition broke (exit status {status}); {work} holds its config, its words are above"
        )
    return record


def compare(plan: Plan, again: Record, tolerance_db: float = 60.0) -> Reproduction:
    """Hold a repetition in `plan.folder` against the run."""
    now = json.loads((plan.folder / run_folder.PROVENANCE).read_text())
    differences = environment_differences(plan.then, now)
    same_machine = not any(
        told.startswith(("cpu", "cuda", "platform", "package")) for told in differences
    )
    then_rows, now_rows = (
        run_folder.read_results(path)
        for path in (
            _need(plan.record, run_folder.METRICS_JSON),
            plan.folder / run_folder.METRICS_JSON,
        )
    )
    then_marks, now_marks = (
        run_folder.read_fingerprints(path)
        for path in (
            plan.record.artifact(run_folder.FINGERPRINTS),
            plan.folder / run_folder.FINGERPRINTS,
        )
    )
    files = []
    for row in plan.found.rows:
        alias = row["alias"]
        one, two = then_rows.get(alias), now_rows.get(alias)
        if one is None or two is None:
            files.append(
                FileVerdict(
                    alias, DIFFERENT, note=f"no result {'of then' if one is None else 'now'}"
                )
            )
        elif one.failed or two.failed:
            same = one.failed == two.failed
            note = f"failed {'then and now' if same else 'then' if one.failed else 'now'}: "
            verdict = equality.BIT_EXACT if same else DIFFERENT
            files.append(FileVerdict(alias, verdict, note=note + (two.reason or one.reason)))
        else:
            marks = (then_marks.get(alias, {}), now_marks.get(alias, {}))
            output = _output_difference(plan, alias, marks[0].get(OUTPUT_STAGE))
            files.append(
                equality.judge(
                    alias, *marks, output, (one.measures, two.measures), same_machine, tolerance_db
                )
            )
    differences += [told for told in plan.differences if told not in differences]
    return Reproduction(again.id, files, differences)


def link(plan: Plan, outcome: Reproduction, records: Records, page: Path) -> None:
    """Tag both runs with one another, and keep the report with the new one."""
    record, again = plan.record, outcome.run_id
    address = f"#/experiments/{record.experiment_id}/runs/"
    note = (
        f"Reproduces [{record.name}]({address}{record.id}): **{outcome.verdict}**\n\n"
        + page.read_text()
    )
    records.tag(again, {REPRODUCES_TAG: record.id, VERDICT_TAG: outcome.verdict, NOTE_TAG: note})
    for path in (page, page.with_suffix(".json")):
        records.keep(again, path)
    before = records.get(record.id)
    known = [each for each in before.tags.get(REPRODUCED_TAG, "").split(", ") if each]
    old_note = before.tags.get(NOTE_TAG, "")
    linked = f"\n\nReproduced by [{again[:8]}]({address}{again}): {outcome.verdict}\n"
    records.tag(
        record.id, {REPRODUCED_TAG: ", ".join([*known, again]), NOTE_TAG: old_note + linked}
    )


def _missing_record(record: Record) -> list[str]:
    """What a run did not leave behind and a reproduction needs."""
    there = record.artifacts()
    needed = {
        run_folder.CONFIG: "its config",
        run_folder.INPUTS: "the table of its inputs",
        run_folder.PROVENANCE: "code, versions and hashes",
        run_folder.METRICS_JSON: "its metrics, which are written at its end",
    }
    missing = [f"{name}: {meaning}" for name, meaning in needed.items() if name not in there]
    if record.status != "FINISHED" and not missing:
        missing.append("its end: what it left may be a part; start it anew")
    if record.status != "FINISHED" and run_folder.INPUTS in there:
        wanted = [row["alias"] for row in locate_inputs.read(_need(record, run_folder.INPUTS))]
        kept = (
            {Path(path).stem for path in record.artifacts(run_folder.CLEANED)}
            if run_folder.CLEANED in there
            else set()
        )
        lost = [alias for alias in wanted if alias not in kept]
        if lost:
            shown = ", ".join(lost[:5]) + (f" and {len(lost) - 5} more" if len(lost) > 5 else "")
            missing.append(f"cleaned files: {len(lost)} of {len(wanted)} ({shown})")
    return missing


def _output_difference(plan: Plan, alias: str, mark: Mark | None) -> equality.Difference | None:
    """Between the written files, if that of then is kept with the run or still lies where it was
    written.
    """
    now = plan.folder / run_folder.CLEANED / f"{alias}.wav"
    kept = plan.record.artifact(f"{run_folder.CLEANED}/{alias}.wav")
    folder = OmegaConf.load(_need(plan.record, run_folder.CONFIG)).output.dir
    there = Path(folder) / run_folder.CLEANED / f"{alias}.wav"
    try:
        if (
            kept is None
            and mark is not None
            and there.is_file()
            and there != now
            and mark_of(there) == mark
        ):
            kept = there
        return equality.difference(kept, now) if kept is not None else None
    except AudioError:
        return None


def _need(record: Record, path: str) -> Path:
    found = record.artifact(path)
    if found is None:
        raise CannotReproduce(f"{record.name} ({record.id}) keeps no {path}")
    return found
