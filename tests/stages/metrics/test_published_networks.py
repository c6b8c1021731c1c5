"""Metrics by networks whose weights are published: real formats, real or small architectures,
random weights."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from speechclean.networks.checkpoints import CheckpointError
from speechclean.networks.weights import MissingWeights
from speechclean.stages.metrics import music_presence, squim
from speechclean.stages.metrics.music_presence import CLASSES, MusicPresence, music_classes
from speechclean.stages.metrics.music_presence_max import MusicPresenceMax
from speechclean.stages.metrics.squim import Squim
from speechclean.stages.metrics.wer_whisper import WerWhisper
from tests.support.paths import ROOT
from tests.support.values import number


class Attack:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


@pytest.fixture(autouse=True)
def _bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TORCH_HOME", "HF_HOME", "XDG_CACHE_HOME", "HOME", "SPEECHCLEAN_WEIGHTS"):
        monkeypatch.setenv(name, str(tmp_path / name))


@pytest.fixture
def whisper_pt(tmp_path: Path) -> Path:
    """A small Whisper in its publisher's format."""
    from whisper.model import ModelDimensions, Whisper

    torch.manual_seed(0)
    dims = ModelDimensions(80, 1500, 16, 2, 1, 51864, 448, 16, 2, 1)
    torch.save(
        {"dims": dataclasses.asdict(dims), "model_state_dict": Whisper(dims).half().state_dict()},
        tmp_path / "small.pt",
    )
    return tmp_path / "small.pt"


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        (WerWhisper(), "base.en.pt"),
        (MusicPresence(), "Cnn14"),
        (Squim(), "squim_objective_dns2020.pth"),
    ],
)
def test_missing_weights_are_said_before_any_work(metric: Any, name: str) -> None:
    with pytest.raises(MissingWeights, match=rf"(?s)speechclean weights fetch .*{name}"):
        metric.weight_files()


@pytest.mark.parametrize("make", [WerWhisper, MusicPresence, Squim])
def test_hostile_files_are_refused_and_run_nothing(
    make: Any, separation: Any, track: Any, noise: Any, tmp_path: Path
) -> None:
    torch.save({"model": Attack(f"touch {tmp_path}/ran")}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match="refused"):
        make(model=str(tmp_path / "x.pt"))(separation(noise()), track(transcript="some words"))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("make", [WerWhisper, MusicPresence, Squim])
def test_what_does_not_fit_is_said(
    make: Any, separation: Any, track: Any, noise: Any, tmp_path: Path
) -> None:
    torch.save({"model": {"x": torch.zeros(1)}}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match="not a checkpoint of"):
        make(model=str(tmp_path / "x.pt"))(separation(noise()), track(transcript="some words"))
    with pytest.raises(MissingWeights, match="neither a file nor"):
        make(model="no_such_model").weight_files()


def test_whisper_scores_what_it_hears(
    separation: Any, track: Any, noise: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WerWhisper, "recognise", lambda self, audio: " Don't pay 21 pounds.")  # noqa: ARG005
    heard = separation(noise())
    assert WerWhisper()(heard, track(transcript="do not pay twenty one pounds")) == 0
    assert WerWhisper()(heard, track(transcript="do not pay 22 pounds")) == pytest.approx(
        1 / 5, abs=0.06
    )
    assert WerWhisper()(heard, track(transcript="...")) is None
    assert WerWhisper(language="de")(heard, track(transcript="don't pay 21 POUNDS")) == 0


def test_whisper_runs_its_own_format(
    whisper_pt: Path, separation: Any, track: Any, noise: Any
) -> None:
    metric = WerWhisper(model=str(whisper_pt), device="cpu")
    short = separation(noise(2, 24000), rate=24000)
    first = metric(short, track(transcript="some words"))
    assert first is not None
    assert metric(short, track(transcript="some words")) == first
    assert metric(separation(torch.zeros(1, 16000)), track(transcript="some words")) == 1


