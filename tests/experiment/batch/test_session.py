"""What a batch refuses, and what it leaves alone."""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf
from rich.console import Console

from speechclean.audio.sound_files import save
from speechclean.experiment.batch import Interrupted
from speechclean.experiment.batch.ledger import Ledger
from speechclean.experiment.batch.ledger_executor import LedgerExecutor
from speechclean.experiment.batch.leftovers import remove_leftovers
from speechclean.experiment.batch.session import BatchSession, outside
from speechclean.experiment.batch.task import Entry, Task
from speechclean.experiment.batch.worker_handle import Event, Inbox, Setup
from speechclean.experiment.batch.worker_pool import OpenPool, WorkerPool
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
    inside = [Track(str(number), save(noise(0.1), path)) for number, path in enumerate(paths)]
    assert [track.alias for track in outside(inside, tmp_path / "out")] == ["0", "2"]
    assert "1 files" in caplog.text


def test_leftovers_go_and_nothing_else(tmp_path: Path) -> None:
    kept = [
        tmp_path / "cleaned/a.wav",
        tmp_path / "cleaned/writing-b.wav",
        tmp_path / "elsewhere/x",
        tmp_path / "cleaned/.writing-notes.txt",
    ]
    gone = [
        tmp_path / "cleaned/.writing-0123456789ab.wav",
        tmp_path / ".streaming-abc_1234/fused.f32",
        tmp_path / ".probe-1",
    ]
    for path in kept + gone:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (tmp_path / "cleaned/.writing-ba9876543210").symlink_to(tmp_path / "elsewhere")
    remove_leftovers(tmp_path)
    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in gone)
    assert not (tmp_path / "cleaned/.writing-ba9876543210").is_symlink()


class Untidy:
    """A worker that leaves files half-written."""

    ended = False

    def __init__(self, folder: Path, number: int, events: Inbox) -> None:
        self.folder, self.number, self.events = folder, number, events
        events.put(Event(number, ready=3))

    def send(self, task: Task) -> None:
        (self.folder / "cleaned" / f".writing-{task.alias:0>12}.wav").write_text("half")
        (self.folder / f".streaming-{task.alias:a>8}").mkdir()
        self.events.put(Event(self.number, entry=entry(task.alias)))

    def close(self) -> None:
        self.ended = True

    def kill(self) -> None:
        self.ended = True


@dataclass(frozen=True)
class UntidyPool(WorkerPool):
    """Remembers its workers."""

    started: list[Untidy] = field(default_factory=list)

    @contextmanager
    def opened(self, setup: Setup) -> Iterator[OpenPool]:
        def start(number: int, events: Inbox) -> Untidy:
            self.started.append(Untidy(setup.folder, number, events))
            return self.started[-1]

        yield OpenPool(1, start)


def executor_of(folder: Path, ledger: Ledger, aliases: str) -> LedgerExecutor:
    tasks = [
        Task(alias, f"/in/{alias}.wav", f"cleaned/{alias}.wav", seconds=1.0) for alias in aliases
    ]
    return LedgerExecutor(UntidyPool("out"), Setup({}, folder, "s", "w"), tasks, ledger)


def tracks(aliases: str) -> list[Track]:
    return [Track(alias, Path(f"/in/{alias}.wav")) for alias in aliases]


@pytest.mark.parametrize("interrupted", [False, True])
def test_what_killed_workers_left_is_gone_with_the_batch(
    tmp_path: Path, monkeypatch: Any, interrupted: bool
) -> None:
    (tmp_path / "cleaned").mkdir()
    with Ledger(tmp_path) as ledger:
        if interrupted:

            def append(_entries: Sequence[Entry]) -> None:
                raise KeyboardInterrupt

            monkeypatch.setattr(ledger, "append", append)
        executor = executor_of(tmp_path, ledger, "ab")
        with pytest.raises(Interrupted) if interrupted else nullcontext():
            experiment: Any = None
            console = Console(file=io.StringIO())
            session = BatchSession(experiment, {}, tracks("ab"), {}, executor, console)
            found = [result.alias for result in session.results()]
            assert sorted(found) == ["a", "b"]
    assert isinstance(executor.pool, UntidyPool)
    assert executor.pool.started
    assert all(worker.ended for worker in executor.pool.started)
    assert not list((tmp_path / "cleaned").iterdir())
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_an_executor_cleans_the_tracks_that_it_is_given_and_has_a_task_for(tmp_path: Path) -> None:
    (tmp_path / "cleaned").mkdir()
    with Ledger(tmp_path) as ledger:
        executor = executor_of(tmp_path, ledger, "abc")
        found = [result.alias for result in executor.results(tracks("bcd")) if result]
        assert found == ["b", "c"]
        assert list(ledger.entries) == ["b", "c"]
        assert not list(executor.results(tracks("d"))), "no worker is started for nothing"
        assert isinstance(executor.pool, UntidyPool)
        assert len(executor.pool.started) == 1


def test_a_folder_that_takes_no_more_ends_the_batch_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cleaned").mkdir()
    with Ledger(tmp_path) as ledger:
        real = ledger.append

        def append(entries: Sequence[Entry]) -> None:
            if ledger.entries:
                raise OSError(errno.ENOSPC, "No space left on device")
            real(entries)

        monkeypatch.setattr(ledger, "append", append)
        executor = executor_of(tmp_path, ledger, "abcdefgh")
        found = [result.alias for result in executor.results(tracks("abcdefgh")) if result]
    assert found == ["a"], "what was in flight is waited for, and not said to be done"
    assert executor.stop.asked
    assert "takes no more: No space left" in executor.lost


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["delivery=zip", "batch=none"], "add batch=local"),
        (["batch.workers=0"], "batch.workers=0"),
        (["batch.only=some"], "batch.only='some'"),
        (["output.layout=heap"], "output.layout='heap'"),
        (["output.format=mp3"], "output.format='mp3'"),
        (["dataset.shard=4/4"], "dataset.shard='4/4'"),
        (["dataset=cleaned", "dataset.mixtures=a", "dataset.cleaned=a"], "batch=none"),
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
