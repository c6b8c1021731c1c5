"""Tuned networks give the plain networks' answers."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from demucs.hdemucs import HDemucs
from demucs.transformer import LayerScale
from torch import Tensor

from speechclean.networks import checkpoints
from speechclean.networks.weights import demucs_bag
from speechclean.stages.separators import tuned
from speechclean.stages.separators.demucs import DemucsSeparator
from speechclean.stages.separators.network import Network
from speechclean.stages.separators.precision import snr_db
from speechclean.stages.separators.tuned.attention import Attention, DecayingAttention
from speechclean.stages.separators.tuned.residual import Residual
from speechclean.system import parallel
from tests.conftest import noise, tiny_hdemucs, tiny_htdemucs


def full_htdemucs() -> torch.nn.Module:
    """Shaped like the published ones: residual branches on both sides, a bottleneck, layers of both
    kinds of attention."""
    from demucs.htdemucs import HTDemucs

    torch.manual_seed(3)
    shape = {
        "channels": 8,
        "nfft": 2048,
        "t_layers": 3,
        "t_heads": 2,
        "segment": 2,
        "samplerate": 24000,
    }
    return HTDemucs(["drums", "bass", "other", "vocals"], dconv_mode=3, bottom_channels=32, **shape)


def hybrid_hdemucs(**more: Any) -> torch.nn.Module:
    """Shaped like the published ones: both domains, LSTM and local attention in the inner
    layers."""
    torch.manual_seed(4)
    shape = {"channels": 8, "depth": 6, "segment": 2, "samplerate": 24000}
    return HDemucs(["drums", "bass", "other", "vocals"], **(shape | more))


NETWORKS = {
    "htdemucs": full_htdemucs,
    "hdemucs": hybrid_hdemucs,
    "hdemucs of the first MDX": lambda: hybrid_hdemucs(hybrid_old=True),
    "hdemucs in bands": lambda: hybrid_hdemucs(multi_freqs=[0.3, 0.6]),
    "embedded htdemucs": tiny_htdemucs,
    "embedded hdemucs": tiny_hdemucs,
}


def trained(network: torch.nn.Module) -> Any:
    """Ready to answer, with layer scales as after a training: as initialised, what they scale would
    not be heard."""
    torch.manual_seed(5)
    for module in network.modules():
        if isinstance(module, LayerScale):
            module.scale.data.uniform_(0.2, 1)
    return checkpoints.freeze(network)


@torch.inference_mode()
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("alone", [*tuned.TWEAKS, None])
def test_each_tweak_and_all_together_keep_the_answer(name: str, alone: str | None) -> None:
    network = trained(NETWORKS[name]())
    heard = torch.stack(
        [
            noise(1.7, 24000, 0.3, network.audio_channels, seed).waveform[:, :40013]
            for seed in (1, 2)
        ]
    )
    plain = network(heard)
    tuned.tune(network, without=frozenset(tuned.TWEAKS) - {alone} if alone else frozenset())
    answer = network(heard)
    assert answer.shape == plain.shape
    assert snr_db(plain, answer) >= 100


@torch.inference_mode()
def test_lengths_that_no_frame_divides() -> None:
    for network in (trained(hybrid_hdemucs()), trained(tiny_hdemucs())):
        lengths = (4 * network.nfft, 4 * network.nfft + 1, 33331)
        heard = [
            noise(2.0, 24000, 0.3, network.audio_channels).waveform[None, :, :samples]
            for samples in lengths
        ]
        plain = [network(one) for one in heard]
        tuned.tune(network)
        assert all(snr_db(a, network(one)) >= 100 for a, one in zip(plain, heard, strict=True))


@torch.inference_mode()
def test_no_transform_is_given_what_it_may_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lowest bin of a real wave is real. What else a network put there a CPU ignores and cuFFT
    hears."""
    given: list[Tensor] = []

    def watched(spectrum: Tensor, n: int, norm: str) -> Tensor:
        given.append(spectrum)
        return torch.fft.ifft(_both_halves(spectrum, n), norm=norm).real

    plain, network = trained(full_htdemucs()), trained(full_htdemucs())
    tuned.tune(network)
    heard = noise(2.0, 24000, 0.3, channels=2).waveform[None]
    expected = plain(heard)
    monkeypatch.setattr(torch.fft, "irfft", watched)
    assert snr_db(expected, network(heard)) >= 100
    assert given
    assert all((spectrum[..., 0].imag == 0).all() for spectrum in given)


