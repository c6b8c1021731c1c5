"""A password is nowhere but where it was typed: it connects, and nothing that is left holds it."""

from __future__ import annotations

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
