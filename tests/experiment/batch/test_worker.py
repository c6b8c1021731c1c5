"""A worker gives what the pipeline gives, and an entry for whatever it is handed."""

from __future__ import annotations

import dataclasses
import errno
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from speechclean.audio.sound_files import load, save
from speechclean.audio.waveform import Audio
from speechclean.experiment import clean
from speechclean.experiment.batch import disk_errors, entry_writer, job_queue, reading, worker
from speechclean.experiment.batch.local_executor import LocalWorkers, _gpus
from speechclean.experiment.batch.ray_executor import RayActors
from speechclean.experiment.batch.task import Entry, Task
from speechclean.experiment.clean import Outcome
from speechclean.experiment.config.build import build
from speechclean.experiment.config.compose import composed
from speechclean.experiment.outputs import write_outputs
from speechclean.records import provenance
from speechclean.records.file_result import Status
from speechclean.system import parallel
from speechclean.system.extras import MissingPackage
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
            {**config, "audio_in_memory_s": 2.0}, [task(path) for path in paths], threads, pack
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
    large = work({**config, "audio_in_memory_s": 0.1}, [task(path)])["a"]
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


def passes(
    made: worker.Worker, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[list[str]], threading.Event]:
    """What a worker's models are given, pass by pass, in the place of cleaning it; the first pass
    waits for the event."""
    seen: list[list[str]] = []
    going = threading.Event()

    def screened(batch: Any, *_: Any) -> Iterator[Outcome]:
        seen.append([track.alias for track, _ in batch])
        assert going.wait(60)
        return iter([Outcome(track, reason="not cleaned") for track, _ in batch])

    monkeypatch.setattr(worker, "screened", screened)
    monkeypatch.setattr(
        made,
        "_write",
        lambda job, outcome: job.settle(
            made._entry_writer.failed(job.task, outcome.reason, job.input, job.started)
        ),
    )
    return seen, going


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        # What does not fit is the next pass's first, though the end of all stands behind it
        # already, or other files do.
        ({"a": 0.5, "b": 1.5, "c": 1.5}, [["a"], ["b"], ["c"]]),
        ({"a": 0.5, "b": 1.0, "c": 1.5, "d": 0.4}, [["a"], ["b"], ["c", "d"]]),
        ({"a": 0.5, "b": 1.0, "large": 3.0, "d": 0.4}, [["a"], ["b"], ["large"], ["d"]]),
        ({"a": 0.5, "b": 1.0, "c": 0.6}, [["a"], ["b", "c"]]),
    ],
)
def test_no_file_of_a_pack_overtakes_another_or_is_left_behind(
    config: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lengths: dict[str, float],
    expected: list[list[str]],
) -> None:
    monkeypatch.setattr(worker, "READERS", 1)  # which read in the order of submission
    made = worker.Worker(
        {**config, "audio_in_memory_s": 2.0}, Path(config["output"]["dir"]), "s", "w", pack=True
    )
    seen, going = passes(made, monkeypatch)
    first, *rest = [
        task(save(noise(seconds, 24000), tmp_path / f"{name}.wav"))
        for name, seconds in lengths.items()
    ]
    futures = [made.submit(first)]
    while not seen:  # it goes alone, since nothing else has been read
        threading.Event().wait(0.01)
    futures += [made.submit(one) for one in rest]
    closing = threading.Thread(target=made.close, daemon=True)
    closing.start()
    while made._decoded.qsize() <= len(rest):  # until the end stands behind the files
        threading.Event().wait(0.01)
    going.set()
    closing.join(60)
    assert all(future.done() for future in futures), "a future without an entry"
    assert seen == expected


def exits(*_: Any, **__: Any) -> Any:
    """What libraries do that were written as programs."""
    raise SystemExit("planted")


