"""A run from the command line: what it prints, what it leaves behind, how it ends."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from speechclean.audio.sound_files import load, probe, save
from speechclean.audio.waveform import Audio
from speechclean.stages.datasets.manifest import Pilot
from tests.conftest import noise
from tests.integration.conftest import SMALL, Command, environment
from tests.support.waiting import wait_for


def rows(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return {row["alias"]: row for row in csv.DictReader(file)}


def test_the_pilot_keeps_its_promises(speechclean: Command, tmp_path: Path) -> None:
    """What `make run` does: a command without a word. It takes music out: 5 dB more of the voice's
    own signal, 10 dB less in the pauses, no burst at an end, and fewer words are lost than in the
    mixtures."""
    done = speechclean()
    assert done.returncode == 0, done.stderr
    assert "6 of 6 files cleaned" in done.stdout
    (out,) = tmp_path.glob("outputs/*/*")
    means = json.loads((out / "metrics.json").read_text())["means"]
    assert means["si_sdr_improvement"] >= 5
    assert means["wer_deletions_cleaned"] <= means["wer_deletions_mixture"]
    assert means["wer_cleaned"] <= means["wer_mixture"] + 0.02
    assert means["words_lost_cleaned"] < means["words_lost_mixture"]
    assert means["edge_burst_db_cleaned"] <= 5
    assert means["music_residual_db_mixture"] - means["music_residual_db_cleaned"] >= 10
    assert means["stoi_cleaned"] > means["stoi_mixture"]
    for track in Pilot().tracks():
        before, after = probe(track.path), probe(out / f"cleaned/{track.alias}.wav")
        assert before == after, "rate, channels, samples and bit depth are kept"
        for kind in ("mixture", "cleaned", "residual"):
            assert probe(out / f"ab/{track.alias}_{kind}.flac").samples
        assert (out / f"plots/{track.alias}.png").stat().st_size > 10_000
    assert set(rows(out)) == {track.alias for track in Pilot().tracks()}
    assert "si_sdr" in (out / "summary.md").read_text()
    origin = json.loads((out / "provenance.json").read_text())
    assert len(origin["inputs"]) == 6
    networks = {"3ea62752", "enc", "erb_dec", "df_dec", "testcheckpoint1"}
    assert networks | {"whisper_base_ct2/model.bin"} <= set(origin["weights"])

    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    (run,) = client.search_runs(
        [experiment.experiment_id for experiment in client.search_experiments()]
    )
    assert run.info.status == "FINISHED"
    assert run.data.metrics["si_sdr_improvement"] == pytest.approx(means["si_sdr_improvement"])
    assert 20 <= len(run.data.params) <= 75  # the knobs of three separators
    assert run.data.tags["signature"] == origin["signature"]
    assert len(client.get_metric_history(run.info.run_id, "file.si_sdr_cleaned")) == 6
    top = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
    assert {
        "ab",
        "plots",
        "config.yaml",
        "overrides.yaml",
        "provenance.json",
        "summary.md",
        "metrics.csv",
    } <= top


@pytest.mark.slow
def test_bad_files_are_named_and_the_others_finished(speechclean: Command, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    clip = load(Pilot().tracks()[0].path)
    short = Audio(clip.waveform[:, : clip.sample_rate // 10], clip.sample_rate)
    good = {
        "ünïcödé 音声": clip,
        "tenth_of_a_second": short,
        "one_sample": Audio(clip.waveform[:, :1], clip.sample_rate),
        "tail_of_61": Audio(noise(10.0).waveform[:, : 3 * 24000 + 61], 24000),
        "silence": Audio(torch.zeros(1, 8000), 8000),
        "eight_channels": noise(0.6, 48000, channels=8),
        "rate_192_khz": noise(0.6, 192000),
        "loud": noise(0.6, 16000, level=3.0),
    }
    for name, audio in good.items():
        save(audio, folder / f"{name}.wav", "PCM_24")
    whole = (folder / "silence.wav").read_bytes()
    (folder / "empty.wav").write_bytes(b"")
    soundfile.write(folder / "header_only.wav", np.zeros(0), 16000)
    (folder / "truncated.wav").write_bytes(whole[:9000])
    (folder / "text.wav").write_text("this is no sound " * 40)
    soundfile.write(folder / "nan.wav", np.full(9000, np.nan), 16000, subtype="FLOAT")
    (folder / "folder.wav").mkdir()
    bad = {"empty", "header_only", "truncated", "text", "nan", "folder"}
    done = speechclean(*SMALL, "dataset=folder", "dataset.pattern=in/*.wav", "hydra.run.dir=out")
    assert done.returncode == 1, done.stderr
    found = rows(tmp_path / "out")
    assert {alias for alias, row in found.items() if row["status"] == "failed"} == bad
    assert all(
        f"{alias}.wav" in found[alias]["reason"] and f"{alias}.wav" in done.stdout for alias in bad
    )
    written = {path.stem: path for path in (tmp_path / "out/cleaned").iterdir()}
    assert set(written) == set(found) - bad
    assert len(written) == len(good)
    for name, audio in good.items():
        info = probe(written[name.replace(" ", "_")])
        assert (info.channels, info.samples, info.sample_rate) == (
            audio.channels,
            audio.samples,
            audio.sample_rate,
        )
        assert info.subtype == "PCM_24"
    assert not load(written["silence"]).waveform.any()
    assert not list((tmp_path / "out").rglob(".writing*"))


@pytest.mark.slow
def test_config_errors_come_before_any_work(speechclean: Command, tmp_path: Path) -> None:
    done = speechclean(
        "shfts=3",
        "metrics=[foo]",
        "enhancement.wet=9",
        "dataset=folder",
        "dataset.pattern=nix/*.wav",
    )
    assert done.returncode == 2
    for expected in (
        "4 problems",
        "did you mean shifts",
        "'foo'",
        "enhancement.wet=9",
        "nix/*.wav",
    ):
        assert expected in done.stderr
    assert "Traceback" not in done.stderr
    done = speechclean("postprocess.beta_wiener.beta=abc", "tracking=none")
    assert done.returncode == 2
    assert "postprocess.beta_wiener.beta=abc" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("*.wav"))


@pytest.mark.slow
def test_the_same_run_gives_the_same_bytes_in_any_order(
    speechclean: Command, tmp_path: Path
) -> None:
    names = {}
    for order, tracks in enumerate((Pilot().tracks()[:3], Pilot().tracks()[2::-1])):
        table = tmp_path / f"set{order}.csv"
        table.write_text(
            "path,alias\n" + "".join(f"{track.path},{track.alias}\n" for track in tracks)
        )
        done = speechclean(
            *SMALL, "dataset=manifest", f"dataset.path={table.name}", f"hydra.run.dir=out{order}"
        )
        assert done.returncode == 0, done.stderr
        names[order] = {
            path.name: path.read_bytes() for path in (tmp_path / f"out{order}/cleaned").iterdir()
        }
    assert names[0] == names[1]


@pytest.mark.slow
def test_long_files_go_through_the_disk_and_come_out_the_same(
    speechclean: Command, tmp_path: Path
) -> None:
    table = tmp_path / "set.csv"
    track = Pilot().tracks()[0]
    table.write_text(f"path,alias\n{track.path},a\n")
    arguments = [
        *SMALL[:3],
        "metrics=[lufs,wer]",
        "tracking=none",
        "dataset=manifest",
        f"dataset.path={table}",
    ]
    for name, above in (("memory", 300), ("disk", 2)):
        done = speechclean(
            *arguments, f"stream_above_s={above}", f"hydra.run.dir={name}", "output.ab_seconds=2"
        )
        assert done.returncode == 0, done.stderr
    memory, disk = (load(tmp_path / name / "cleaned/a.wav").waveform for name in ("memory", "disk"))
    assert (memory - disk).abs().max() <= 1.01 / 32768, "within one step of 16 bits"
    assert probe(tmp_path / "disk/ab/a_cleaned.flac").samples
    values = [float(rows(tmp_path / name)["a"]["lufs_cleaned"]) for name in ("memory", "disk")]
    assert values[0] == pytest.approx(values[1], abs=0.01)
    assert rows(tmp_path / "disk")["a"]["wer_cleaned"] == ""
    assert not list((tmp_path / "disk").glob(".streaming*"))


@pytest.mark.slow
def test_a_sweep_makes_a_run_for_each_value(speechclean: Command, tmp_path: Path) -> None:
    table = tmp_path / "one.csv"
    table.write_text(f"path\n{Pilot().tracks()[0].path}\n")
    dataset = ("dataset=manifest", f"dataset.path={table}")
    done = speechclean(
        "-m", *SMALL, *dataset, "postprocess.beta_wiener.beta=0.5,1.0", "hydra.sweep.dir=many"
    )
    assert done.returncode == 0, done.stderr
    outputs = [next((tmp_path / f"many/{job}/cleaned").iterdir()).read_bytes() for job in (0, 1)]
    assert outputs[0] != outputs[1]


@pytest.mark.slow
def test_a_killed_run_is_failed_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    small = [argument for argument in SMALL if not argument.startswith("tracking")]
    # the last one is at work for long enough to be met there
    for name, seconds in (("a", 0.5), ("b", 0.5), ("c", 120.0)):
        save(noise(seconds), tmp_path / "in" / f"{name}.wav")
    small += ["dataset=folder", "dataset.pattern=in", "audio_in_memory_s=0.1"]
    line = [sys.executable, "-m", "speechclean", *small, "hydra.run.dir=out"]
    process = subprocess.Popen(
        line, cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for(lambda: len(list(tmp_path.glob("out/cleaned/*.wav"))) > 1, process)
    process.terminate()
    assert process.wait(120) != 0

    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    (run,) = client.search_runs(
        [experiment.experiment_id for experiment in client.search_experiments()]
    )
    assert run.info.status == "FAILED"
    assert not list((tmp_path / "out").rglob(".writing*"))
    for path in (tmp_path / "out/cleaned").iterdir():
        assert load(path).samples
    assert rows(tmp_path / "out")


def test_finished_files_are_judged_without_separating(tmp_path: Path) -> None:
    """The references stand for what a perfect tool made; one worse file beside them is found
    out."""
    tracks = Pilot().tracks()[:2]
    for track in tracks:
        assert track.reference_path
        save(load(track.path), tmp_path / "in" / f"{track.alias}.wav")
        save(load(track.reference_path), tmp_path / "ref" / f"{track.alias}.wav")
    shutil.copytree(tmp_path / "ref", tmp_path / "out")
    mixture = load(tracks[1].path)
    save(
        mixture.with_waveform(
            mixture.waveform + noise(20, mixture.sample_rate).waveform[:, : mixture.samples]
        ),
        tmp_path / "out" / f"{tracks[1].alias}.wav",
    )
    line = [
        sys.executable,
        "-m",
        "speechclean.evaluate",
        "in",
        "out",
        "ref",
        "metrics=[si_sdr,stoi]",
        "tracking=none",
    ]
    line += ["hydra.run.dir=judged"]
    done = subprocess.run(
        line,
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = rows(tmp_path / "judged")
    assert found[tracks[0].alias]["verdict"] == "improved"
    assert float(found[tracks[0].alias]["si_sdr_cleaned"]) > 60
    assert found[tracks[1].alias]["verdict"].startswith("harmed: STOI −")
    assert "SI-SDR −" in found[tracks[1].alias]["verdict"]
    assert (tmp_path / "judged/report.html").stat().st_size > 100_000
    assert not (tmp_path / "judged/cleaned").exists()
    assert "1 improved, 1 harmed" in done.stdout
    assert "1 improved, 1 harmed" in (tmp_path / "judged/summary.md").read_text()


@pytest.mark.slow
def test_the_guard_gives_a_harmed_file_its_mixture_back(
    speechclean: Command, tmp_path: Path
) -> None:
    """With a threshold that nothing can meet, every file is passed through, to the last bit."""
    track = Pilot().tracks()[0]
    (tmp_path / "set.csv").write_text(
        f"path,reference,alias\n{track.path},{track.reference_path},a\n"
    )
    arguments = [one for one in SMALL if not one.startswith("metrics")]
    done = speechclean(
        *arguments,
        "dataset=manifest",
        "dataset.path=set.csv",
        "hydra.run.dir=out",
        "metrics=[si_sdr,lufs]",
        "guard=fallback",
        "+verdict.harm.lufs=0",
    )
    assert done.returncode == 0, done.stderr
    assert rows(tmp_path / "out")["a"]["verdict"] == "passed through"
    assert float(rows(tmp_path / "out")["a"]["wet"]) == 0
    assert torch.equal(load(tmp_path / "out/cleaned/a.wav").waveform, load(track.path).waveform)
