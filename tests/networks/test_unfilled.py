"""Networks that are loaded start with nothing drawn, and hold exactly their state."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

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


def test_nothing_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[torch.Size] = []
    draw = torch.Tensor.uniform_

    def noted(self: torch.Tensor, *bounds: float, **more: Any) -> torch.Tensor:
        if not self.is_meta:
            drawn.append(self.shape)
        return draw(self, *bounds, **more)

    monkeypatch.setattr(torch.Tensor, "uniform_", noted)
    before = torch.get_rng_state(), random.getstate()
    network = unfilled(lambda: torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.LSTM(4, 5)))
    assert not drawn
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert all(one.device.type == "cpu" for one in network.parameters())
    assert torch.nn.Linear(3, 4)
    assert drawn, "the spy sees what is drawn"


@pytest.mark.parametrize("buffer", [True, False])
def test_tensors_that_no_state_brings_are_made(buffer: bool) -> None:
    state = torch.get_rng_state()
    network = unfilled(lambda: OwnTensors(buffer))
    assert torch.equal(network.window, torch.hann_window(8))  # type: ignore[arg-type]
    assert torch.equal(torch.get_rng_state(), state)
