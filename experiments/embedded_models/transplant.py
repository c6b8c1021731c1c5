"""Start HTDemucs from a half-trained HDemucs.

Their spectral encoders and decoders are the same layers.

    python -m experiments.embedded_models.transplant --donor hdemucs/last.pt --out htdemucs_start.pt

The four outer layers of both sides are copied; the donor's innermost layer has no counterpart (the
transformer stands there). The waveform branch starts at a contribution of zero, so that the first
answer is the donor's without its bottom.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from experiments.embedded_models.networks import build


def renamed(name: str) -> str | None:
    """Name in HTDemucs of a parameter of HDemucs, None where it has no counterpart."""
    side, index, *rest = name.split(".")
    if side == "decoder":  # the donor is one layer deeper, and decoders count from the bottom
        return None if index == "0" else ".".join(["decoder", str(int(index) - 1), *rest])
    return None if (side, index) == ("encoder", "4") else name


def transplant(donor: dict[str, Tensor], seed: int = 1) -> dict[str, Tensor]:
    """State of a fresh HTDemucs with the donor's spectral layers in it."""
    torch.manual_seed(seed)
    state = build("htdemucs").state_dict()
    for name, value in donor.items():
        place = renamed(name)
        if place is not None:
            if state[place].shape != value.shape:
                raise ValueError(
                    f"{name} {tuple(value.shape)} does not fit {place} {tuple(state[place].shape)}"
                )
            state[place] = value.clone()
    for name in ("weight", "bias"):
        state[f"tdecoder.3.conv_tr.{name}"] = torch.zeros_like(state[f"tdecoder.3.conv_tr.{name}"])
    return state


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--donor", type=Path, required=True, help="checkpoint of an hdemucs training"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="checkpoint for --init of an htdemucs training"
    )
    args = parser.parse_args(argv)
    donor = torch.load(args.donor, "cpu", weights_only=True)
    torch.save({"network": "htdemucs", "average": transplant(donor["average"])}, args.out)


if __name__ == "__main__":
    main()
