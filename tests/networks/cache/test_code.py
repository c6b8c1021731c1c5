"""The code behind an answer: whatever a stage imports changes its key, and nothing else does."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from speechclean.networks.cache import Cost, DiskCache
from speechclean.networks.cache.code import closure, is_stale, stage_parts
from speechclean.networks.cache.contents import descriptions, stale_lines
from speechclean.stages.enhancement.denoiser import Denoiser
from speechclean.stages.metrics.squim_pesq import SquimPesq
from speechclean.stages.separators.demucs import DemucsSeparator
from speechclean.stages.separators.local import LocalSeparator
from speechclean.stages.separators.roformer import RoformerSeparator
from speechclean.system.resources import PACKAGE

DEMUCS = DemucsSeparator.__module__


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package's sources and small assets."""
    root = tmp_path_factory.mktemp("copy") / "speechclean"
    shutil.copytree(PACKAGE, root, ignore=shutil.ignore_patterns("*.wav", "*.th", "__pycache__"))
    return root


@pytest.fixture
def touched() -> Iterator[list[Path]]:
    """Files to be given back as they were."""
    files: list[Path] = []
    yield files
    for path in files:
        path.write_text(path.read_text().removesuffix("\n# touched\n"))


def touch(path: Path, touched: list[Path]) -> None:
    path.write_text(path.read_text() + "\n# touched\n")
    touched.append(path)


@pytest.mark.parametrize(
    ("cls", "place"),
    [
        (DemucsSeparator, "system/parallel.py"),
        (DemucsSeparator, "audio/stream.py"),
        (DemucsSeparator, "networks/checkpoints.py"),
        (DemucsSeparator, "networks/cache/packing.py"),
        (DemucsSeparator, "stages/__init__.py"),
        (DemucsSeparator, "stages/separators/engine.py"),
        (DemucsSeparator, "stages/separators/tuned/spectra.py"),
        (RoformerSeparator, "stages/separators/roformer_network.py"),
        (RoformerSeparator, "stages/separators/demucs.py"),
        (RoformerSeparator, "networks/weights/registry.py"),
        (LocalSeparator, "stages/separators/local.py"),
        (LocalSeparator, "stages/separators/segments.py"),
        (Denoiser, "audio/stft.py"),
        (Denoiser, "system/parallel.py"),
        (SquimPesq, "stages/metrics/squim_pesq.py"),
        (SquimPesq, "stages/metrics/squim.py"),
    ],
)
def test_what_a_stage_imports_is_in_its_key(
    cls: type, place: str, package: Path, touched: list[Path]
) -> None:
    before = closure(cls.__module__, root=package).sha256()
    touch(package / place, touched)
    assert closure(cls.__module__, root=package).sha256() != before


@pytest.mark.parametrize(
    ("cls", "place"),
    [
        (DemucsSeparator, "records/provenance.py"),
        (DemucsSeparator, "experiment/run.py"),
        (DemucsSeparator, "stages/separators/roformer.py"),
        (DemucsSeparator, "stages/separators/local.py"),
        (DemucsSeparator, "stages/enhancement/denoiser.py"),
        (DemucsSeparator, "stages/pipeline.py"),
        (Denoiser, "stages/separators/engine.py"),
        (SquimPesq, "stages/metrics/squim_si_sdr.py"),
    ],
)
def test_what_it_does_not_import_is_not(
    cls: type, place: str, package: Path, touched: list[Path]
) -> None:
    before = closure(cls.__module__, root=package).sha256()
    touch(package / place, touched)
    assert closure(cls.__module__, root=package).sha256() == before


def test_the_closure_holds_what_was_once_listed_by_hand() -> None:
    found = closure(DEMUCS)
    separators = PACKAGE / "stages" / "separators"
    names = ("demucs", "bag_networks", "engine", "schedule", "network", "precision", "segments")
    listed = [separators / f"{name}.py" for name in names]
    listed += (separators / "tuned").glob("*.py")
    listed += [PACKAGE / "system" / "parallel.py", PACKAGE / "networks" / "checkpoints.py"]
    assert set(listed) <= set(found.files.values())
    assert {"torch", "demucs", "denoiser", "numpy", "soxr", "julius"} <= (found.distributions)
    assert not found.unknown
    torchaudio = closure(SquimPesq.__module__).distributions
    assert "torchaudio" in torchaudio


def test_a_library_named_in_a_string_and_an_asset_count() -> None:
    found = closure("speechclean.stages.metrics.music_presence")
    assert "panns-inference" in found.distributions
    assert "assets/audioset_music.csv" in found.files


def test_late_and_relative_imports_are_followed(tmp_path: Path) -> None:
    root = tmp_path / "speechclean"
    (root / "inner").mkdir(parents=True)
    for place, text in {
        "__init__.py": "",
        "inner/__init__.py": "from . import by_init",
        "inner/by_init.py": "",
        "inner/top.py": "def f():\n    from .late import thing\n",
        "inner/late.py": "import speechclean.deep\nthing = 1\n",
        "deep.py": "",
        "alone.py": "",
    }.items():
        (root / place).write_text(text)
    found = closure("speechclean.inner.top", root=root).files
    assert set(found) == {
        "speechclean",
        "speechclean.inner",
        "speechclean.inner.by_init",
        "speechclean.inner.top",
        "speechclean.inner.late",
        "speechclean.deep",
    }


def test_another_version_of_a_library_is_other_code(monkeypatch: pytest.MonkeyPatch) -> None:
    before = closure(DEMUCS).sha256()
    monkeypatch.setattr(
        "speechclean.networks.cache.code.version",
        lambda name: "0.0" if name == "nvidia-cudnn-cu13" else "1.0",
    )
    first = closure(DEMUCS).sha256()
    monkeypatch.setattr("speechclean.networks.cache.code.version", lambda _: "1.0")
    assert len({before, first, closure(DEMUCS).sha256()}) == 3


def test_a_users_own_module_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_own_stage.py").write_text(
        "import mine_own_helper\nfrom speechclean.audio import stft\n"
    )
    (tmp_path / "mine_own_helper.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = closure("mine_own_stage")
    assert {"mine_own_stage", "mine_own_helper", "speechclean.audio.stft"} <= set(found.files)
    assert found.sha256() == closure("mine_own_stage").sha256()


def test_code_without_a_source_is_never_found_again() -> None:
    assert closure("no_such_module_anywhere").unknown
    assert (
        closure("no_such_module_anywhere").sha256() != closure("no_such_module_anywhere").sha256()
    )


def test_stale_entries_are_counted(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 10**8)
    parts = stage_parts(DemucsSeparator)
    assert not is_stale(parts)
    cache.put("separator", {**parts, "input": "a"}, torch.ones(9), Cost(1, 1.0))
    assert stale_lines(descriptions(cache)) == []
    cache.put("separator", {"input": "a", "code": "by hand"}, torch.ones(9), Cost(1, 1.0))
    (line,) = stale_lines(descriptions(cache))
    assert "1 entry is of other code" in line
    cache.put("separator", {**parts, "code": "another"}, torch.ones(9), Cost(1, 1.0))
    gone = parts | {"modules": ["speechclean.separators.gone"]}
    cache.put("separator", gone, torch.ones(9), Cost(1, 1.0))
    (line,) = stale_lines(descriptions(cache))
    assert line.startswith("  3 entries are of other code")
    assert "`clear` removes them" in line
