"""The engine gives demucs' own answers, and the same samples whatever the batch and the order of
files."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from demucs.apply import BagOfModels, apply_model

from speechclean.audio.waveform import Audio
from speechclean.networks.checkpoints import CheckpointError
from speechclean.networks.weights import MissingWeights
from speechclean.stages.separators import engine
from speechclean.stages.separators.demucs import DemucsSeparator
from speechclean.stages.separators.network import Network
from speechclean.stages.separators.schedule import Schedule
from speechclean.stages.separators.segments import fingerprint
from tests.conftest import noise, save_demucs, tiny_hdemucs, tiny_htdemucs


def separator(models: Path, name: str = "one", **fields: object) -> DemucsSeparator:
    return DemucsSeparator(name=name, repo=str(models), device="cpu", **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("shifts", [0, 1, 4])
@pytest.mark.parametrize("build", [tiny_htdemucs, tiny_hdemucs])
def test_parity_with_apply_model_on_its_own_draws(
    shifts: int, build: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What demucs drew from the global generator is replayed; the answers agree to rounding."""
    model = build().eval()  # type: ignore[operator]
    waveform, randint = noise(5.3, 24000, 1.0).waveform, random.randint
    draws: list[int] = []
    no_shift: list[int | None] = [None]

    def noted(low: int, high: int) -> int:
        draws.append(randint(low, high))
        return draws[-1]

    monkeypatch.setattr(random, "randint", noted)
    with torch.no_grad():
        expected = apply_model(model, waveform[None], shifts=shifts, overlap=0.25)[0]
        monkeypatch.setattr(Schedule, "offsets", lambda *_: draws or no_shift)
        network = Network(model, (1.0, 1.0), 2 * 24000, "any")
        speech, music = engine.run(
            [network], [waveform], ["content"], Schedule(shifts, 0.25, 1, 0)
        )[0]
    assert len(draws) == shifts
    assert (speech - expected[1]).abs().max() <= 1e-5
    assert (music - expected[0]).abs().max() <= 1e-5


def test_parity_of_a_bag_with_apply_model(models: Path) -> None:
    one = separator(models, "two", shifts=0, accompaniment="stems")
    mixture = noise(3.0, 24000)
    stems = one([mixture])[0]
    bag = BagOfModels([network.module for network in one._networks])
    scale = mixture.waveform.std(correction=0)
    with torch.no_grad():
        expected = scale * apply_model(bag, mixture.waveform[None] / scale, shifts=0)[0]
    assert (stems.speech.waveform - expected[1]).abs().max() <= 1e-5
    assert (stems.music.waveform - expected[0]).abs().max() <= 1e-5


def test_same_samples_in_any_order_and_company(models: Path) -> None:
    clips = [noise(seconds, 24000, seed=index) for index, seconds in enumerate((0.4, 3.1, 2.0))]
    one = separator(models, "two", shifts=2)
    alone = [one([clip])[0].speech.waveform for clip in clips]
    random.seed(1)  # the global generator must not matter
    together = one(clips[::-1])[::-1]
    assert all(torch.equal(a, b.speech.waveform) for a, b in zip(alone, together, strict=True))


def test_more_shifts_contain_the_work_of_fewer(models: Path) -> None:
    network = separator(models)._networks[0]
    two, four = (Schedule(shifts, 0.25, 1, 0).offsets(network, "content") for shifts in (2, 4))
    assert four[:2] == two
    assert len(set(four)) > 1
    assert all(0 <= offset <= 12000 for offset in four)  # type: ignore[operator]


def test_offsets_follow_seed_content_and_network(models: Path) -> None:
    network = separator(models)._networks[0]
    offsets = {
        tuple(
            Schedule(2, 0.25, 1, seed).offsets(
                replace(network, signature=signature), fingerprint(waveform)
            )
        )
        for seed in (0, 1)
        for signature in ("a", "b")
        for waveform in (noise(1.0).waveform, noise(1.0, seed=5).waveform)
    }
    assert len(offsets) == 8


def test_only_the_network_that_reaches_the_speech_runs(models: Path) -> None:
    heavy = separator(models, "heavy", shifts=0)
    assert [network.signature for network in heavy._networks] == ["dddd3"]
    every = separator(models, "heavy", accompaniment="stems")._networks
    assert [network.signature for network in every] == ["dddd0", "dddd1", "dddd2", "dddd3"]
    mixture = noise(2.0, 24000, channels=2)
    expected = apply_model(
        BagOfModels(
            [
                network.module
                for network in separator(models, "heavy", accompaniment="stems")._networks
            ],
            [[float(row == column) for column in range(4)] for row in range(4)],
        ),
        mixture.waveform[None] / mixture.waveform.std(correction=0),
        shifts=0,
    )[0, 3]
    stems = heavy([mixture])[0]
    assert (
        stems.speech.waveform / mixture.waveform.std(correction=0) - expected
    ).abs().max() <= 1e-5
    assert torch.allclose(stems.speech.waveform + stems.music.waveform, mixture.waveform, atol=1e-6)


