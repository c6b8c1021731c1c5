"""Weights are found where users have them, verified by what their names promise, and missing ones
say what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from demucs.states import save_with_checksum

from speechclean.networks import weights
from speechclean.networks.checkpoints import CheckpointError
from speechclean.networks.weights import MissingWeights, registry, search_path


@pytest.fixture(autouse=True)
def _bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TORCH_HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("SPEECHCLEAN_WEIGHTS", raising=False)


def test_missing_weights_are_named_with_what_to_do() -> None:
    with pytest.raises(MissingWeights) as raised:
        weights.demucs_bag("htdemucs_ft", None)
    text = str(raised.value)
    assert all(
        word in text
        for word in ("htdemucs_ft: 4 published", "04573f0d-f3cf25b2.th", "SPEECHCLEAN_WEIGHTS")
    )
    with pytest.raises(MissingWeights, match=r"dns64-a7761ff99a7d5bb6\.th"):
        weights.denoiser_file("dns64")
    with pytest.raises(MissingWeights, match="neither a file"):
        weights.denoiser_file("dns65")


@pytest.mark.parametrize("place", ["SPEECHCLEAN_WEIGHTS", "torch", "hub"])
def test_weights_are_found_in_each_place(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = tmp_path / "HF_HOME/hub/models--adefossez--Demucs-mdx_extra_q/snapshots/0123abcd"
    folder = {
        "SPEECHCLEAN_WEIGHTS": tmp_path / "mine",
        "torch": tmp_path / "TORCH_HOME/hub/checkpoints",
        "hub": hub,
    }[place]
    folder.mkdir(parents=True)
    signatures = ["83fc094f", "464b36d7", "14fc6a69", "7fd6ef75"]
    for signature in signatures:
        if place == "hub":
            (folder / f"{signature}.safetensors").write_bytes(b"x")
        else:
            save_with_checksum({"state": torch.zeros(1)}, folder / f"{signature}.th")
    if place == "SPEECHCLEAN_WEIGHTS":
        monkeypatch.setenv(place, str(folder))
    bag = weights.demucs_bag("mdx_extra_q", None)
    assert list(bag.files) == signatures
    assert all(path.parent == folder for path in bag.files.values())
    assert bag.segment_s == 44
    assert bag.weights is None


def test_a_single_network_is_a_bag_of_one(tmp_path: Path) -> None:
    save_with_checksum({"state": torch.zeros(1)}, tmp_path / "abcd.th")
    bag = weights.demucs_bag("abcd", str(tmp_path))
    assert list(bag.files) == ["abcd"]


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    save_with_checksum({"state": torch.zeros(1)}, tmp_path / "abcd.th")
    path = next(tmp_path.glob("*.th"))
    weights.demucs_bag("abcd", str(tmp_path))
    path.write_bytes(path.read_bytes() + b"!")
    with pytest.raises(CheckpointError, match="damaged"):
        weights.demucs_bag("abcd", str(tmp_path))


def test_embedded_weights_are_small_and_whole() -> None:
    for name in (f"embedded_{one}" for one in ("htdemucs", "hdemucs_q", "hdemucs24", "hdemucs36")):
        assert weights.demucs_bag(name, "embedded").files
        assert yaml.safe_load((weights.EMBEDDED / f"{name}.yaml").read_text())["models"]
    assert weights.denoiser_file("embedded_denoiser").is_file()
    assert sum(path.stat().st_size for path in weights.EMBEDDED.iterdir()) <= 25e6


def test_a_folder_of_ones_own_comes_first(tmp_path: Path) -> None:
    """It is an argument: nothing in the process changes."""
    usual = search_path.folders()
    with pytest.raises(weights.MissingWeights, match=str(tmp_path)):
        weights.denoiser_file("dns64", tmp_path)
    name = registry.models()["dns64"].files[0].urls[0].name
    (tmp_path / name).write_bytes(b"")
    assert search_path.locate(registry.models()["dns64"].files[0], tmp_path) == tmp_path / name
    assert search_path.folders(tmp_path) == [tmp_path, *usual]
    assert search_path.folders() == usual
