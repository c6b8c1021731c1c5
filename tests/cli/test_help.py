"""Every command of the README says what it does on one screen, also into a pipe that closes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import environment
from tests.support.paths import ROOT

#: Each command as users type it, and what its help must name.
COMMANDS = {
    "-m speechclean": ("key=value", "sweep=optuna", "experiment"),
    "-m speechclean.reproduce": ("run_id=RUN", "--checkout[=FOLDER]", "require=VERDICT"),
    "-m speechclean.compare": ("RUN RUN", "tracking.uri=URI"),
    "-m speechclean.promote": ("RUN NAME", "conf/experiment", "overwrite=true"),
    "-m speechclean.batches.deliver": ("TARGET FOLDER", "shard_mib=N", ".zip"),
    "-m speechclean.evaluate": ("mixtures/", "set.csv", "speechclean --help"),
    "-m speechclean.weights": ("list", "fetch", "--experiment"),
    "-m speechclean tune": ("--budget TIME", "--files", "set.csv"),
    "-m speechclean ui": ("--max-mb", "--max-minutes", "127.0.0.1"),
    "-m speechclean.cache": ("stats", "older_than_days=N"),
    "-m speechclean.tracking": ("sync", "pending=FILE"),
}
#: The entry points that an installation makes, and the modules that they call.
ENTRY_POINTS = {
    "speechclean": "speechclean.cli.commands",
    "speechclean-evaluate": "speechclean.cli.evaluate",
    "speechclean-weights": "speechclean.cli.weights",
    "speechclean-cache": "speechclean.cli.cache",
    "speechclean-tracking": "speechclean.cli.sync",
}
SCREEN = 45


def python(words: str, *more: str) -> list[str]:
    return [sys.executable, *words.split(), *more]


#: One process imports everything once and forks for each command, and for each entry point.
FORKS = """
import importlib, json, os, runpy, sys
import speechclean.cli.run, speechclean.cli.evaluate, speechclean.cli.weights

for number, words in enumerate(json.loads(sys.stdin.read())):
    if not os.fork():
        for stream in (1, 2):
            os.dup2(os.open(f"../{number}.{stream}", os.O_WRONLY | os.O_CREAT), stream)
        sys.argv = ["python", *words[2:]]
        if words[0] == "-m":
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            importlib.import_module(words[1]).main()
        os._exit(0)
    if os.wait()[1]:
        sys.exit(f"{words} failed: " + open(f"../{number}.2").read())
"""


@pytest.fixture(scope="module")
def helps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    """What each command and entry point says on stdout and stderr; nothing is left behind."""
    folder = tmp_path_factory.mktemp("help") / "here"
    folder.mkdir()
    asked = [[*command.split(), "--help"] for command in COMMANDS]
    asked += [[name, module, "-h"] for name, module in ENTRY_POINTS.items()]
    done = subprocess.run(
        [sys.executable, "-c", FORKS],
        cwd=folder,
        env=environment() | {"PYTHONPATH": str(ROOT)},
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not list(folder.iterdir()), "help leaves nothing behind"
    said = [[(folder.parent / f"{n}.{to}").read_text() for to in (1, 2)] for n in range(len(asked))]
    names = [*COMMANDS, *ENTRY_POINTS]
    return {name: (out, err) for name, (out, err) in zip(names, said, strict=True)}


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command: str, helps: dict[str, tuple[str, str]]) -> None:
    out, err = helps[command]
    assert not err
    for word in (*COMMANDS[command], "Exit status", "xamples:"):
        assert word in out
    assert len(out.splitlines()) <= SCREEN


@pytest.mark.parametrize(
    "command",
    [
        "-m speechclean",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in COMMANDS
            if name != "-m speechclean"
        ),
    ],
)
def test_help_into_a_pipe_that_nobody_reads(command: str, tmp_path: Path) -> None:
    """What `--help | head -0` does: the reading end is closed before the first word."""
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.Popen(
        python(command, "--help"),
        cwd=tmp_path,
        env=environment() | {"PYTHONPATH": str(ROOT)},
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writing)
    _, said = process.communicate(timeout=120)
    assert said == ""
    assert process.returncode == 0


def test_the_entry_points_are_those_that_the_readme_names() -> None:
    import tomllib

    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {name: f"{module}:main" for name, module in ENTRY_POINTS.items()}


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_entry_points(name: str, helps: dict[str, tuple[str, str]]) -> None:
    out, err = helps[name]
    assert not err
    assert "Exit status" in out
