"""What a batch refuses, and what it leaves alone."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf
from rich.console import Console

from speechclean.audio.sound_files import save
from speechclean.experiment.batch import Interrupted
from speechclean.experiment.batch.interrupt import Stop
from speechclean.experiment.batch.ledger import Ledger
from speechclean.experiment.batch.plan import Plan
from speechclean.experiment.batch.session import BatchSession, outside, remove_leftovers
from speechclean.experiment.batch.task import Entry, Task
from speechclean.experiment.batch.worker_handle import Setup
from speechclean.experiment.config.build import build
from speechclean.experiment.config.compose import composed
from speechclean.experiment.config.errors import ConfigError
from speechclean.experiment.config.resolvers import batch_name
from speechclean.stages.types import Track
from tests.conftest import noise
from tests.experiment.batch.conftest import SMALL, entry


def test_outputs_inside_the_data_set_are_not_cleaned_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paths = [tmp_path / "a.wav", tmp_path / "out/cleaned/a.wav", tmp_path / "output.wav"]
    tracks = [Track(str(number), save(noise(0.1), path)) for number, path in enumerate(paths)]
    assert [track.alias for track in outside(tracks, tmp_path / "out")] == ["0", "2"]
    assert "1 files" in caplog.text


def test_leftovers_go_and_nothing_else(tmp_path: Path) -> None:
    kept = [
        tmp_path / "cleaned/a.wav",
        tmp_path / "cleaned/writing-b.wav",
        tmp_path / "elsewhere/x",
    ]
    gone = [
        tmp_path / "cleaned/.writing-c.wav",
        tmp_path / ".streaming-d/fused.f32",
        tmp_path / ".probe-1",
    ]
    for path in kept + gone:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (tmp_path / "cleaned/.writing-link").symlink_to(tmp_path / "elsewhere")
    remove_leftovers(tmp_path)
    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in gone)
    assert not (tmp_path / "cleaned/.writing-link").is_symlink()


class Executor:
    """One whose workers leave files half-written when they are killed."""

    interval_s = 30.0
    ended = False

    def entries(self, tasks: Sequence[Task], setup: Setup, _stop: Stop) -> Iterator[Entry | None]:
        try:
            for task in tasks:
                (setup.folder / "cleaned" / f".writing-{task.alias}.wav").write_text("half")
                (setup.folder / f".streaming-{task.alias}").mkdir()
                yield entry(task.alias)
        finally:
            self.ended = True


@pytest.mark.parametrize("interrupted", [False, True])
def test_what_killed_workers_left_is_gone_with_the_batch(
    tmp_path: Path, monkeypatch: Any, interrupted: bool
) -> None:
    (tmp_path / "cleaned").mkdir()
    tasks = [Task(alias, f"/in/{alias}.wav", f"cleaned/{alias}.wav", seconds=1.0) for alias in "ab"]
    executor, setup = Executor(), Setup({}, tmp_path, "s", "w")
    with Ledger(tmp_path) as ledger:
        if interrupted:

            def append(_entries: Sequence[Entry]) -> None:
                raise KeyboardInterrupt

            monkeypatch.setattr(ledger, "append", append)
        with pytest.raises(Interrupted) if interrupted else nullcontext():
            experiment: Any = SimpleNamespace(batch=executor)
            console = Console(file=io.StringIO())
            session = BatchSession(experiment, {}, [], ledger, Plan(tasks, {}), setup, console)
            list(session.results())
    assert executor.ended, "its workers are gone by then"
    assert not list((tmp_path / "cleaned").iterdir())
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["delivery=zip", "batch=none"], "add batch=local"),
        (["batch.workers=0"], "batch.workers=0"),
        (["batch.only=some"], "batch.only='some'"),
        (["output.layout=heap"], "output.layout='heap'"),
        (["dataset.shard=4/4"], "dataset.shard='4/4'"),
        (["dataset=finished", "dataset.mixtures=a", "dataset.cleaned=a"], "batch=none"),
    ],
)
def test_config_errors_are_said_before_any_work(
    tmp_path: Path, overrides: list[str], said: str
) -> None:
    cfg = composed([*SMALL, *overrides])
    cfg.output.dir, cfg.name = str(tmp_path), "x"
    with pytest.raises(ConfigError) as refused:
        build(cfg)
    assert said in str(refused.value)


def test_a_folder_for_each_data_set_and_shard() -> None:
    one = {
        "_target_": "speechclean.stages.datasets.folder.Folder",
        "pattern": "tts/*.wav",
        "shard": None,
    }
    assert batch_name(one) == batch_name({**one})
    assert batch_name(OmegaConf.create({**one, "pattern": "???"}))
    names = [batch_name(one), batch_name({**one, "pattern": "tts/**"}), batch_name(one, 3)]
    names += [batch_name({**one, "shard": f"{number}/2"}, number) for number in (0, 1)]
    assert len(set(names)) == len(names)
    assert batch_name({**one, "shard": "1/2"}, 0) == batch_name({**one, "shard": "1/2"}, 1), (
        "whichever of the sweep's jobs"
    )


def test_slurm_gets_a_job_for_each_shard() -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    cfg = composed([*SMALL, "hydra/launcher=slurm", "dataset.shard=0/2"], with_hydra=True)
    assert cfg.hydra.launcher._target_.endswith("SlurmLauncher")
    assert cfg.hydra.launcher.max_num_timeout > 0
    HydraConfig.instance().set_config(cfg)
    assert cfg.hydra.sweep.subdir == batch_name(cfg.dataset)
