"""What DiffQ packed is decoded to the bits that DiffQ itself gives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from speechclean.networks import checkpoints, quantised
from speechclean.networks.weights import EMBEDDED

diffq = pytest.importorskip("diffq", reason="pip install 'speechclean[noncommercial]'")
STANDS_FOR = {
    "DiffQuantizer": quantised.DiffQuantizer,
    "UniformQuantizer": quantised.UniformQuantizer,
}


class Small(nn.Module):
    """Parameters of every kind: large, small, in an LSTM, and shared by two modules."""

    def __init__(self, shared: bool) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Linear(40, 64), nn.Linear(64, 64), nn.Linear(64, 9)
        self.recurrent, self.last = nn.LSTM(8, 8), nn.Linear(64, 9)
        self.last.bias = self.third.bias
        if shared:
            self.last.weight = self.third.weight


def state_of(kind: str, settings: dict[str, Any], **packing: bool) -> dict[str, Any]:
    """What DiffQ makes of a network, with bits of all numbers that it can pack."""
    torch.manual_seed(1)
    model = Small(shared=kind == "UniformQuantizer")  # DiffQ 0.2.4 cannot detach from shared ones
    quantizer = getattr(diffq, kind)(model, min_size=0.001, **settings)
    for parameter in quantizer._qparams:
        if hasattr(parameter, "logit"):
            parameter.logit.data.normal_(0, 3)
    found: dict[str, Any] = quantizer.get_quantized_state(**packing)
    return found


CASES = [
    ("DiffQuantizer", {"group_size": 4, "max_bits": 14}, {}),
    ("DiffQuantizer", {"group_size": 4, "max_bits": 14}, {"torch_pack": True}),
    ("DiffQuantizer", {"group_size": 8, "max_bits": 14, "float16": True}, {"packed": False}),
    ("DiffQuantizer", {"group_size": 4, "max_bits": 14, "exclude": ["first.*", "*_ih_l0"]}, {}),
    ("UniformQuantizer", {}, {}),
    ("UniformQuantizer", {"bits": 5.0, "float16": True}, {"packed": False}),
    ("UniformQuantizer", {"bits": 11, "detect_bound": False}, {}),
]


@pytest.mark.parametrize(("kind", "settings", "packing"), CASES)
def test_the_same_bits(kind: str, settings: dict[str, Any], packing: dict[str, bool]) -> None:
    state = state_of(kind, settings, **packing)
    theirs, ours = Small(kind == "UniformQuantizer"), Small(kind == "UniformQuantizer")
    diffq.restore_quantized_state(theirs, state)
    quantised.restore(ours, state | {"meta": state["meta"] | {"klass": STANDS_FOR[kind]}})
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value), name


@pytest.mark.parametrize("name", ["2d407b51-c880a287", "9e5de922-41260747"])
def test_what_is_shipped_has_the_same_bits(name: str) -> None:
    from demucs.states import load_model

    path = EMBEDDED / f"{name}.th"
    package = checkpoints.read(path)
    assert package["state"]["__quantized"]
    theirs, ours = load_model(path).state_dict(), checkpoints.build(package, path).state_dict()
    assert all(torch.equal(ours[name], value) for name, value in theirs.items())


def test_groups_that_were_lost_are_told() -> None:
    """DiffQ chooses up to 15 bits and packs up to 14: what it gives for the rest is chance."""
    state = state_of("DiffQuantizer", {"group_size": 4})
    state["meta"]["klass"] = quantised.DiffQuantizer
    with pytest.raises(ValueError, match="groups of 15 bits were lost"):
        quantised.restore(Small(shared=False), state)


def test_the_state_of_another_network() -> None:
    state = state_of("UniformQuantizer", {})
    state["meta"]["klass"] = quantised.UniformQuantizer
    with pytest.raises(ValueError, match="7 tensors are stored, and the network has 2 of"):
        quantised.restore(nn.Linear(2, 2), state)
    state["meta"]["klass"] = nn.Linear
    with pytest.raises(ValueError, match="no quantiser"):
        quantised.restore(Small(shared=True), state)
