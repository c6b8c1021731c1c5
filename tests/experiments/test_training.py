"""Losses, optimiser, warm start and the formats that ship."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from demucs.demucs import Demucs
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from demucs.pretrained import get_model
from denoiser.demucs import Demucs as Denoiser
from denoiser.utils import deserialize_model
from diffq import DiffQuantizer, UniformQuantizer
from hydra import compose, initialize_config_dir

from experiments.embedded_models import data, export, losses, muon, networks, training, transplant
from experiments.embedded_models import train as train_command
from experiments.embedded_models.optimisers import Average, rate
from experiments.embedded_models.quantise import attach
from experiments.embedded_models.settings import Data, Settings
from experiments.embedded_models.training import advance, train
from experiments.embedded_models.validate import apply_mask
from speechclean.records.tracking.protocol import NoRun

TRUSTED = [HTDemucs, HDemucs, Demucs, Fraction, DiffQuantizer, UniformQuantizer, Denoiser]


def sources(batch: int = 2, samples: int = 12_000) -> torch.Tensor:
    """(music, speech) as two noises of different colour."""
    generator = torch.Generator().manual_seed(0)
    both = torch.randn(batch, 2, samples, generator=generator) * 0.1
    both[:, 1] = torch.cumsum(both[:, 1], -1) * 0.05
    return both


def test_the_loss_is_lowest_for_the_truth_and_has_a_gradient_everywhere() -> None:
    truth = sources()
    poor = (truth + 0.05 * torch.randn_like(truth)).requires_grad_()
    for weights in (losses.Weights(), losses.Weights(deletion=2, remains=1, low=2)):
        poor.grad = None
        perfect = losses.separator_loss(truth[:, :, None], truth, weights)
        loss = losses.separator_loss(poor[:, :, None], truth, weights)
        assert perfect < loss
        loss.backward()
        assert poor.grad is not None
        assert torch.isfinite(poor.grad).all()


def test_a_bin_costs_more_where_a_word_is_lost_music_remains_or_a_voice_is_deep() -> None:
    truth = losses.stft(sources(1, 24_000)[:, 1])
    truth[..., 30:] *= 1e-4  # a pause
    weights = losses.Weights(deletion=2, remains=3, low=1)
    less, more = (losses.error_weights(gain * truth, truth, weights) for gain in (0.5, 2.0))
    edge = int(160 * losses.N_FFT / 24_000) + 1
    assert (less[:, edge:, :29] == 3).all()
    assert (less[:, edge:, 33:] == 1).all()
    assert (more[:, edge:, :29] == 1).all()
    assert (more[:, edge:, 33:] == 4).all()
    assert (less[:, :edge] == 2 * less[:, edge:][:, :edge]).all()
    assert (losses.error_weights(truth / 2, truth, losses.Weights()) == 1).all()


@pytest.mark.parametrize("silent", [0, 1])
def test_a_silent_source_gives_a_finite_loss_and_gradient(silent: int) -> None:
    truth = sources()
    truth[:, silent] = 0
    guess = torch.zeros_like(truth).requires_grad_()
    loss = losses.separator_loss(guess[:, :, None], truth)
    loss.backward()
    assert torch.isfinite(loss)
    assert guess.grad is not None
    assert torch.isfinite(guess.grad).all()


def test_the_ratio_mask_is_within_bounds_and_the_true_sources_separate() -> None:
    truth = sources()
    mixture = truth.sum(1)
    music, speech = (losses.stft(truth[:, index]) for index in (0, 1))
    mask = losses.ratio_mask(speech, music)
    assert 0 <= mask.min() <= mask.max() <= 1
    before, after = (losses.si_sdr(x, truth[:, 1]) for x in (mixture, apply_mask(truth, mixture)))
    assert (after > before + 3).all()


def test_si_sdr_by_hand_whatever_the_level() -> None:
    tone, noise = torch.tensor([[1.0, -1.0, 1.0, -1.0]]), torch.tensor([[1.0, 1.0, -1.0, -1.0]])
    assert losses.si_sdr(7 * (tone + 0.1 * noise), tone).item() == pytest.approx(20.0, abs=1e-3)


@pytest.mark.parametrize("shape", [(24, 96), (96, 24), (48, 48)])
def test_newton_schulz_pulls_singular_values_to_one(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    values = torch.linalg.svdvals(muon.orthogonal(matrix))
    assert values.min() > 0.5
    assert values.max() < 1.5


def test_every_parameter_has_exactly_one_optimiser() -> None:
    model = networks.build("htdemucs")
    matrices, rest = muon.split_parameters(model)
    assert len(matrices) + len(rest) == len(list(model.parameters()))
    assert all(weight.ndim >= 2 for weight in matrices)


def test_the_schedule_warms_up_and_ends_low() -> None:
    assert rate(0.0) == 0
    assert rate(0.02) == pytest.approx(1.0)
    assert rate(1.0) == pytest.approx(0.01)
    assert rate(0.3) > rate(0.6) > rate(0.9)


def test_the_transplant_carries_the_spectral_layers_over() -> None:
    donor = networks.build("hdemucs").state_dict()
    state = transplant.transplant(donor)
    assert torch.equal(state["encoder.2.conv.weight"], donor["encoder.2.conv.weight"])
    assert torch.equal(state["decoder.3.conv_tr.weight"], donor["decoder.4.conv_tr.weight"])
    assert not state["tdecoder.3.conv_tr.weight"].any()
    networks.build("htdemucs").load_state_dict(state)


@pytest.fixture(scope="module")
def banks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few seconds of noise as speech, music and noise, split into voices to train on and to judge
    by."""
    folder, rng = tmp_path_factory.mktemp("banks"), np.random.default_rng(0)
    names = {
        split: [n for n in (f"id{i}" for i in range(200)) if data.split_of(n) == split]
        for split in ("train", "valid")
    }
    for kind in ("speech", "music", "noise"):
        files = []
        for name in (names["train"][0], names["valid"][0]):
            soundfile.write(
                folder / f"{kind}{name}.wav", 0.1 * rng.standard_normal(6 * 24_000), 24_000
            )
            files.append((folder / f"{kind}{name}.wav", name, name, "made"))
        data.write_bank(folder / "banks", kind, files)
    return folder / "banks"


