"""What is a constant under the sound, and what is the sound itself."""

from __future__ import annotations

import pytest
import torch

from speechclean.audio.dc_offset import significant, significant_of
from tests.conftest import noise


def test_only_a_large_constant_counts_each_channel_having_its_own() -> None:
    waveform = noise(2.0, 16000, channels=2).waveform
    waveform -= waveform.mean(-1, keepdim=True)
    offset = torch.tensor([[0.3], [-0.02]])
    found = significant(waveform + offset, 16000, 0.01)
    assert found is not None
    assert found.flatten().tolist() == pytest.approx([0.3, -0.02], abs=1e-6)
    streamed = significant_of(iter((waveform + offset).split(777, -1)), 16000, 0.01)
    assert streamed is not None
    assert torch.allclose(streamed, found, atol=1e-7)
    assert significant(waveform + 0.009, 16000, 0.01) is None
    assert significant(waveform + offset, 16000, None) is None
    assert significant(torch.full((1, 1), 0.5), 16000, 0.01) is None, "one sample is no constant"
