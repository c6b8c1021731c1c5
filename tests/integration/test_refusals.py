"""A command that is refused leaves no file: not in its folder, not in a cache, not for a moment."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from speechclean.networks.weights import search_path
from tests.integration.conftest import environment
from tests.support.paths import ROOT

#: One process imports everything once and forks for each command; an audit hook notes whatever a
#: command makes, renames, removes or opens for writing, even if it is gone at the end.
PROGRAM = """
import json, os, sys
from pathlib import Path
import mlflow.tracking
from speechclean.cli import evaluate, run
from speechclean.sweep import sweeper

made = []
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], int):
        return  # a stream that is open already
    if event == "open" and arguments[2] & WRITES and arguments[0] != os.devnull:
        made.append(f"open {arguments[0]}")
    elif event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink"):
        made.append(f"{event} {arguments[0]}")
    elif event == "sqlite3.connect" and "mode=ro" not in str(arguments[0]):
        made.append(f"sqlite3 {arguments[0]}")

def write():
    import sqlite3, tempfile
    Path("folder").mkdir()
    tempfile.TemporaryFile(dir="folder").close()
    sqlite3.connect("store.db").close()

for name, entry, arguments in json.loads(sys.stdin.read()):
    folder = Path(name).absolute()
    if not os.fork():
        os.chdir(folder)
        sys.argv = ["speechclean", *arguments]
        with open(folder.with_suffix(".err"), "w") as said:
            os.dup2(said.fileno(), 2)
        sys.addaudithook(watch)
        try:
            {"run": run.main, "evaluate": evaluate.main, "write": write}[entry]()
            status = 0
        except SystemExit as end:
            status = end.code
        except BaseException as error:
            status = repr(error)
        watched = list(made)
        folder.with_suffix(".json").write_text(json.dumps([status, watched]))
        os._exit(0)
    os.wait()
"""
STUDY = ("-m", "sweep=optuna", "tracking.required=true")
#: What is asked, and what the refusal says.
REFUSED = {
    "misspelt_key": ("run", ["shfts=3"], "did you mean shifts"),
    "wrong_type": ("run", ["overlap=wide"], "'wide'"),
    "out_of_range": ("run", ["enhancement.wet=9"], "enhancement.wet=9"),
    "unknown_choice": ("run", ["metrics=[foo]"], "'foo'"),
    "missing_weights": ("run", ["separators=[htdemucs_ft]"], "published weights"),
    "no_inputs": ("run", ["dataset=folder", "dataset.pattern=nix/*.wav"], "matches no sound file"),
    "no_manifest": ("run", ["dataset=manifest", "dataset.path=gone.csv"], "no such file"),
    "unwritable_folder": ("run", ["hydra.run.dir=/proc/nowhere/x"], "cannot be written"),
    "only_the_attempt_tells": ("run", ["hydra.run.dir=../dangling"], "cannot be written"),
    "unwritable_cache": (
        "run",
        ["cache.enabled=true", "cache.dir=/proc/nowhere"],
        "cache.dir=/proc/nowhere: cannot be written",
    ),
    "store_that_is_down": ("run", ["tracking.uri=http://127.0.0.1:9"], "127.0.0.1:9"),
    "store_in_a_folder": ("run", ["tracking.uri=./mlruns"], "no longer keeps runs in a folder"),
    "study_without_m": ("run", ["sweep=optuna"], "only with -m"),
    "sweep_misspelt": ("run", ["-m", "shfts=1,2"], "did you mean shifts"),
    "sweep_second_value": ("run", ["-m", "overlap=0.1,7", "shifts=1,2"], "overlap=7"),
    "sweep_grammar": ("run", ["-m", "shifts=1,2,("], "shifts=1,2,("),
    "sweep_no_inputs": (
        "run",
        ["-m", "shifts=1,2", "dataset=folder", "dataset.pattern=nix"],
        "matches no sound file",
    ),
    "study_settings": ("run", [*STUDY, "sweep.sampler=guess"], "sweep.sampler='guess'"),
    "study_misspelt": ("run", [*STUDY, "shfts=3"], "did you mean shifts"),
    "study_space": ("run", [*STUDY, "sweep.space={shfts: 'choice(1,2)'}"], "shfts"),
    "study_goals": (
        "run",
        [*STUDY, "sweep.objective={terms:{pesq_improvement:1},direction:maximize}"],
        "pesq_improvement",
    ),
    "study_unmeasured": (
        "run",
        [*STUDY, "sweep.objective={metric: pesq_cleaned, direction: maximize}", "metrics=[lufs]"],
        "needs the metric pesq",
    ),
    "batch_workers": ("run", ["batch=local", "batch.workers=0"], "batch.workers=0"),
    "batch_shards": ("run", ["-m", "batch=local", "dataset.shard=0/2,2/2"], "dataset.shard='2/2'"),
    "evaluate_no_folder": ("evaluate", ["in", "out"], "in: no such folder"),
}


#: One of each door: the rest are slow tests.
QUICK = (
    "misspelt_key",
    "no_inputs",
    "unwritable_folder",
    "only_the_attempt_tells",
    "study_unmeasured",
    "batch_workers",
)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with one folder for each command of `QUICK`, which has run there."""
    yield from _refused(tmp_path_factory.mktemp("quick"), QUICK)


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The same of all other commands."""
    names = [name for name in REFUSED if name not in QUICK]
    yield from _refused(tmp_path_factory.mktemp("rest"), names)


def _refused(folder: Path, names: Sequence[str]) -> Iterator[Path]:
    for name in names:
        (folder / name).mkdir()
    elsewhere = {key: str(folder / "home") for key in ("HOME", "XDG_CACHE_HOME", "TORCH_HOME")}
    elsewhere["SPEECHCLEAN_WEIGHTS"] = str(search_path.folders()[0])  # where the default's are
    (folder / "control").mkdir()
    (folder / "dangling").symlink_to("/proc/nowhere")
    (folder / "home").mkdir()
    own = environment() | elsewhere | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    asked = [(name, *REFUSED[name][:2]) for name in names]
    asked.append(("control", "write", []))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(asked),
        cwd=folder,
        env=own,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    yield folder
    assert not list((folder / "home").iterdir())


@pytest.mark.parametrize(
    "name",
    [
        *QUICK,
        *(pytest.param(one, marks=pytest.mark.slow) for one in REFUSED if one not in QUICK),
    ],
)
def test_a_refused_command_leaves_no_file(request: pytest.FixtureRequest, name: str) -> None:
    refusals: Path = request.getfixturevalue("quick" if name in QUICK else "rest")
    said = (refusals / f"{name}.err").read_text()
    status, made = json.loads((refusals / f"{name}.json").read_text())
    assert status == 2, said
    assert REFUSED[name][2] in said
    assert "Traceback" not in said
    assert list((refusals / name).iterdir()) == []
    if name != "only_the_attempt_tells":
        assert made == []


def test_what_is_written_is_noticed(quick: Path) -> None:
    _, made = json.loads((quick / "control.json").read_text())
    assert {one.split()[0] for one in made} == {"os.mkdir", "open", "sqlite3"}
