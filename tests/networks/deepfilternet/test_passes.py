"""What passes from one stretch to the next."""

from __future__ import annotations

import torch
from torch import Tensor

from speechclean.networks.deepfilternet import features, passes
from speechclean.networks.deepfilternet.network import DeepFilterNetwork, State
from tests.conftest import noise


def held(tensor: Tensor) -> int:
    """Bytes that a tensor keeps in memory for each that it has."""
    return tensor.untyped_storage().nbytes() // (tensor.numel() * tensor.element_size())


def test_a_stretch_is_not_kept_for_the_few_frames_that_the_next_one_needs() -> None:
    """Views of it would: some 60 MB for two channels, while other networks are at work."""
    network = DeepFilterNetwork().eval()
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    heard = features.spectrum(noise(1.0, 48000, channels=2).waveform)
    means = features.first_means(2, torch.device("cpu"))
    levels, spectrum, means = passes._normalised(heard, means)
    with torch.inference_mode():
        _, _, state = network(levels, spectrum, State.initial(2, torch.device("cpu")))
    _, tail = features.overlap_add(heard, torch.zeros(2, features.HOP))
    assert {name: held(value) for name, value in vars(state).items()} == dict.fromkeys(
        vars(state), 1
    )
    assert [held(one) for one in (*means, tail)] == [1, 1, 1]