def _both_halves(half: Tensor, n: int) -> Tensor:
    """The whole spectrum of a real wave from its lower half."""
    full = torch.nn.functional.pad(half, (0, n // 2 + 1 - half.shape[-1]))
    return torch.cat([full, full[..., 1:-1].flip(-1).conj()], -1)


def test_tweaks_are_where_they_belong() -> None:
    """So that a change in demucs that makes one miss its place is noticed."""
    transformer, hybrid = trained(full_htdemucs()), trained(hybrid_hdemucs())
    for network in (transformer, hybrid):
        tuned.tune(network)
    counts = [
        [
            sum(isinstance(module, cls) for module in network.modules())
            for network in (transformer, hybrid)
        ]
        for cls in (Attention, DecayingAttention, Residual)
    ]
    assert counts == [[6, 0], [0, 4], [16, 10]]


def test_a_gpu_is_spared_the_tweaks_for_caches() -> None:
    network = trained(full_htdemucs())
    tuned.tune(network, device="cuda")
    assert not any(isinstance(module, Residual) for module in network.modules())
    assert any(isinstance(module, Attention) for module in network.modules())


@torch.inference_mode()
@pytest.mark.parametrize("name", ["one", "two", pytest.param("heavy", marks=pytest.mark.slow)])
@pytest.mark.parametrize("accompaniment", ["residual", "stems"])
def test_every_bag_answers_as_its_plain_networks_do(
    models: Path, name: str, accompaniment: str
) -> None:
    mixture = noise(3.1, 24000, channels=2 if name == "heavy" else 1)
    separator = DemucsSeparator(
        name, str(models), shifts=2, accompaniment=accompaniment, device="cpu", fast_layers=True
    )
    stems = separator([mixture])[0]
    plain = DemucsSeparator(name, str(models), shifts=2, accompaniment=accompaniment, device="cpu")
    bag = demucs_bag(name, str(models))
    weights = torch.tensor(bag.weights or [[1.0, 1.0]] * len(bag.files))
    plain.__dict__["_networks"] = [
        Network(
            checkpoints.build(checkpoints.read(path), path),
            tuple(own.tolist()),
            2 * 24000,
            signature,
        )
        for own, (signature, path) in zip(weights / weights.sum(0), bag.files.items(), strict=True)
    ]
    expected = plain([mixture])[0]
    assert snr_db(expected.speech.waveform, stems.speech.waveform) >= 100
    assert snr_db(expected.music.waveform, stems.music.waveform) >= 100


class SmallMemory(torch.nn.Module):
    """Answers with its input, and runs out of memory beyond `holds` inputs at once."""

    sources = ("music", "speech")

    def __init__(self, holds: int) -> None:
        super().__init__()
        self.holds = holds
        self.tried: list[int] = []

    def forward(self, heard: Tensor) -> Tensor:
        self.tried.append(len(heard))
        if len(heard) > self.holds:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return torch.stack([0 * heard, heard], 1)


def test_a_batch_that_does_not_fit_goes_through_in_halves() -> None:
    network = Network(small := SmallMemory(holds=3), (1.0, 1.0), 100, "any")
    heard = torch.randn(10, 1, 100)
    for _ in range(2):
        assert torch.equal(network.answer(heard)[:, 0], heard)
    # what has failed once is not tried again
    assert small.tried == [10, 5, 2, 2, 1, 2, 2, 1, 2, 2, 2, 2, 2]
    with pytest.raises(torch.OutOfMemoryError):
        Network(SmallMemory(holds=0), (1.0, 1.0), 100, "any").answer(heard)


@torch.inference_mode()
@pytest.mark.parametrize("name", NETWORKS)
def test_branches_beside_one_another_have_the_same_bits(name: str) -> None:
    """A lone pass takes two cores; a pass among others, or before the tweak, takes one."""
    network, plain = trained(NETWORKS[name]()), trained(NETWORKS[name]())
    tuned.tune(network)
    tuned.tune(plain, without=frozenset({"branches"}))
    heard = noise(1.7, 24000, 0.3, network.audio_channels).waveform[None, :, :40013]
    seen: set[int] = set()
    for part in (network.encoder[0], *getattr(network, "tencoder", [])[:1]):
        part.register_forward_hook(lambda *_: seen.add(threading.get_ident()))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        lone = [answer for _, answer in parallel.ordered(network, [heard])]
        hybrid = bool(getattr(network, "hybrid", True))
        assert len(seen) == (2 if hybrid else 1)
    finally:
        torch.set_num_threads(before)
    expected = plain(heard)
    assert torch.equal(lone[0], expected)
    assert torch.equal(network(heard), expected)
