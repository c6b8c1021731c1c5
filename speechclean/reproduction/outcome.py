"""What a reproduction came to: its files held against those of then, tags on both runs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from speechclean.audio.waveform import AudioError
from speechclean.records import kept_files, run_folder
from speechclean.records.file_result import FileResult
from speechclean.records.fingerprint import OUTPUT_STAGE, Fingerprint, fingerprint_of
from speechclean.records.tracking import NOTE_TAG, Record, Records

from . import equality
from .differences import environment_differences
from .equality import BIT_EXACT, DIFFERENT, FileVerdict
from .plan import Plan

#: Tags that name a run's reproductions, and a reproduction's run.
REPRODUCES_TAG, REPRODUCED_TAG, VERDICT_TAG = "reproduces", "reproduced_by", "reproduction"
#: Differences that begin with one of these let the same code round otherwise.
MACHINE = ("cpu", "cuda", "platform", "package")


@dataclass(frozen=True)
class Outcome:
    """What a reproduction came to.

    run_id: the new run
    files: a verdict on each
    differences: from then, as the new run itself recorded them, a line each
    """

    run_id: str
    files: list[FileVerdict]
    differences: list[str]

    @property
    def verdict(self) -> str:
        """The worst verdict on any file."""
        return equality.overall(self.files)


def compare(plan: Plan, again: Record, tolerance_db: float = 60.0) -> Outcome:
    """Hold a repetition in `plan.folder` against the run.

    tolerance_db: how far below the sound a difference may lie and still be tolerable.
    """
    now = json.loads((plan.folder / run_folder.PROVENANCE).read_text())
    differences = environment_differences(plan.then, now)
    same_machine = not any(each.startswith(MACHINE) for each in differences)
    results_then = kept_files.results(plan.record)
    results_now = run_folder.read_results(plan.folder / run_folder.METRICS_JSON)
    fingerprints_then = kept_files.fingerprints(plan.record)
    fingerprints_now = run_folder.read_fingerprints(plan.folder / run_folder.FINGERPRINTS)
    files = []
    for alias in (row["alias"] for row in plan.inputs.rows):
        one, two = results_then.get(alias), results_now.get(alias)
        if one is None or two is None:
            which = "of then" if one is None else "now"
            files.append(FileVerdict(alias, DIFFERENT, note=f"no result {which}"))
        elif one.failed or two.failed:
            files.append(_verdict_on_failure(alias, one, two))
        else:
            fingerprints = (fingerprints_then.get(alias, {}), fingerprints_now.get(alias, {}))
            output = _output_difference(plan, alias, fingerprints[0].get(OUTPUT_STAGE))
            numbers = (one.measures, two.measures)
            files.append(
                equality.judge(alias, *fingerprints, output, numbers, same_machine, tolerance_db)
            )
    differences += [each for each in plan.differences if each not in differences]
    return Outcome(again.id, files, differences)


def tag_both_runs(plan: Plan, outcome: Outcome, records: Records, page: Path) -> None:
    """Tag both runs with one another, and keep the report with the new one."""
    record, again = plan.record, outcome.run_id
    address = f"#/experiments/{record.experiment_id}/runs/"
    reproduces = f"Reproduces [{record.name}]({address}{record.id}): **{outcome.verdict}**\n\n"
    tags = {REPRODUCES_TAG: record.id, VERDICT_TAG: outcome.verdict}
    records.tag(again, tags | {NOTE_TAG: reproduces + page.read_text()})
    for path in (page, page.with_suffix(".json")):
        records.keep(again, path)
    before = records.get(record.id)
    known = [each for each in before.tags.get(REPRODUCED_TAG, "").split(", ") if each]
    note = before.tags.get(NOTE_TAG, "")
    note += f"\n\nReproduced by [{again[:8]}]({address}{again}): {outcome.verdict}\n"
    records.tag(record.id, {REPRODUCED_TAG: ", ".join([*known, again]), NOTE_TAG: note})


def _verdict_on_failure(alias: str, then: FileResult, now: FileResult) -> FileVerdict:
    """The verdict on a file that failed in one of the runs, or in both."""
    reason = now.reason or then.reason
    if then.status == now.status:
        return FileVerdict(alias, BIT_EXACT, note=f"failed then and now: {reason}")
    when = "then" if then.failed else "now"
    return FileVerdict(alias, DIFFERENT, note=f"failed {when}: {reason}")


def _output_difference(
    plan: Plan, alias: str, fingerprint: Fingerprint | None
) -> equality.Difference | None:
    """Between the written files; None where that of then is not to be had.

    It is kept with the run, or still lies, unchanged, where it was written.
    """
    output = run_folder.output_of(kept_files.config(plan.record))
    name = run_folder.cleaned_file(alias, output)
    now, then = plan.folder / name, plan.record.artifact(name)
    left = Path(str(output.get("dir"))) / name
    try:
        if then is None and fingerprint is not None and left.is_file() and left != now:
            then = left if fingerprint_of(left) == fingerprint else None
        return equality.difference(then, now) if then is not None else None
    except AudioError:
        return None
