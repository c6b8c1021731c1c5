"""What is said of packages that are not there is what pyproject.toml has."""

from __future__ import annotations

import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from speechclean.system import extras
from tests.support.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OPTIONAL = PROJECT["optional-dependencies"]
#: Extras of packages that this package does not import: they are for its studies and its tests.
TOOLS = {"all", "dev"}


def brought(extra: str) -> set[str]:
    return {canonicalize_name(Requirement(line).name) for line in OPTIONAL[extra]}


def test_the_table_is_that_of_the_project() -> None:
    by_pip = {"denoiser"}  # asks for a Hydra that nothing else here would work with
    assert set(extras.table()) == set(OPTIONAL) - TOOLS
    for extra, packages in extras.table().items():
        named = {canonicalize_name(name) for name in packages.values()} - by_pip
        # diffq trains; nothing of this package imports it.
        assert named == brought(extra) - {"diffq"}, extra


def test_all_is_what_is_not_apart() -> None:
    (line,) = OPTIONAL["all"]
    assert Requirement(line).extras == set(extras.table()) - set(extras.APART)


def test_the_core_and_the_extras_are_apart() -> None:
    core = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
    for extra in extras.table():
        assert not core & brought(extra), extra


def test_what_is_there_is_not_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    extras.require("something", "torch", "numpy")
    monkeypatch.setattr(extras, "_is_there", lambda name: name != "whisper")
    with pytest.raises(extras.MissingPackage) as raised:
        extras.require("metrics.wer", "jiwer", "whisper", otherwise="metrics=[]")
    assert str(raised.value) == (
        "metrics.wer: openai-whisper is not installed; pip install 'speechclean[whisper]', "
        "or metrics=[]"
    )


def test_a_package_that_no_extra_brings_is_noticed() -> None:
    with pytest.raises(KeyError, match="name it in system/extras"):
        extras.how_to_get(["no_such_package"])
