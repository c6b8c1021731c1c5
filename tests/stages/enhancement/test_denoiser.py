"""The denoiser is a gain: it cuts what its network cuts, keeps every band, and with wet=0 it is not
there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from denoiser.demucs import Demucs

from speechclean.audio import edges
from speechclean.audio.stream import Forward
from speechclean.audio.waveform import Audio
from speechclean.networks import checkpoints
from speechclean.networks.cache import DiskCache
from speechclean.networks.gpu_batches import GpuBatches
from speechclean.stages.enhancement.chunks import packed
from speechclean.stages.enhancement.denoiser import CHUNK_S, Denoiser
from speechclean.stages.enhancement.identity import Identity
from speechclean.stages.types import Separation
from tests.conftest import level_db, noise


def separation(audio: Audio) -> Separation:
    return Separation(audio, audio, torch.ones(audio.channels, 5, 3))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network in denoiser's own `--model_path` format."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("denoiser") / "small.th"
    model = Demucs(hidden=4, depth=4)
    package = {
        "class": Demucs,
        "args": (),
        "kwargs": {"hidden": 4, "depth": 4},
        "state": model.state_dict(),
    }
    torch.save(package, path)
    return path


class Scaled(torch.nn.Module):
    """Stands in for a network: answers with a fraction of what it hears."""

    sample_rate, normalize, normalizes, floor = 16000, False, True, 1e-3

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        return self.factor * waveform


def with_network(network: torch.nn.Module, **fields: object) -> Denoiser:
    denoiser = Denoiser(model="unused", device="cpu", **fields)  # type: ignore[arg-type]
    denoiser.__dict__["_network"] = network
    return denoiser


@pytest.mark.parametrize(
    ("rate", "channels", "seconds"),
    [(16000, 1, 1.0), (48000, 2, 0.7), (8000, 1, 0.1), (192000, 8, 0.01)],
)
def test_shape_is_kept_and_input_untouched(
    checkpoint: Path, rate: int, channels: int, seconds: float
) -> None:
    state = separation(noise(seconds, rate, 0.9, channels))
    before = state.speech.waveform.clone()
    result = Denoiser(str(checkpoint), wet=1.0, device="cpu")(state)
    assert result.speech.waveform.shape == before.shape
    assert result.speech.waveform.isfinite().all()
    assert torch.equal(state.speech.waveform, before)
    assert torch.allclose(
        result.speech.waveform + result.residual.waveform, state.mixture.waveform, atol=1e-6
    )
    assert level_db(result.speech.waveform) <= level_db(before) + 0.1  # a gain of at most one


@pytest.mark.parametrize(("seconds", "channels"), [(2.6, 2), (0.3, 1), (1 / 16000, 1)])
def test_context_beyond_the_ends_is_a_longer_sound_cut(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, channels: int
) -> None:
    monkeypatch.setattr("speechclean.stages.enhancement.denoiser.CHUNK_S", 1.1)
    audio, extra = noise(seconds, 16000, channels=channels), 8000
    longer = edges.extended(audio.waveform, extra)
    knobs: dict[str, Any] = {"wet": 1.0, "device": "cpu"}
    expected = _answers(
        Denoiser(str(checkpoint), **knobs), longer, audio.waveform.std(-1, correction=0)
    )[:, extra : extra + audio.samples]
    found = _answers(
        Denoiser(str(checkpoint), edge_context_s=0.5, **knobs),
        longer,
        audio.waveform.std(-1, correction=0),
        audio.samples,
    )
    assert found.shape == audio.waveform.shape
    assert level_db(found - expected) < level_db(expected) - 90


def test_context_is_heard_in_memory(checkpoint: Path) -> None:
    """Silence beyond the ends or not: the answer differs there, and hardly anywhere else."""
    state = separation(noise(4.0, 16000))
    without, with_ = (
        Denoiser(str(checkpoint), wet=1.0, device="cpu", edge_context_s=seconds)(
            state
        ).speech.waveform
        for seconds in (0.0, 0.5)
    )
    assert with_.shape == without.shape
    at_end, inside = slice(-800, None), slice(24000, 36000)
    assert level_db((with_ - without)[:, at_end]) > level_db((with_ - without)[:, inside]) + 20


def test_wet_zero_is_the_identity_and_needs_no_file() -> None:
    state = separation(noise())
    assert Denoiser("dns64", wet=0.0, device="cpu")(state) is state
    assert Denoiser("dns64", wet=0.0, device="cpu").weight_files() == {}
    assert Identity()(state) is state


@pytest.mark.parametrize(("wet", "expected"), [(1.0, 0.25), (0.5, 0.625), (0.2, 0.85)])
def test_the_gain_is_mixed_in(wet: float, expected: float) -> None:
    audio = noise(2.0, 16000)
    result = with_network(Scaled(0.25), wet=wet)(separation(audio)).speech.waveform
    middle = slice(1000, -1000)
    assert torch.allclose(result[:, middle], expected * audio.waveform[:, middle], atol=1e-4)


def test_a_network_never_amplifies() -> None:
    audio = noise(1.0, 16000)
    assert torch.allclose(
        with_network(Scaled(3.0), wet=1.0)(separation(audio)).speech.waveform,
        audio.waveform,
        atol=1e-5,
    )


def test_band_above_16_khz_sampling_is_never_cut() -> None:
    """At 48 kHz a network that lets everything pass leaves the treble; one that halves its band
    halves the treble too."""
    audio = noise(1.0, 48000)
    for factor in (1.0, 0.5):
        result = with_network(Scaled(factor), wet=1.0)(separation(audio)).speech.waveform[
            :, 3000:-3000
        ]
        assert (
            level_db(result - factor * audio.waveform[:, 3000:-3000])
            < level_db(audio.waveform) - 35
        )


def test_chunks_agree_with_the_whole(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    denoiser, audio = Denoiser(str(checkpoint), wet=1.0, device="cpu"), noise(6.0, 16000)
    whole = denoiser(separation(audio)).speech.waveform
    assert audio.seconds < CHUNK_S
    monkeypatch.setattr("speechclean.stages.enhancement.denoiser.CHUNK_S", 2.5)
    assert level_db(denoiser(separation(audio)).speech.waveform - whole) < level_db(whole) - 90


def test_channels_and_chunks_keep_their_places(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unlike channels share a batch, unlike chunks may run at once: each is answered as alone."""
    monkeypatch.setattr("speechclean.stages.enhancement.denoiser.CHUNK_S", 1.1)
    denoiser = Denoiser(str(checkpoint), wet=1.0, device="cpu")
    waveform = noise(4.0, 16000, channels=3).waveform * torch.linspace(0.1, 3, 64000)
    waveform *= torch.tensor([[0.1], [1.0], [0.3]])
    alone = [_answers(denoiser, row[None]) for row in waveform]
    together = _answers(denoiser, waveform)
    for row, expected in zip(together, alone, strict=True):
        assert level_db(row - expected[0]) < level_db(expected) - 90
    torch.set_num_threads(3)
    try:
        assert torch.equal(_answers(denoiser, waveform), together)
    finally:
        torch.set_num_threads(1)


