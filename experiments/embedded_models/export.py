r"""Write trained checkpoints in the formats of demucs and denoiser.

Their own loaders read them.

    python -m experiments.embedded_models.export --htdemucs a/last.pt --hdemucs b/last.pt \
        --hdemucs24 c/last.pt --hdemucs36 d/last.pt --denoiser e/last.pt \
        --out speechclean/assets/models

The folder becomes a local repository of demucs: `<signature>-<checksum>.th` packages and one bag
yaml a model (`demucs --repo speechclean/assets/models -n embedded_htdemucs voice.wav`). The
smallest frequency-domain model and the widest are packed by DiffQ, with the bits that they learned
or those of `BITS`; the others are in half precision, in which the trainings keep their averaged
weights: nothing of those is lost. The denoiser is a package for denoiser's `--model_path`.
"""

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from demucs.states import get_state, save_with_checksum
from denoiser.utils import serialize_model
from diffq import DiffQuantizer
from torch import nn

from experiments.embedded_models.networks import build
from experiments.embedded_models.quantise import GROUP_SIZE, MIN_SIZE_MB, attach

BAGS = {
    "htdemucs": "embedded_htdemucs",
    "hdemucs": "embedded_hdemucs_q",
    "hdemucs24": "embedded_hdemucs24",
    "hdemucs36": "embedded_hdemucs36",
}
#: Packed by DiffQ, at so many bits where a training learned none: all that ships fits into 25 MB.
BITS = {"hdemucs": 8, "hdemucs36": 7}


def load(checkpoint: Path) -> tuple[nn.Module, dict[str, Any]]:
    """The network with its averaged weights, and the checkpoint's content."""
    content = torch.load(checkpoint, "cpu", weights_only=True)
    model = build(content["network"])
    model.load_state_dict({k: v for k, v in content["average"].items() if not k.endswith("_diffq")})
    return model.eval(), content


def quantizer(model: nn.Module, content: dict[str, Any]) -> DiffQuantizer:
    """DiffQ over the averaged weights, with the bits that the checkpoint learned.

    Those of `BITS` where it learned none.
    """
    made = attach(model, BITS[content["network"]])
    made.no_optimizer()
    learned = {k: v for k, v in content["average"].items() if k.endswith("_diffq")}
    model.load_state_dict(learned, strict=False)
    return made


def training_args(content: dict[str, Any]) -> dict[str, Any]:
    """What the file of weights tells of its training.

    How long it was, how it ended, and its run in MLflow.
    """
    told = {key: content[key] for key in ("network", "step", "elapsed", "heard_s")}
    return told | {"run": content.get("run"), "valid": content["scores"]}


def package(model: nn.Module, content: dict[str, Any], quantise: bool) -> dict[str, Any]:
    """Demucs's package of a network.

    Class, arguments, state (half precision or DiffQ) and what is known of the training.
    """
    # noted by demucs' own `capture_init`, which offers no other way to read it
    noted: Any = model
    args, kwargs = noted._init_args_kwargs  # noqa: SLF001
    told = training_args(content)
    if quantise:
        told |= {"diffq_group_size": GROUP_SIZE, "diffq_min_size_mb": MIN_SIZE_MB}
    state = get_state(model, quantizer(model, content) if quantise else None, half=True)
    return {
        "klass": type(model),
        "args": args,
        "kwargs": kwargs,
        "state": state,
        "training_args": told,
    }


def export_network(checkpoint: Path, out: Path, name: str) -> Path:
    """Write a checkpoint as `name` into the folder `out`, in the format of its own library.

    Returns the file of weights.
    """
    out.mkdir(parents=True, exist_ok=True)
    denoising = torch.load(checkpoint, "cpu", weights_only=True)["network"] == "denoiser"
    return (
        export_denoiser(checkpoint, out, name)
        if denoising
        else export_separator(checkpoint, out, name)
    )


def export_separator(checkpoint: Path, out: Path, name: str | None = None) -> Path:
    """Write package and bag of one separator.

    An older package of the same bag is removed. Returns the package's path.
    """
    model, content = load(checkpoint)
    name = name or BAGS[content["network"]]
    content_of = package(model, content, quantise=content["network"] in BITS)
    signature = hashlib.sha256(
        json.dumps(content_of["training_args"], sort_keys=True).encode()
    ).hexdigest()[:8]
    bag = out / f"{name}.yaml"
    if bag.exists():
        for old in yaml.safe_load(bag.read_text())["models"]:
            for path in out.glob(f"{old}-*.th"):
                path.unlink()
    save_with_checksum(content_of, out / f"{signature}.th")
    bag.write_text(yaml.safe_dump({"models": [signature]}))
    return next(out.glob(f"{signature}-*.th"))


def export_denoiser(checkpoint: Path, out: Path, name: str = "embedded_denoiser") -> Path:
    """Denoiser's package in half precision."""
    model, told = load(checkpoint)
    content = serialize_model(model)
    content["state"] = {key: value.half() for key, value in content["state"].items()}
    content["training_args"] = training_args(told)
    path = out / f"{name}.th"
    torch.save(content, path)
    return path


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in (*BAGS, "denoiser"):
        parser.add_argument(f"--{name}", type=Path, help="checkpoint written by the training")
    parser.add_argument("--out", type=Path, default=Path("speechclean/assets/models"))
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    separators = [getattr(args, name) for name in BAGS]
    written = [export_separator(path, args.out) for path in separators if path]
    written += [export_denoiser(args.denoiser, args.out)] if args.denoiser else []
    for path in written:
        print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
