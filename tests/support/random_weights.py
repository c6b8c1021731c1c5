"""Networks of the published architectures with random weights, in demucs' own file format: neither
speed nor memory depends on what was learnt."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import torch
import yaml

SOURCES = ["drums", "bass", "other", "vocals"]
#: Signatures of the published bags (demucs/remote/*.yaml).
HTDEMUCS_FT = ("f7e0c4bc", "d12395a8", "92cfc3b6", "04573f0d")
MDX_EXTRA_Q = ("83fc094f", "464b36d7", "14fc6a69", "7fd6ef75")


def htdemucs() -> torch.nn.Module:
    """One network of htdemucs_ft: 42.0 M parameters, segments of 7.8 s."""
    from demucs.htdemucs import HTDemucs

    return HTDemucs(
        sources=SOURCES,
        depth=4,
        dconv_mode=3,
        t_layers=5,
        bottom_channels=512,
        segment=Fraction(39, 5),
    )


def hdemucs() -> torch.nn.Module:
    """One network of mdx_extra: 83.6 M parameters, segments of 44 s."""
    from demucs.hdemucs import HDemucs

    return HDemucs(sources=SOURCES, channels=48, depth=6, segment=44)


def write(folder: Path) -> None:
    """Write both bags and the denoiser, the same bytes every time: about 1 GB at half precision.

    The published mdx_extra_q is quantised by DiffQ, which changes its file and not its computation:
    here it is stored plain.
    """
    from demucs.states import save_with_checksum, serialize_model
    from omegaconf import OmegaConf

    folder.mkdir(parents=True, exist_ok=True)
    for name, signatures, build, more in (
        ("htdemucs_ft", HTDEMUCS_FT, htdemucs, {"weights": torch.eye(4).tolist()}),
        ("mdx_extra_q", MDX_EXTRA_Q, hdemucs, {"segment": 44}),
    ):
        for seed, signature in enumerate(signatures):
            torch.manual_seed(seed)
            save_with_checksum(
                serialize_model(build(), OmegaConf.create({})), folder / f"{signature}.th"
            )
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({"models": list(signatures), **more}))
    write_dns64(folder)


def write_dns64(folder: Path) -> None:
    """Write `dns64.th`: DNS64's architecture and format."""
    from denoiser.demucs import Demucs as Denoiser

    torch.manual_seed(0)
    network = Denoiser(hidden=64)
    package = {
        "class": Denoiser,
        "args": (),
        "kwargs": {"hidden": 64},
        "state": network.state_dict(),
    }
    torch.save(package, folder / "dns64.th")
