"""A worker gives what the pipeline gives, and an entry for whatever it is handed."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
import torch

from speechclean.audio.waveform import Audio, load, save
from speechclean.experiment import clean
from speechclean.experiment.batch import disk_errors, entry_writer, worker
from speechclean.experiment.batch.local_executor import LocalWorkers, _gpus
from speechclean.experiment.batch.ray_executor import RayActors
from speechclean.experiment.batch.task import Entry, Task
from speechclean.experiment.config.compose import composed
from speechclean.experiment.config.schema import build
from speechclean.records import provenance
from speechclean.records.file_result import Status
from speechclean.system import parallel
from tests.conftest import noise
from tests.experiment.batch.conftest import SMALL


def work(
    config: dict[str, Any], tasks: list[Task], threads: int = 2, pack: bool | None = None
) -> dict[str, Entry]:
    """The entries of a worker that has so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        made = worker.Worker(config, Path(config["output"]["dir"]), "s", "w", pack)
        futures = [made.submit(task) for task in tasks]
        made.close()
    finally:
        torch.set_num_threads(before)
    return {future.result().alias: future.result() for future in futures}


def task(path: Path, **other: Any) -> Task:
    return Task(path.stem, str(path), f"cleaned/{path.stem}.wav", **other)


def test_the_same_samples_as_the_pipelines_however_many_threads(
    config: dict[str, Any], tmp_path: Path
) -> None:
    paths = [
        save(noise(0.5 + number / 7, 16000, seed=number), tmp_path / f"{number}.wav")
        for number in range(5)
    ]
    cfg = composed(SMALL)
    cfg.output.dir, cfg.name = str(tmp_path), "x"
    expected = build(cfg).pipeline([load(path) for path in paths])
    for threads, pack in ((1, False), (2, False), (2, True)):
        entries = work(
            {**config, "batch_seconds": 2.0}, [task(path) for path in paths], threads, pack
        )
        for path, separation in zip(paths, expected, strict=True):
            written = save(separation.speech, tmp_path / "expected.wav")
            assert entries[path.stem].result.status == Status.CLEANED
            assert entries[path.stem].output_sha256 == provenance.file_hash(written)
            assert entries[path.stem].input.sha256 == provenance.file_hash(path)
            assert entries[path.stem].result.measures["lufs_cleaned"] is not None


def test_large_and_streamed_files_come_out_the_same(config: dict[str, Any], tmp_path: Path) -> None:
    path = save(noise(3.0, 16000), tmp_path / "a.wav")
    plain = work(config, [task(path)])["a"]
    large = work({**config, "batch_seconds": 0.1}, [task(path)])["a"]
    assert large.output_sha256 == plain.output_sha256
    output = tmp_path / "out/cleaned/a.wav"
    before = load(output).waveform
    streamed = work({**config, "stream_above_s": 1.0}, [task(path)])["a"]
    assert streamed.result.status == Status.CLEANED
    assert (load(output).waveform - before).abs().max() <= 1.01 / 32768
    assert not list((tmp_path / "out").glob(".streaming*"))


def test_whatever_is_wrong_with_a_file_is_its_own_failure(
    config: dict[str, Any], tmp_path: Path
) -> None:
    good = save(noise(0.3), tmp_path / "good.wav")
    (tmp_path / "text.wav").write_text("no sound at all")
    save(noise(0.3), tmp_path / "out/cleaned/text.wav")  # of an earlier config
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (out / "cleaned/linked").symlink_to(elsewhere)
    tasks = [task(tmp_path / "text.wav"), task(tmp_path / "missing.wav"), task(good)]
    tasks += [
        Task("leads_out", str(good), "cleaned/linked/x.wav"),
        Task("up", str(good), "cleaned/../../up.wav"),
    ]
    tasks += [Task("too_long", str(good), f"cleaned/{'x' * 300}.wav")]
    entries = work(config, tasks)
    assert {alias for alias, one in entries.items() if one.result.status == Status.CLEANED} == {
        "good"
    }
    assert {one.result.status for one in entries.values()} == {Status.CLEANED, Status.FAILED}
    assert "not a sound file" in entries["text"].result.reason
    assert "no such file" in entries["missing"].result.reason
    assert "leads out" in entries["leads_out"].result.reason
    assert "leads out" in entries["up"].result.reason
    assert not list(elsewhere.iterdir())
    assert not (out / "cleaned/text.wav").exists(), (
        "what failed leaves no output of another config behind"
    )
    assert not (tmp_path / "up.wav").exists()


def test_want_of_memory_beside_others_is_tried_alone(
    config: dict[str, Any], tmp_path: Path, monkeypatch: Any
) -> None:
    real = clean.screened

    def hungry(batch: Any, *rest: Any) -> Any:
        if parallel.beside() > 1 or batch[0][0].alias == "huge":
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return real(batch, *rest)

    monkeypatch.setattr(worker, "screened", hungry)
    paths = [
        save(noise(0.3, seed=number), tmp_path / f"{name}.wav")
        for number, name in enumerate(("a", "b", "huge"))
    ]
    entries = work(config, [task(path) for path in paths])
    assert [entries[name].result.status for name in ("a", "b", "huge")] == [
        Status.CLEANED,
        Status.CLEANED,
        Status.FAILED,
    ]
    assert "not enough memory, even alone" in entries["huge"].result.reason


def test_a_full_disk_is_no_files_fault(
    config: dict[str, Any], tmp_path: Path, monkeypatch: Any
) -> None:
    path = save(noise(0.3), tmp_path / "a.wav")

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(entry_writer, "write_outputs", full)
    entry = work(config, [task(path)])["a"]
    assert entry.result.status == Status.LOST
    assert "No space left" in entry.result.reason


def test_errors_of_one_file_are_told_from_those_of_the_folder(tmp_path: Path) -> None:
    assert not disk_errors.loss(OSError(errno.ENAMETOOLONG, "x"), tmp_path, 0)
    assert not disk_errors.loss(RuntimeError("x"), tmp_path, 0)
    assert "No space left" in disk_errors.loss(RuntimeError("System error."), tmp_path, 2**60)
    assert not list(tmp_path.iterdir())


def test_executors_refuse_what_they_cannot_do(monkeypatch: Any) -> None:
    for wrong in ({"only": "bad"}, {"workers": 0}, {"interval_s": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            LocalWorkers("out", **wrong)
        with pytest.raises(ValueError, match=next(iter(wrong))):
            RayActors("out", **wrong)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ImportError, match=r"pip install .*\[ray\]"):
        RayActors("out").check()


def test_a_cluster_that_is_not_there_is_said_at_once() -> None:
    pytest.importorskip("ray")
    with pytest.raises(ConnectionError, match="nobody answers"):
        RayActors("out", address="ray://127.0.0.1:1").check()


def test_each_gpu_has_a_worker(monkeypatch: Any) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert _gpus("auto", {}) == ["0", "1"]
    assert _gpus("cuda", {"CUDA_VISIBLE_DEVICES": "3,5"}) == ["3", "5"]
    assert _gpus("cuda:1", {}) == _gpus("cpu", {}) == []


def test_silence_needs_no_models(config: dict[str, Any], tmp_path: Path) -> None:
    path = save(Audio(torch.zeros(1, 24000), 24000), tmp_path / "a.wav")
    entry = work(config, [task(path)])["a"]
    assert entry.result.verdict == "passed through"
    assert not load(tmp_path / "out/cleaned/a.wav").waveform.any()
