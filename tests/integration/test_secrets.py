"""A password is nowhere but where it was typed: it connects, and nothing that is left holds it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from speechclean.audio.sound_files import save
from tests.conftest import noise
from tests.integration.conftest import SMALL, environment
from tests.support.paths import ROOT
from tests.support.postgres import available
from tests.support.postgres import server as database
from tests.support.servers import free_port, tracking_server
from tests.support.waiting import LIMIT_S

pytestmark = pytest.mark.slow
SECRET = "hunter2"


def call(
    cwd: Path, module: str, *arguments: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """A command, with what it prints left in a file beside all that it writes."""
    settings = environment() | {"PYTHONPATH": str(ROOT)} | variables
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=cwd,
        env=settings,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    with (cwd / "printed.txt").open("a") as file:
        file.write(done.stdout + done.stderr)
    return done


def leaks(folder: Path) -> list[str]:
    """The files below a folder that hold the secret."""
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and SECRET.encode() in path.read_bytes()
    ]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder with an input and a server's store, and the server's address with a password; the
    server asks for none."""
    folder = tmp_path_factory.mktemp("place")
    save(noise(0.5), folder / "in" / "a.wav")
    port = free_port()
    with tracking_server(folder, port):
        yield folder, f"http://me:p@{SECRET}@127.0.0.1:{port}"


def inputs(folder: Path) -> tuple[str, ...]:
    return ("dataset=folder", f"dataset.pattern={folder}/in", *SMALL[:4])


def test_of_a_run_and_of_refused_commands_nothing_holds_it(place: tuple[Path, str]) -> None:
    folder, uri = place
    own = ("hydra.run.dir=out", "name=first", "output.ab_seconds=0")
    done = call(folder, "speechclean", *inputs(folder), f"tracking.uri={uri}", *own)
    assert done.returncode == 0, done.stderr
    # Each of them is refused in words of its own.
    wrong = (
        f"tracking.artifacts=s3://me:{SECRET}@bucket",
        f"tracking.nonsense={uri}",
        f"separators.embedded_hdemucs_q.overlap={uri}",
    )
    done = call(folder, "speechclean", *inputs(folder), f"tracking.uri={uri}", *wrong)
    assert done.returncode == 2, done.stdout + done.stderr
    assert all(f"{one.partition('=')[0]}" in done.stderr for one in wrong), done.stderr
    assert (folder / "out/.hydra/overrides.yaml").is_file()
    assert "uri: http://me:***@127.0.0.1" in (folder / "out/config.yaml").read_text()
    assert (
        "${oc.env:SPEECHCLEAN_TRACKING_URI}" in (folder / "out/.hydra/overrides.yaml").read_text()
    )
    assert not leaks(folder)
    assert list(folder.glob("**/artifacts/config.yaml")), "the server has the run"


def test_of_a_repetition_a_sweep_and_a_served_model_nothing_holds_it(
    place: tuple[Path, str],
) -> None:
    folder, uri = place
    run = ("hydra.run.dir=second", "name=second", "tracking.log_model=true", "output.ab_seconds=0")
    # From the environment it comes as a value of the config, not as a word of the command line.
    done = call(folder, "speechclean", *inputs(folder), *run, MLFLOW_TRACKING_URI=uri)
    assert done.returncode == 0, done.stderr
    again = ("run_id=second", "hydra.run.dir=again", f"tracking.uri={uri}")
    done = call(folder, "speechclean.reproduce", *again)
    assert done.returncode == 0, done.stdout + done.stderr
    sweep = (
        "-m",
        "hydra.sweep.dir=many",
        "postprocess.beta_wiener.beta=0,1",
        f"tracking.uri={uri}",
    )
    done = call(folder, "speechclean", *inputs(folder), *sweep)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "many/multirun.yaml").is_file()
    done = call(folder, "speechclean", *inputs(folder), *sweep, "hydra/launcher=joblib")
    assert done.returncode == 0, done.stdout + done.stderr
    done = call(
        folder, "speechclean.promote", "second", "x", "overwrite=true", f"tracking.uri={uri}x"
    )
    assert done.returncode == 2
    assert not leaks(folder)
    assert list(folder.glob("**/artifacts/**/MLmodel"))


def test_a_choice_of_ones_own_with_a_password_is_masked_in_all_that_is_made_of_it(
    place: tuple[Path, str],
) -> None:
    """In a yaml, which stays where it is; runs and sweeps keep copies of the config."""
    folder, uri = place
    own = folder.parent / "own_conf" / "tracking"
    own.mkdir(parents=True)
    target = "_target_: speechclean.records.tracking.MlflowTracker"
    (own / "ours.yaml").write_text(f"{target}\nuri: {uri}\nexperiment: ours\n")
    ours = (f"--config-dir={own.parent}", "tracking=ours")
    done = call(folder, "speechclean", *inputs(folder), *ours, "hydra.run.dir=third")
    assert done.returncode == 0, done.stdout + done.stderr
    swept = ("-m", "hydra.sweep.dir=several", "shifts=0,1")
    done = call(folder, "speechclean", *inputs(folder), *ours, *swept)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "several/multirun.yaml").is_file()
    assert not leaks(folder)


