"""Keys and choices of former days are today's, and change no signature."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from speechclean.experiment.batch.record import identity
from speechclean.records.class_names import with_current, with_first
from speechclean.records.key_names import (
    RENAMED_CHOICES,
    RENAMED_KEYS,
    current_key,
    first_key,
    former_keys,
    with_current_keys,
    with_first_keys,
)
from speechclean.records.provenance import signature
from speechclean.system.resources import conf_dir
from tests.records.test_identity import resolved
from tests.support.paths import ROOT

SIGNATURES = json.loads((ROOT / "tests/recorded/signatures.json").read_text())
#: Of recorded configs with `tuned=false`, `batch_seconds=7` and `output.marks=false`: their
#: signatures, and those of the entries in a ledger. Computed by commit 65ed494, which knew no other
#: names.
OF_THEN = {
    "default": (
        "5c70f3af1755ca926d7e9e165eec070650a2ff1eef45c9866101ff83c009cf4a",
        "bd3edf771041925d7d2011962235efe4",
    ),
    "ensemble": (
        "36254f7c97422bbd753651848b2c275837c7aa28b48f5d3a0c839e520606502d",
        "665523769b03f6fd37bc6de731603cdf",
    ),
    "batch": (
        "5c70f3af1755ca926d7e9e165eec070650a2ff1eef45c9866101ff83c009cf4a",
        "0317a6a2bc8071a48184ccc7b90ba9ba",
    ),
}


def of_then(name: str) -> dict[str, Any]:
    config: dict[str, Any] = deepcopy(SIGNATURES[name]["config"])
    for node in config["separators"].values():
        if "tuned" in node:
            node["tuned"] = False
    config["batch_seconds"], config["output"]["marks"] = 7.0, False
    return config


@pytest.mark.parametrize(("before", "now"), RENAMED_KEYS.items())
def test_every_former_key_is_a_key_of_today(before: str, now: str) -> None:
    config = OmegaConf.create(resolved(["separators=[htdemucs]"]))
    before, now = (one.replace("*", "htdemucs") for one in (before, now))
    assert (current_key(before), first_key(now)) == (now, before)
    assert (current_key(now), first_key(before)) == (now, before)
    assert before.rpartition(".")[0] == now.rpartition(".")[0], "only the last part is another one"
    assert OmegaConf.select(config, now) is not None
    assert OmegaConf.select(config, before) is None


def test_every_former_choice_is_a_choice_of_today() -> None:
    for group, choices in RENAMED_CHOICES.items():
        for before, now in choices.items():
            assert Path(conf_dir(), group, f"{now}.yaml").is_file()
            assert not Path(conf_dir(), group, f"{before}.yaml").exists()


@pytest.mark.parametrize(
    "path",
    ["tuned", "separators.tuned", "separators.a.b.tuned", "output.a.marks", "sweep.batch_seconds"],
)
def test_a_key_elsewhere_is_another_key(path: str) -> None:
    assert current_key(path) == path


def test_keys_of_a_space_are_keys() -> None:
    for above in ("sweep.space", "sweep.conditions", "hydra.sweeper.params"):
        assert current_key(f"{above}.output.marks") == f"{above}.output.fingerprints"
    space = {"sweep": {"space": {"separators.local.tuned": "choice(true,false)"}}}
    assert former_keys(space) == ["sweep.space.separators.local.tuned"]
    renamed = {"sweep": {"space": {"separators.local.fast_layers": "choice(true,false)"}}}
    assert with_current_keys(space) == renamed
    assert with_first_keys(renamed) == space


def test_of_two_names_of_one_key_todays_counts() -> None:
    both = {"output": {"marks": True, "fingerprints": False, "dir": "x"}}
    assert with_current_keys(both) == {"output": {"fingerprints": False, "dir": "x"}}


@pytest.mark.parametrize("name", OF_THEN)
def test_a_ledger_entry_of_then_has_the_signature_of_now(name: str) -> None:
    then = of_then(name)
    now = with_current(then)
    assert former_keys(then)
    assert former_keys(now) == []
    assert now["audio_in_memory_s"] == 7.0
    assert now["output"]["fingerprints"] is False
    for config in (then, now, with_first(now)):
        assert (signature(config, {}, {}), identity(config, {}).signature) == OF_THEN[name]


def test_the_layers_still_count() -> None:
    now = with_current(of_then("ensemble"))
    now["separators"]["local"]["fast_layers"] = True
    assert signature(now, {}, {}) != OF_THEN["ensemble"][0]


def test_of_a_part_of_a_config_the_place_is_told() -> None:
    local = {"tuned": False, "shifts": 1}
    assert with_current_keys(local) == local
    assert with_current_keys(local, "separators.local") == {"fast_layers": False, "shifts": 1}
    assert former_keys(local, "separators.local") == ["separators.local.tuned"]
