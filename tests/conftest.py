"""Sounds and small models that tests share."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import pytest
import torch

from speechclean.audio.waveform import Audio

#: Tests run in as many processes as there are cores: more threads than that only wait for one
#: another.
torch.set_num_threads(1)

#: How long a slow test may take, in seconds, unless its own mark says otherwise; the others have
#: pyproject.toml's.
SLOW_S = 1800


#: Rooms whose tests run whole commands, and the file that takes longest of all. With the default
#: order of two processes they came last, and one process waited for minutes for the other: `make
#: test` hands files out in the order of items.
LONGEST_FIRST = (
    "experiments/test_drills.py",
    *("integration", "cli", "sweep", "reproduction", "records", "experiments"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent

    @cache  # there are thousands of tests, in a hundred files
    def place(path: Path) -> int:
        rooms = [room for room in LONGEST_FIRST if here / room in (path, *path.parents)]
        return LONGEST_FIRST.index(rooms[0]) if rooms else len(LONGEST_FIRST)

    items.sort(key=lambda item: place(item.path))
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW_S))


def tone(
    hz: float, seconds: float = 1.0, sample_rate: int = 24000, level: float = 0.5, channels: int = 1
) -> Audio:
    """A sine of a peak level."""
    time = torch.arange(round(seconds * sample_rate), dtype=torch.float64) / sample_rate
    return Audio(
        (level * torch.sin(2 * math.pi * hz * time)).float().repeat(channels, 1), sample_rate
    )


def noise(
    seconds: float = 1.0,
    sample_rate: int = 24000,
    level: float = 0.1,
    channels: int = 1,
    seed: int = 0,
) -> Audio:
    """White noise of a standard deviation."""
    generator = torch.Generator().manual_seed(seed)
    return Audio(
        level * torch.randn(channels, round(seconds * sample_rate), generator=generator),
        sample_rate,
    )


def level_db(waveform: torch.Tensor) -> float:
    """Power in dB, -inf for silence."""
    return (
        10 * math.log10(power) if (power := waveform.double().square().mean().item()) else -math.inf
    )


def save_demucs(
    folder: Path,
    name: str,
    models: dict[str, torch.nn.Module],
    weights: list[list[float]] | None = None,
) -> None:
    """A bag in demucs' own folder format, by demucs' own writer."""
    import yaml
    from demucs.states import save_with_checksum, serialize_model
    from omegaconf import OmegaConf

    folder.mkdir(exist_ok=True)
    for signature, model in models.items():
        save_with_checksum(
            serialize_model(model, OmegaConf.create({}), half=False), folder / f"{signature}.th"
        )
    definition = {"models": list(models)} | ({"weights": weights} if weights else {})
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(definition))


def tiny_htdemucs(
    sources: tuple[str, ...] = ("music", "speech"), channels: int = 1, seed: int = 0
) -> torch.nn.Module:
    """A transformer of the demucs family with random weights: small, but every kind of layer is
    there."""
    from demucs.htdemucs import HTDemucs

    torch.manual_seed(seed)
    shape = {
        "channels": 4,
        "nfft": 2048,
        "depth": 4,
        "t_layers": 1,
        "t_heads": 2,
        "segment": 2,
        "samplerate": 24000,
    }
    return HTDemucs(sources=list(sources), audio_channels=channels, dconv_mode=0, **shape).eval()


def tiny_hdemucs(
    sources: tuple[str, ...] = ("music", "speech"), channels: int = 1, seed: int = 0
) -> torch.nn.Module:
    """A spectrogram network of the demucs family, shaped like the embedded one."""
    from demucs.hdemucs import HDemucs

    torch.manual_seed(seed)
    shape = {
        "channels": 4,
        "nfft": 1024,
        "depth": 4,
        "segment": 2,
        "samplerate": 24000,
        "norm_starts": 4,
        "dconv_lstm": 4,
    }
    return HDemucs(
        sources=list(sources),
        audio_channels=channels,
        hybrid=False,
        cac=False,
        wiener_iters=-1,
        end_iters=-1,
        **shape,
    )


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `one` (a transformer), `two` (one of each kind) and `heavy` (a bag like
    htdemucs_ft, stereo)."""
    folder = tmp_path_factory.mktemp("models")
    four = ("drums", "bass", "other", "vocals")
    save_demucs(folder, "one", {"aaaa": tiny_htdemucs()})
    save_demucs(folder, "two", {"bbbb": tiny_htdemucs(seed=1), "cccc": tiny_hdemucs(seed=2)})
    one_hot = [[float(row == column) for column in range(4)] for row in range(4)]
    heavy = {f"dddd{index}": tiny_htdemucs(four, 2, seed=10 + index) for index in range(4)}
    save_demucs(folder, "heavy", heavy, one_hot)
    return folder
