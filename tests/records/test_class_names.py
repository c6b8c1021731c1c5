"""Configs with the class names of former days are understood, and keep their signatures."""

from __future__ import annotations

from typing import Any

import pytest
from hydra.utils import get_class
from omegaconf import OmegaConf

from speechclean.experiment.config.instantiate import instantiate_components
from speechclean.records.class_names import (
    BETWEEN,
    MOVED,
    current,
    first,
    with_current,
    with_first,
)
from speechclean.records.provenance import signature
from tests.records.test_identity import resolved

EVERY = [
    [],
    ["experiment=best_pipeline"],
    ["guard=fallback", "screening=music", "fusion=median_mask", "enhancement=identity"],
    ["batch=local", "delivery=zip", "batch.out=x", "tracking=none"],
]

#: Classes that have another name today, not only another module.
RENAMED = {
    "batches.cluster.Cluster": "RayActors",
    "batches.local.Local": "LocalWorkers",
    "datasets.finished.Finished": "Cleaned",
}


def targets(section: Any) -> list[str]:
    if isinstance(section, dict):
        own = [value for key, value in section.items() if key == "_target_"]
        return own + [one for value in section.values() for one in targets(value)]
    return []


@pytest.mark.parametrize("former", MOVED)
def test_every_former_name_is_a_class_of_today(former: str) -> None:
    now = current(f"speechclean.{former}")
    cls = get_class(now)
    name = RENAMED.get(former, former.rpartition(".")[2])
    assert cls.__name__ == name, "a class that is renamed says so here"
    assert first(now) == f"speechclean.{former}"
    assert current(now) == now, "today's name is nobody's former one"
    assert first(first(now)) == first(now)


@pytest.mark.parametrize(("between", "before"), BETWEEN.items())
def test_names_between_the_first_and_todays(between: str, before: str) -> None:
    assert current(f"speechclean.{between}") == f"speechclean.{MOVED[before]}"
    assert first(f"speechclean.{between}") == f"speechclean.{before}"


def test_no_two_former_names_became_one() -> None:
    assert len(set(MOVED.values())) == len(MOVED)


@pytest.mark.parametrize("overrides", EVERY)
def test_a_config_with_former_names_is_the_same_config(overrides: list[str]) -> None:
    today = resolved(overrides)
    former = with_first(today)
    assert len(targets(former)) >= 15
    renamed = {target for target in targets(today) if first(target) != target}
    assert len(renamed) >= 12
    assert not set(targets(former)) & renamed
    assert with_current(former) == today
    assert signature(former, {}, {}) == signature(today, {}, {})
    problems, components = instantiate_components(OmegaConf.create(former))
    assert problems == []
    assert components == instantiate_components(OmegaConf.create(today))[1]


@pytest.mark.parametrize(
    "target",
    [
        "speechclean.fusion.mean_mask.MeanMsk",
        "speechclean.fusion.mean_msk.MeanMask",
        "speechclean.stages.mean_mask.MeanMask",
        "fusion.mean_mask.MeanMask",
    ],
)
def test_a_misspelt_former_name_is_refused(target: str) -> None:
    config = with_first(resolved([]))
    config["fusion"]["_target_"] = target
    problems, components = instantiate_components(OmegaConf.create(config))
    assert len(problems) == 1
    assert problems[0].startswith(f"fusion._target_={target}: ")
    assert "fusion" not in components