@pytest.fixture
def tagger(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Stands in for Cnn14: the loudness of a window as the probability of "Music", 0.9 for
    speech."""

    def answer(batch: torch.Tensor) -> dict[str, torch.Tensor]:
        classes = torch.zeros(len(batch), CLASSES)
        classes[:, 0] = 0.9
        classes[:, 137] = batch.abs().amax(1)
        return {"clipwise_output": classes}

    monkeypatch.setattr(music_presence, "_network", lambda path, device: answer)  # noqa: ARG005
    (tmp_path / "x.pth").touch()
    return tmp_path / "x.pth"


def test_music_over_windows(tagger: Path, separation: Any, track: Any) -> None:
    """Three windows of which one holds music, whatever the batch; a remainder counts as a
    window."""
    waveform = torch.full((2, 32000 * 5), 0.1)
    waveform[:, 32000 * 2 : 32000 * 4] = 0.7
    heard = separation(waveform, rate=32000)
    for batch_size in (1, 2, 8):
        mean = MusicPresence(str(tagger), window_s=2.0, batch_size=batch_size, device="cpu")
        assert mean(heard, track()) == pytest.approx((0.1 + 0.7 + 0.1) / 3)
        peak = MusicPresenceMax(str(tagger), window_s=2.0, batch_size=batch_size, device="cpu")
        assert peak(heard, track()) == pytest.approx(0.7)
    assert mean(separation(torch.zeros(1, 32000)), track()) is None
    assert mean.probabilities(heard.speech).shape == (3, CLASSES)


def test_the_classes_of_music() -> None:
    """As AudioSet numbers them: from "Music" to "Scary music" without a gap, and nothing of what
    stands around them."""
    classes = music_classes()
    assert list(classes) == list(range(137, 283))
    assert len(set(classes.values())) == 146
    some = {
        137: "Music",
        138: "Musical instrument",
        140: "Guitar",
        153: "Piano",
        184: "Orchestra",
        199: "Harp",
    }
    some |= {
        216: "Pop music",
        254: "Vocal music",
        267: "Background music",
        269: "Jingle (music)",
        282: "Scary music",
    }
    assert some.items() <= classes.items()
    assert not {"Singing", "Whale vocalization", "Wind", "Speech"} & set(classes.values())


@pytest.mark.slow
def test_importing_panns_reaches_for_nothing(tmp_path: Path) -> None:
    """The package's own __init__ would run wget and leave a file in the home folder."""
    code = (
        "import os; os.system = lambda command: 1 / 0\n"
        "from speechclean.stages.metrics import music_presence\n"
        "import torch; network = music_presence.architecture().eval()\n"
        "torch.save({'model': network.state_dict()}, 'Cnn14_mAP=0.431.pth')\n"
        "from speechclean.audio.waveform import Audio\n"
        "metric = music_presence.MusicPresence('Cnn14_mAP=0.431.pth', device='cpu')\n"
        "p = metric.probabilities(Audio(torch.randn(1, 9600), 16000))\n"
        "print(p.shape, bool(((p >= 0) & (p <= 1)).all()))"
    )
    environment = os.environ | {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.strip() == "torch.Size([1, 527]) True", done.stderr
    assert not (tmp_path / "panns_data").exists()


def test_squim_answers_in_its_ranges(
    separation: Any, track: Any, noise: Any, tmp_path: Path
) -> None:
    from torchaudio.models import squim_objective_base

    torch.manual_seed(0)
    torch.save(squim_objective_base().state_dict(), tmp_path / "squim.pth")
    heard = separation(noise(1, 16000))
    values = {
        score: Squim(score, str(tmp_path / "squim.pth"), device="cpu")(heard, track())
        for score in squim.SCORES
    }
    assert 0 <= number(values["stoi"]) <= 1
    assert 1 <= number(values["pesq"]) <= 4.65
    assert values["si_sdr"] is not None
    assert (
        Squim(model=str(tmp_path / "squim.pth"))(separation(torch.zeros(1, 16000)), track()) is None
    )
    assert Squim(model=str(tmp_path / "squim.pth"))(separation(noise(1, 100)), track()) is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WerWhisper(language="klingon"), "language="),
        (lambda: MusicPresence(statistic="median"), "statistic="),
        (lambda: MusicPresence(window_s=0.1), "window_s="),
        (lambda: MusicPresence(batch_size=0), "batch_size="),
        (lambda: Squim(score="mos"), "score="),
        (lambda: Squim(window_s=0.5), "window_s="),
    ],
)
def test_bad_arguments(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