@pytest.mark.parametrize("name", ["one", "two", "heavy"])
@pytest.mark.parametrize(("channels", "rate"), [(1, 24000), (2, 48000), (3, 8000)])
def test_channels_length_and_rate(models: Path, name: str, channels: int, rate: int) -> None:
    mixture = noise(0.7, rate, channels=channels)
    stems = separator(models, name)([mixture])[0]
    assert stems.speech.sample_rate == 24000
    assert stems.speech.waveform.shape == stems.music.waveform.shape == (channels, 16800)


@pytest.mark.parametrize("samples", [1, 61, 48000 + 61, 36000 + 13])
def test_tails_of_a_few_samples(models: Path, samples: int) -> None:
    mixture = Audio(noise(3.0).waveform[:, :samples], 24000)
    for name in ("one", "two"):
        stems = separator(models, name, shifts=2)([mixture])[0]
        assert stems.speech.samples == samples
        assert stems.speech.waveform.isfinite().all()


def test_silence_stays_silent_and_level_scales(models: Path) -> None:
    one = separator(models, "two")
    silent = one([Audio(torch.zeros(2, 30000), 24000)])[0]
    assert not silent.speech.waveform.any()
    assert not silent.music.waveform.any()
    clip = noise(1.0)
    loud = one([clip.with_waveform(clip.waveform * 8)])[0].speech.waveform
    # Another level is another content, so the shifts differ; without them only the level does.
    one = separator(models, "two", shifts=0)
    quiet, loud = (
        one([clip.with_waveform(clip.waveform * gain)])[0].speech.waveform for gain in (1, 8)
    )
    assert torch.allclose(8 * quiet, loud, atol=1e-4)


def test_inputs_are_untouched(models: Path) -> None:
    mixture = noise(1.0, 24000, 0.9)
    before = mixture.waveform.clone()
    separator(models, "two", shifts=2)([mixture])
    assert torch.equal(mixture.waveform, before)


@pytest.mark.parametrize(
    "fields",
    [
        {"shifts": -1},
        {"overlap": 1.0},
        {"segment_s": 0.1},
        {"accompaniment": "x"},
        {"batch_size": 0},
        {"device": "tpu9"},
        {"edge_context_s": -1},
    ],
)
def test_bad_arguments_are_refused_at_once(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(fields))):
        DemucsSeparator(**({"name": "x", "device": "cpu"} | fields))  # type: ignore[arg-type]


def test_missing_and_wrong_models_say_so(models: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match="nothing"):
        separator(models, "nothing").weight_files()
    save_demucs(tmp_path, "drums", {"eeee": tiny_htdemucs(("drums", "bass"))})
    with pytest.raises(CheckpointError, match="none of which is speech"):
        separator(tmp_path, "drums")([noise(0.5)])
    damaged = next(tmp_path.glob("eeee-*.th"))
    damaged.write_bytes(damaged.read_bytes()[:-9] + b"123456789")
    with pytest.raises(CheckpointError, match="damaged"):
        separator(tmp_path, "drums").weight_files()


def test_a_local_folder_is_a_choice_of_its_own(models: Path) -> None:
    from speechclean.stages.separators.local import LocalSeparator

    own = LocalSeparator("two", path=str(models), device="cpu")
    mixture = noise(1.0)
    expected = DemucsSeparator("two", repo=str(models), device="cpu")([mixture])[0]
    assert torch.equal(own([mixture])[0].speech.waveform, expected.speech.waveform)
    assert set(own.weight_files()) == {"bbbb", "cccc", "two.yaml"}, (
        "what weighs them is part of what they are"
    )
    with pytest.raises(ValueError, match="path="):
        LocalSeparator("two")


@pytest.mark.slow
def test_torchaudios_bundle_is_the_same_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HDEMUCS_HIGH_MUSDB_PLUS at its full size with random weights: found, loaded, and it computes
    what torchaudio computes."""
    from torchaudio.models import hdemucs_high

    torch.manual_seed(0)
    original = hdemucs_high(sources=["drums", "bass", "other", "vocals"]).eval()
    torch.save(original.state_dict(), tmp_path / "hdemucs_high_trained.pt")
    monkeypatch.setenv("SPEECHCLEAN_WEIGHTS", str(tmp_path))
    separator = DemucsSeparator("hdemucs_high", device="cpu", fast_layers=False)
    mixture = noise(2.0, 44100, channels=2).waveform[None]
    with torch.no_grad():
        expected = original(mixture)
        found = separator._networks[0].module(mixture)
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max()
