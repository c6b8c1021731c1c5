"""Fewer bits only where they are close enough; the gate is tried on a CPU, which has half precision
too."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import torch

from speechclean.networks import checkpoints
from speechclean.stages.separators import precision
from speechclean.stages.separators.demucs import DemucsSeparator
from tests.conftest import tiny_hdemucs


def test_settings_hold_within_and_are_given_back() -> None:
    def settings() -> tuple[str, bool, bool]:
        return (
            torch.get_float32_matmul_precision(),
            torch.backends.cudnn.allow_tf32,
            torch.is_autocast_enabled("cpu"),
        )

    before = settings()
    found = {}
    for name in precision.PRECISIONS:
        with precision.computing(name, "cpu"):
            found[name] = settings()
    assert found == {
        "fp32": ("highest", False, False),
        "tf32": ("high", True, False),
        "fp16": ("high", True, True),
    }
    assert settings() == before


def test_half_precision_loses_something_and_single_nothing() -> None:
    module = checkpoints.freeze(tiny_hdemucs())
    assert precision.agreement_db(module, "fp32", 48000) == float("inf")
    assert 30 < precision.agreement_db(module, "fp16", 48000) < 120


class Elsewhere(torch.nn.Module):
    """Says that it does not lie on the CPU."""

    def parameters(self, recurse: bool = True) -> Iterator[torch.nn.Parameter]:  # noqa: ARG002
        return iter([torch.nn.Parameter(torch.zeros(1, device="meta"))])


@pytest.mark.parametrize(
    ("kept_db", "admitted"), [(60.0, "fp16"), (40.0, "fp32"), (float("-inf"), "fp32")]
)
def test_the_gate(
    kept_db: float, admitted: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(precision, "agreement_db", lambda *_: kept_db)
    with caplog.at_level(logging.WARNING):
        assert precision.admitted(Elsewhere(), "fp16", 1000) == admitted
    assert ("fp32" in caplog.text) == (admitted == "fp32")


def test_a_cpu_computes_in_single_precision() -> None:
    module = checkpoints.freeze(tiny_hdemucs())
    heard = torch.randn(1, 1, 48000)
    assert precision.admitted(module, "fp16", 1000) == "fp32"
    assert torch.equal(precision.answer(module, heard, "fp16"), module(heard))


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(ValueError, match="precision='int4' must be one of fp32, tf32, fp16"):
        DemucsSeparator("any", precision="int4")