def _answers(
    denoiser: Denoiser,
    waveform: torch.Tensor,
    deviation: torch.Tensor | None = None,
    samples: int | None = None,
) -> torch.Tensor:
    """The network's answers for a waveform, or for `samples` between contexts."""
    deviation = waveform.std(-1, correction=0) if deviation is None else deviation
    source = Forward(iter([waveform]))
    samples = waveform.shape[-1] if samples is None else samples
    return torch.cat(list(denoiser._answers(source, samples, deviation)), -1)


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_chunks_of_several_sounds_in_one_pass(checkpoint: Path, rows: int) -> None:
    """A GPU's way, on a CPU: of every chunk the part that is wanted is as by itself."""
    denoiser = Denoiser(str(checkpoint), wet=1.0, device="cpu", edge_context_s=0.5)
    sounds = [
        noise(seconds, 16000, channels=channels, level=0.1 + 0.2 * index, seed=index)
        for index, (seconds, channels) in enumerate(((1.1, 2), (11.3, 1), (1.3, 3), (0.01, 1)))
    ]
    chunks, expected = [], []
    for sound in sounds:
        source = Forward(iter([edges.extended(sound.waveform, *denoiser._beyond)]))
        deviation = sound.waveform.std(-1, correction=0)
        own = list(denoiser._chunks(source, sound.samples, deviation))
        chunks += own
        expected += list(denoiser._in_order(iter(own)))
    sizes: list[int] = []

    def work(heard: torch.Tensor) -> torch.Tensor:
        sizes.append(len(heard))
        return denoiser._answer(heard)

    with torch.inference_mode():
        found = packed(work, [one.heard for one in chunks], 8000, GpuBatches(), rows)
    assert max(sizes) == rows
    for chunk, alone, answer in zip(chunks, expected, found, strict=True):
        assert answer.shape == chunk.heard.shape
        assert level_db(chunk.of(answer) - alone) < level_db(alone) - 90