#: In a job's process, a run that fails with the store's address in its words; `FAILS` is set.
FAILING = """
import os, sys
if os.environ.get("FAILS") and any("submitit" in word for word in sys.orig_argv):
    import speechclean.experiment.run as run

    def broken(*_, **__):
        raise RuntimeError("no answer from " + os.environ["FAILS"])

    run.run_experiment = broken
"""


def test_of_jobs_that_a_cluster_runs_neither_pickles_nor_logs_hold_it(
    place: tuple[Path, str],
) -> None:
    """Launchers write what they send and what comes back: configs, files as they were read, errors
    with their tracebacks."""
    pytest.importorskip("submitit")
    folder, uri = place
    own = folder.parent / "cluster_conf" / "tracking"
    own.mkdir(parents=True)
    target = "_target_: speechclean.records.tracking.MlflowTracker"
    (own / "cluster.yaml").write_text(f"{target}\nuri: {uri}\nexperiment: cluster\n")
    (own / "sitecustomize.py").write_text(FAILING)
    line = (*inputs(folder), "hydra/launcher=submitit_local", "-m", "shifts=0,1")
    ours = (f"--config-dir={own.parent}", "tracking=cluster", "hydra.sweep.dir=cluster")
    done = call(folder, "speechclean", *line, *ours)
    assert done.returncode == 0, done.stdout + done.stderr
    typed = (f"tracking.uri={uri}", "hydra.sweep.dir=typed")
    failing = {"FAILS": uri, "PYTHONPATH": f"{own}:{ROOT}"}
    done = call(folder, "speechclean", *line, *typed, **failing)
    assert "no answer from http://me:***@127.0.0.1" in done.stderr, done.stdout + done.stderr
    for sweep, answers in (("cluster", 2), ("typed", 2)):
        jobs = folder / sweep / ".submitit"
        for kind in ("_submitted.pkl", "_result.pkl", "_log.err"):
            assert len(list(jobs.rglob(f"*{kind}"))) == answers, kind
    assert not leaks(folder)


def test_code_of_then_that_masks_nothing_leaves_it_nowhere(place: tuple[Path, str]) -> None:
    folder, uri = place
    clone = folder.parent / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True, capture_output=True)
    for part in ("speechclean", "conf"):  # what is tested may not be committed yet
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, clone / part, dirs_exist_ok=True, ignore=skipped)
    git = ["git", "-c", "user.name=n", "-c", "user.email=e@example.org", "-C", str(clone)]
    masking = clone / "speechclean/system/secrets.py"
    now = masking.read_text()
    assert 'MASK = "***"' in now
    then = re.sub(r"(def masked\w*\((\w+).*?:\n)", r"\1    return \2\n", now)
    masking.write_text(then)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "then"], check=True)
    code = {"PYTHONPATH": str(clone)}
    plain = "http://" + uri.partition("@hunter2@")[2].removeprefix("//")
    run = ("hydra.run.dir=then", "name=then", f"tracking.uri={plain}")
    done = call(folder, "speechclean", *inputs(folder), *run, **code)
    assert done.returncode == 0, done.stdout + done.stderr
    masking.write_text(now)
    subprocess.run([*git, "commit", "-qam", "now"], check=True)
    worktree = folder.parent / "worktree"  # whose tests hold the word
    again = ("run_id=then", "hydra.run.dir=once_more", f"--checkout={worktree}")
    done = call(folder, "speechclean.reproduce", *again, f"tracking.uri={uri}", **code)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"uri: {plain}" in (folder / "once_more/config.yaml").read_text()
    assert not leaks(folder)
    # The test can fail: that code, given the whole address, writes it down.
    elsewhere = folder.parent / "elsewhere"
    elsewhere.mkdir()
    nobody = ("tracking.required=false", "tracking.timeout_s=1", "hydra.run.dir=told")
    told = {"PYTHONPATH": str(worktree), "MLFLOW_TRACKING_URI": f"http://me:{SECRET}@127.0.0.1:9"}
    done = call(elsewhere, "speechclean", *inputs(folder), *nobody, **told)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "told/config.yaml" in leaks(elsewhere)


@pytest.mark.skipif(not available(), reason="no PostgreSQL programs here")
def test_the_password_of_a_studys_storage_is_in_nothing_that_a_sweep_leaves(
    place: tuple[Path, str],
) -> None:
    folder, uri = place
    with database() as address:
        storage = f"{address}/postgres?application_name=token&sslpassword={SECRET}"
        study = ("-m", "sweep=optuna", "sweep.n_trials=2", "metrics=[lufs]", "sweep.prune_p=0")
        goal = "sweep.objective={metric: lufs_cleaned, direction: maximize}"
        where = ("hydra.sweep.dir=study", f"sweep.storage={storage}", f"tracking.uri={uri}")
        space = "sweep.space={postprocess.beta_wiener.beta: 'choice(0,1)'}"
        # the default space turns the denoiser's knob, which these runs leave out
        words = [one for one in inputs(folder) if not one.startswith("enhancement=")]
        done = call(folder, "speechclean", *words, *study, goal, *where, space)
        assert done.returncode == 0, done.stdout + done.stderr
    assert not leaks(folder)
