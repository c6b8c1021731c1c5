"""The repetition of a run: `python -m speechclean` on its config, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from speechclean.records import run_folder
from speechclean.records.tracking import Record, Records
from speechclean.system.resources import PACKAGE
from speechclean.system.secrets import holds_secret

from . import credentials, rerun_config
from .plan import Plan
from .rerun_config import ReproductionError

#: Code that masks passwords has this file.
_MASKING = "speechclean/system/secrets.py"
#: A run ends with these when all of its files were cleaned, and when some failed.
FINISHED_STATUSES = (0, 1)


def run(
    plan: Plan, records: Records, code: Path | None = None, python: str | None = None
) -> Record:
    """Run it again; the record of the new run. Raises `ReproductionError` if it breaks.

    code: folder of the package that runs it, None for the package of now; python: interpreter,
        None for this one.
    """
    work = plan.folder / "reproduce"
    address, variables = (records.store.uri, {}) if code is None else _told(records, code)
    code = code or PACKAGE.parent
    run_folder.write_text(plan.inputs.manifest(), work / run_folder.INPUTS)
    config = rerun_config.primary_config(plan.cfg, plan.folder, code)
    run_folder.write_text(config, work / "reproduced.yaml")
    environment = {**os.environ, "PYTHONPATH": str(code), "OMP_NUM_THREADS": str(plan.threads)}
    environment.pop("SPEECHCLEAN_PARENT_RUN", None)
    environment |= {rerun_config.URI_VARIABLE: address, **variables}
    if code != PACKAGE.parent:
        environment.pop("MLFLOW_TRACKING_URI", None)  # the same address, as a whole
    own_config = ["--config-dir", str(work), "--config-name", "reproduced"]
    line = [python or sys.executable, "-m", "speechclean", *own_config]
    since = int(time.time() * 1000) - 1000
    process = subprocess.Popen(line, cwd=plan.folder, env=environment)
    try:
        status = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    record = records.by_process(plan.record.experiment_id, process.pid, since)
    if record is None or status not in FINISHED_STATUSES:
        raise ReproductionError(
            f"the repetition broke (exit status {status}); {work} holds its config, "
            "its words are above"
        )
    return record


def _told(records: Records, code: Path) -> tuple[str, dict[str, str]]:
    """What code of then is told of the store: its address, and variables with the password.

    Raises `ReproductionError` where code that masks none would get one to see.
    """
    address, variables = credentials.apart(records.store.uri)
    if holds_secret(address) and not (code / _MASKING).is_file():
        raise ReproductionError(
            f"the code of then masks no passwords, and would write that of {records.store.shown} "
            "into its record; give the address without it (MLFLOW_TRACKING_TOKEN, ~/.pgpass or "
            "what your database reads), or leave out --checkout"
        )
    return address, variables