def test_several_separations_are_each_denoised_as_alone(checkpoint: Path, tmp_path: Path) -> None:
    denoiser = Denoiser(str(checkpoint), wet=0.7, device="cpu")
    silent = separation(Audio(torch.zeros(1, 16000), 16000))
    several = [separation(noise(0.5, 24000, seed=1)), silent, separation(noise(0.8, 16000, seed=2))]
    cache = DiskCache(tmp_path, 10**9)
    denoiser.reusing(cache)(several[2])
    for _ in range(2):
        together = denoiser.together(several, cache)
        for one, found in zip(several, together, strict=True):
            assert torch.equal(found.speech.waveform, denoiser(one).speech.waveform)
    assert together[1] is silent
    assert cache.tally.found == 1 + 2


def test_agrees_with_denoisers_own_forward(checkpoint: Path) -> None:
    denoiser, audio = Denoiser(str(checkpoint), wet=1.0, device="cpu"), noise(2.0, 16000)
    plain = checkpoints.build(checkpoints.read(checkpoint), checkpoint)
    assert plain.normalize
    with torch.no_grad():
        std = audio.waveform.std()
        floor = float(plain.floor)  # type: ignore[arg-type]
        expected = plain(audio.waveform[:, None])[:, 0] * (floor + std) / std
    answers = denoiser._answers(Forward(iter([audio.waveform])), audio.samples, std[None])
    assert (torch.cat(list(answers), -1) - expected).abs().max() < 1e-5


def test_the_published_layout_is_a_bare_state_at_full_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    network = Demucs(hidden=48, sample_rate=16000).eval()
    torch.save(network.state_dict(), tmp_path / "dns48.th")
    monkeypatch.setattr(
        "speechclean.stages.enhancement.denoiser.denoiser_file", lambda _: tmp_path / "dns48.th"
    )
    loaded = Denoiser("dns48", device="cpu")._network
    assert sum(parameter.numel() for parameter in loaded.parameters()) > 18e6
    heard = noise(0.2, 16000).waveform[None]
    with torch.no_grad():
        network.normalize = False  # done for whole files, outside the network
        assert torch.equal(loaded(heard), network(heard))
    assert (
        Denoiser("dns48", wet=1.0, device="cpu")(separation(noise(0.2, 16000)))
        .speech.waveform.isfinite()
        .all()
    )


def test_silence_and_bad_arguments(checkpoint: Path) -> None:
    silent = separation(Audio(torch.zeros(2, 16000), 16000))
    assert not Denoiser(str(checkpoint), wet=1.0, device="cpu")(silent).speech.waveform.any()
    with pytest.raises(ValueError, match="wet"):
        Denoiser("dns64", wet=1.5)
    with pytest.raises(ValueError, match="window_s"):
        Denoiser("dns64", window_s=0)