class Broken:
    """A pool whose threads could not be started."""

    def submit(self, *_: Any) -> None:
        raise RuntimeError("planted")

    def shutdown(self) -> None: ...


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize(
    "plant",
    [
        pytest.param(
            lambda patch, _: patch.setattr(entry_writer, "write_outputs", exits),
            id="a writer that exits",
        ),
        pytest.param(
            lambda patch, _: patch.setattr(worker, "screened", exits), id="models that exit"
        ),
        pytest.param(
            lambda patch, _: patch.setattr(reading, "read", exits), id="a reader that exits"
        ),
        pytest.param(
            lambda patch, _: patch.setattr(worker, "screened", lambda *_: iter(())),
            id="models without an answer",
        ),
        pytest.param(
            lambda patch, _: patch.setattr(entry_writer, "folder_error", exits),
            id="a failure whose report fails",
        ),
        pytest.param(
            lambda patch, made: patch.setattr(made, "_writers", Broken()), id="no writers"
        ),
        pytest.param(
            lambda patch, made: patch.setattr(made._decoded, "more", exits),
            id="a pack that cannot be made",
        ),
    ],
)
def test_whatever_fails_in_a_worker_every_file_has_its_entry(
    config: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    plant: Callable[[pytest.MonkeyPatch, worker.Worker], None],
    pack: bool,
) -> None:
    made = worker.Worker(config, Path(config["output"]["dir"]), "s", "w", pack)
    plant(monkeypatch, made)
    (tmp_path / "bad.wav").write_text("no sound")
    paths = [
        tmp_path / "bad.wav",
        *(save(noise(0.2, seed=number), tmp_path / f"{number}.wav") for number in range(3)),
    ]
    # before its end: nobody would close a batch's
    entries = [made.submit(task(path)).result(60) for path in paths]
    made.close()
    assert {one.result.status for one in entries} <= {Status.CLEANED, Status.FAILED}
    assert all(one.result.reason for one in entries if one.result.status == Status.FAILED)
    for thread in made._model_threads:
        assert not thread.is_alive()
    with pytest.raises(RuntimeError):
        made.submit(task(paths[0]))


def test_a_row_that_cannot_be_sent_is_its_files_failure(
    config: dict[str, Any], tmp_path: Path, monkeypatch: Any
) -> None:
    """Its entry could not be sent, and would be waited for."""
    odd: Any = {"odd_cleaned": object()}
    monkeypatch.setattr(
        entry_writer,
        "write_outputs",
        lambda *given: dataclasses.replace(write_outputs(*given), measures=odd),
    )
    (entry,) = work(config, [task(save(noise(0.2), tmp_path / "a.wav"))]).values()
    assert entry.result.status == Status.FAILED
    assert "not JSON serializable" in entry.result.reason


def test_a_stream_without_an_outcome_is_a_failure(
    config: dict[str, Any], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(worker, "stream", lambda *_: iter(()))
    path = save(noise(2.0, 16000), tmp_path / "a.wav")
    made = worker.Worker({**config, "stream_above_s": 1.0}, Path(config["output"]["dir"]), "s", "w")
    assert made.submit(task(path)).result(60).result.status == Status.FAILED
    made.close()


def test_a_closing_worker_answers_for_models_that_died(
    config: dict[str, Any], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(job_queue.JobQueue, "take", exits)
    # a thread's death is what is planted
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    paths = [save(noise(0.2, seed=number), tmp_path / f"{number}.wav") for number in range(3)]
    entries = work(config, [task(path) for path in paths])
    assert {one.result.status for one in entries.values()} == {Status.FAILED}
    assert all("the worker ended before" in one.result.reason for one in entries.values())


def test_an_interrupted_close_leaves_no_future_open(
    config: dict[str, Any], tmp_path: Path, monkeypatch: Any
) -> None:
    made = worker.Worker(config, Path(config["output"]["dir"]), "s", "w", pack=True)
    _, going = passes(made, monkeypatch)
    future = made.submit(task(save(noise(0.2), tmp_path / "a.wav")))

    def interrupted(**_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(made._readers, "shutdown", interrupted)
    with pytest.raises(KeyboardInterrupt):
        made.close()
    assert future.result(0).result.status == Status.FAILED
    going.set()
    monkeypatch.undo()
    made.close()


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
    assert not disk_errors.folder_error(OSError(errno.ENAMETOOLONG, "x"), tmp_path, 0)
    assert not disk_errors.folder_error(RuntimeError("x"), tmp_path, 0)
    assert "No space left" in disk_errors.folder_error(
        RuntimeError("System error."), tmp_path, 2**60
    )
    assert not list(tmp_path.iterdir())


def test_executors_refuse_what_they_cannot_do(monkeypatch: Any) -> None:
    for wrong in ({"only": "bad"}, {"workers": 0}, {"interval_s": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            LocalWorkers("out", **wrong)
        with pytest.raises(ValueError, match=next(iter(wrong))):
            RayActors("out", **wrong)
    monkeypatch.setattr("speechclean.system.extras._is_there", lambda _: False)
    with pytest.raises(MissingPackage, match=r"pip install .*\[ray\]"):
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