def tiny(**changes: Any) -> Settings:
    """A training of a few steps."""
    told: dict[str, Any] = {
        "network": "hdemucs",
        "batch": 1,
        "valid_count": 8,
        "steps": 4,
        "valid_every": 60.0,
        "seed": 3,
    }
    return Settings(**(told | changes))


@pytest.mark.slow
def test_a_training_that_was_stopped_ends_in_the_same_bits(
    tmp_path: Path, banks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four steps at once, against two, a stop and two more, whose crops another process mixed."""
    for name in ("whole", "halves"):
        (tmp_path / name).mkdir()
    train(tiny(data=Data(banks=str(banks), crop_s=0.5)), tmp_path / "whole", NoRun())
    monkeypatch.setattr(training, "SAVE_EVERY_S", 0.0)
    steps: list[int] = []

    def stopping(*arguments: Any) -> Any:
        if len(steps) == 2:
            raise KeyboardInterrupt
        steps.append(1)
        return advance(*arguments)

    monkeypatch.setattr(training, "advance", stopping)
    with pytest.raises(KeyboardInterrupt):
        train(tiny(data=Data(banks=str(banks), crop_s=0.5)), tmp_path / "halves", NoRun())
    monkeypatch.setattr(training, "advance", advance)
    train(
        tiny(data=Data(banks=str(banks), crop_s=0.5, workers=1), resume=True),
        tmp_path / "halves",
        NoRun(),
    )
    one, other = (
        torch.load(tmp_path / name / "last.pt", weights_only=True) for name in ("whole", "halves")
    )
    assert one["step"] == other["step"] == 4
    assert one["heard_s"] == 2.0
    assert all(torch.equal(value, other["average"][name]) for name, value in one["average"].items())
    assert one["scores"] == other["scores"]


def test_all_that_is_wrong_with_a_training_is_said_at_once(tmp_path: Path) -> None:
    wrong = Settings(
        network="unet",
        resume=True,
        recipe={"rooms": 1},
        data=Data(speech=str(tmp_path / "nowhere")),
    )
    said = "\n".join(wrong.problems(tmp_path))
    for part in (
        "htdemucs",
        "minutes=60",
        "recipe.rooms",
        "no last.pt",
        "data.music must name",
        "there is no such folder",
    ):
        assert part in said


def test_of_two_voices_one_is_held_out(tmp_path: Path) -> None:
    for name in ("anna__1", "anna__2", "bert"):
        soundfile.write(tmp_path / f"{name}.wav", np.full(2400, 0.1), 24_000)
    data.bank_folders(tmp_path / "banks", {"speech": tmp_path})
    clips = data.read_bank(tmp_path / "banks", "speech").clips
    assert {clip.split for clip in clips} == {"train", "valid"}
    assert len({clip.split for clip in clips if clip.id == "anna"}) == 1


def test_every_key_of_a_training_can_be_set_on_its_command_line() -> None:
    """None is taken for a config group of the runs that the trainer shares groups with."""
    with initialize_config_dir(str(Path(train_command.__file__).parent / "conf")):
        plain = compose("train", ["network=htdemucs"])
        for key in (
            one.name
            for one in fields(Settings)
            if one.name not in ("tracking", "data", "export", "recipe", "loss")
        ):
            value = "null" if plain[key] is None else plain[key]
            assert compose("train", ["network=htdemucs", f"{key}={value}"]) == plain, key
        asked = compose(
            "train",
            [
                "network=denoiser",
                "batch=4",
                "data.crop_s=1",
                "recipe.real=0.7",
                "loss.low=2",
                "tracking=none",
            ],
        )
        recorded = compose("train", ["network=hdemucs"], return_hydra_config=True)
    assert (asked.batch, asked.data.crop_s, asked.recipe.real, asked.loss.low) == (4, 1.0, 0.7, 2)
    assert asked.tracking._target_.endswith("NoTracker")
    assert recorded.tracking.experiment == "embedded_models"
    assert recorded.tracking._target_.endswith("MlflowTracker")
    assert recorded.hydra.run.dir.startswith("outputs/")
    assert recorded.hydra.job.name == "train"
    assert recorded.hydra.job_logging.handlers.console.level == "WARNING"


@pytest.mark.slow
def test_fine_tuning_on_folders_of_ones_own_makes_a_separator_that_a_run_uses(
    tmp_path: Path,
) -> None:
    """The README's two commands: train on two folders from the shipped weights, then clean with
    what came out."""
    rng = np.random.default_rng(0)
    for kind in ("speech", "music"):
        (tmp_path / kind).mkdir()
        for name in "abc":
            soundfile.write(
                tmp_path / kind / f"{name}.wav", 0.1 * rng.standard_normal(3 * 24_000), 24_000
            )
    out = f"hydra.run.dir={tmp_path / 'out'}"
    common = [
        "network=htdemucs",
        "init=embedded_htdemucs",
        "steps=2",
        "batch=1",
        "valid_count=8",
        "tracking=none",
    ]
    own = [
        f"data.speech={tmp_path / 'speech'}",
        f"data.music={tmp_path / 'music'}",
        "data.crop_s=1",
        "lr_scale=0.3",
    ]
    export_to = [f"export.dir={tmp_path / 'models'}", "export.name=mine"]
    command(
        [sys.executable, "-m", "experiments.embedded_models.train", *common, *own, *export_to, out]
    )
    soundfile.write(tmp_path / "in.wav", 0.1 * rng.standard_normal(24_000), 24_000)
    separator = [
        "separators=[local]",
        f"separators.local.path={tmp_path / 'models'}",
        "separators.local.name=mine",
    ]
    files = [
        "dataset=folder",
        f"dataset.pattern={tmp_path / 'in.wav'}",
        f"hydra.run.dir={tmp_path / 'cleaned'}",
    ]
    command(
        [sys.executable, "-m", "speechclean", *separator, *files, "metrics=[lufs]", "tracking=none"]
    )
    assert list((tmp_path / "cleaned").rglob("*.wav"))


def command(line: list[str]) -> None:
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_bits_are_learned_and_shipped(tmp_path: Path) -> None:
    """A model with DiffQ's logits in its checkpoint is packed with those bits, not with the 8 it
    began with."""
    path, _ = checkpoint(tmp_path, "hdemucs")
    content = torch.load(path, weights_only=True)
    model = networks.build("hdemucs")
    attach(model).no_optimizer()
    logits = {
        name: value - 1.0 for name, value in model.state_dict().items() if name.endswith("_diffq")
    }
    torch.save(content | {"average": content["average"] | logits}, tmp_path / "fewer.pt")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    eight = export.export_separator(path, tmp_path / "a").stat().st_size
    fewer = export.export_separator(tmp_path / "fewer.pt", tmp_path / "b").stat().st_size
    assert fewer < 0.85 * eight


def checkpoint(folder: Path, name: str) -> tuple[Path, torch.nn.Module]:
    """A checkpoint as training writes it, of random weights."""
    torch.manual_seed(0)
    model = networks.build(name)
    told = {"network": name, "elapsed": 1.0, "step": 1, "heard_s": 9.0, "scores": {}}
    torch.save({"average": Average(model).state, **told}, folder / f"{name}.pt")
    return folder / f"{name}.pt", model.eval()


@pytest.mark.parametrize(("name", "bag"), export.BAGS.items())
def test_separators_are_read_by_demucs_itself_and_by_a_safe_loader(
    tmp_path: Path, name: str, bag: str
) -> None:
    path, model = checkpoint(tmp_path, name)
    out = tmp_path / "repo"
    out.mkdir()
    export.export_separator(path, out)
    package = export.export_separator(path, out)  # a second export replaces the first
    assert len(list(out.glob("*.th"))) == 1
    with torch.serialization.safe_globals(TRUSTED):
        torch.load(package, weights_only=True)
    loaded = get_model(bag, out)
    assert loaded.sources == networks.SOURCES
    assert loaded.samplerate == 24_000
    wave = 0.1 * torch.randn(1, 1, 48_000)
    with torch.no_grad():
        expected, heard = model(wave), loaded.models[0].eval()(wave)
    assert (expected - heard).norm() < 0.05 * expected.norm()  # 8 and 16 bits instead of 32


def test_the_denoiser_is_read_by_denoiser_itself(tmp_path: Path) -> None:
    path, model = checkpoint(tmp_path, "denoiser")
    package = export.export_denoiser(path, tmp_path)
    with torch.serialization.safe_globals(TRUSTED):
        loaded = deserialize_model(torch.load(package, weights_only=True)).eval()
    wave = 0.1 * torch.randn(1, 1, 16_000)
    with torch.no_grad():
        assert (loaded(wave) - model(wave)).norm() < 0.05 * model(wave).norm()
