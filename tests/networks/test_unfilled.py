"""Networks that are loaded start with nothing drawn, and hold exactly their state."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch

from speechclean.networks import checkpoints
from speechclean.networks.unfilled import unfilled
from tests.conftest import tiny_hdemucs, tiny_htdemucs


class OwnTensors(torch.nn.Module):
    """A window that no state brings."""

    def __init__(self, buffer: bool) -> None:
        super().__init__()
        self.line = torch.nn.Linear(2, 3)
        if buffer:
            self.register_buffer("window", torch.hann_window(8), persistent=False)
        else:
            self.window = torch.hann_window(8)


@pytest.mark.parametrize("make", [tiny_hdemucs, tiny_htdemucs])
def test_a_loaded_network_is_the_saved_one(make: object, tmp_path: Path) -> None:
    torch.manual_seed(3)
    network = make()  # type: ignore[operator]
    package = {"klass": type(network), "args": network._init_args_kwargs[0]}
    package |= {"kwargs": network._init_args_kwargs[1], "state": network.state_dict()}
    loaded = checkpoints.build(package, tmp_path / "one.th")
    heard = torch.randn(1, network.audio_channels, 24000)
    with torch.no_grad():
        assert torch.equal(loaded(heard), network.eval()(heard))


LAYERS = torch.nn.Linear, torch.nn.LSTM, torch.nn.Embedding, torch.nn.MultiheadAttention


@pytest.mark.parametrize("layer", LAYERS)
def test_nothing_is_drawn(layer: type[torch.nn.Module]) -> None:
    changed: list[bool] = []

    def build() -> torch.nn.Module:
        before = torch.get_rng_state()
        made = layer(4, 2)
        changed.append(not torch.equal(torch.get_rng_state(), before))
        return made

    network = unfilled(build)
    assert not any(changed)
    assert all(one.requires_grad and one.device.type == "cpu" for one in network.parameters())
    build()
    assert changed[-1], "it draws nothing by itself"


@pytest.mark.parametrize("buffer", [True, False])
def test_tensors_that_no_state_brings_are_made(buffer: bool) -> None:
    state = torch.get_rng_state()
    network = unfilled(lambda: OwnTensors(buffer))
    assert torch.equal(network.window, torch.hann_window(8))  # type: ignore[arg-type]
    assert torch.equal(torch.get_rng_state(), state)


def test_other_threads_draw() -> None:
    networks: list[torch.nn.Linear] = []
    began, built = threading.Event(), threading.Event()

    def beside() -> None:
        began.wait(10)
        networks.append(torch.nn.Linear(50, 50))
        built.set()

    thread = threading.Thread(target=beside)
    thread.start()

    def build() -> torch.nn.Module:
        began.set()
        assert built.wait(10)
        return torch.nn.Linear(2, 2)

    unfilled(build)
    thread.join()
    assert 0.05 < networks[0].weight.std() < 0.12, "uniform within 1 / sqrt(50)"
