"""`speechclean`, `python -m speechclean`: one run, or with -m a sweep."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import ConfigCompositionException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig

from speechclean.experiment.batch import BatchError
from speechclean.experiment.config.command_line import problems_of
from speechclean.experiment.config.config_files import old_names_in_files
from speechclean.experiment.config.errors import ConfigError, cannot_be_written
from speechclean.experiment.config.old_names import in_overrides
from speechclean.experiment.config.packages import STUDY
from speechclean.records.tracking import TrackingError
from speechclean.sweep.settings import VARIABLE, FilesFailedError, StudyError
from speechclean.system.extras import missing
from speechclean.system.resources import conf_dir

from . import jobs
from .endings import fail, quiet_on_closed_pipe
from .hydra_files import answer_masked, write_hydra_files
from .typed_secrets import as_variables
from .waiting import said_if_slow, show_long_loops

#: 0 all well, 1 some files failed, 2 the config cannot run, 3 the tracking store was lost on the
#: way (all outputs are there), 130 stopped by Ctrl-C. Batches add 4 to 6 (`experiment.batch`).
FILES_FAILED, CONFIG_WRONG, TRACKING_LOST, STOPPED = 1, 2, 3, 130
#: What users type for a batch, and what Hydra is told.
SHORT = {
    "--force": "batch.force=true",
    "only=failed": "batch.only=failed",
    "force=true": "batch.force=true",
}

#: All that Hydra may call of what its own section of a config names.
HYDRA_MAY_CALL = [
    "speechclean.cli.jobs.Jobs",
    "speechclean.cli.hydra_files.MaskedSweep",
    "speechclean.sweep.sweeper.StudySweeper",
    "speechclean.system.secrets.MaskingFormatter",
    "logging.*",
]

#: Configs of the runs that Hydra began in this process, and how a single one ended in words.
_begun: list[DictConfig] = []
_ended: list[Exception] = []


@hydra.main(config_path=str(conf_dir()), config_name="config", execution_whitelist=HYDRA_MAY_CALL)
def _run(cfg: DictConfig) -> float | None:
    from speechclean.experiment.process import set_up_process

    set_up_process(batch=cfg.batch is not None)
    job = HydraConfig.get()
    write_hydra_files(job, cfg)
    _begun.append(cfg)
    with answer_masked(cfg):
        return _job_of(cfg, job)


def _job_of(cfg: DictConfig, job: Any) -> float | None:
    """A run or a job of a sweep, `job` being Hydra's node of it."""
    from speechclean.experiment.config.run_name import run_name
    from speechclean.experiment.run import run_experiment

    sweeping = job.mode == RunMode.MULTIRUN
    if sweeping and cfg.sweep and (trial := os.environ.get(VARIABLE)):
        from speechclean.sweep.trial import run_trial  # here, since not everybody has Optuna

        run_trial(cfg, int(trial), Path(job.sweep.dir), {"sweep": str(job.sweep.dir)})
        return None
    swept = {"sweep": str(job.sweep.dir), "trial": str(job.job.num)} if sweeping else {}
    try:
        called = run_name(cfg.name, job)
        result = run_experiment(cfg, swept, sweeping=sweeping, name=called)
    except (ConfigError, TrackingError, BatchError) as error:
        if sweeping:  # Hydra notes of which job it is, and goes on with the others
            raise
        _ended.append(error)  # Hydra would print the overrides above the message
        return None
    if sweeping:
        jobs.leave_note(job, called, result.headline, result.failed)
    else:
        jobs.record_failed(result.failed)
    return result.means.get("si_sdr_improvement")


@quiet_on_closed_pipe
def main() -> None:
    """`speechclean [key=value ...]`: one run, or with -m a sweep; exits with the status."""
    # Hydra prints its own short trace and exits with 1 unless told to let exceptions pass.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    typed = in_overrides([SHORT.get(argument, argument) for argument in sys.argv[1:]])
    sys.argv[1:] = as_variables(typed)
    show_long_loops()
    with errors_as_exit_status():
        if {"-m", "--multirun"} & set(sys.argv[1:]) and not missing(STUDY):
            from speechclean.sweep.sweeper import StudySweeper  # here, since Optuna takes a second

            Plugins.instance().register(StudySweeper)
        with said_if_slow("checking the config, its inputs and the tracking store"):
            problems = problems_of(sys.argv[1:])
        if problems:
            raise ConfigError(problems)
        try:
            with old_names_in_files():
                _run()
        except OSError as error:  # Hydra makes the folder of a run before it calls the run
            if _begun:
                raise
            reason = error.strerror or str(error)
            problem = cannot_be_written("hydra.run.dir", error.filename, reason)
            raise ConfigError([problem]) from error
        if _ended:
            raise _ended.pop()
    sys.exit(FILES_FAILED if jobs.any_failed() else 0)


@contextmanager
def errors_as_exit_status() -> Iterator[None]:
    """Errors that the user can mend end the process, in words and with their exit status."""
    try:
        yield
    except (ConfigError, StudyError, ConfigCompositionException, OverrideParseException) as error:
        fail(error, CONFIG_WRONG)
    except FilesFailedError as error:
        fail(error, FILES_FAILED)
    except TrackingError as error:
        fail(error, TRACKING_LOST)
    except BatchError as error:
        fail(error, error.status)
    except KeyboardInterrupt:  # batches have their own words while workers are busy
        fail("stopped by Ctrl-C", STOPPED)
