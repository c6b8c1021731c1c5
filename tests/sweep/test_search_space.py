"""What is searched is said in Hydra's own syntax."""

from __future__ import annotations

import math

import pytest

from speechclean.sweep.search_space import space_of
from speechclean.sweep.space import as_overrides, covering, grid, is_in, same, size


def test_keys_and_values() -> None:
    declared = {
        "shifts": "choice(1,2,4)",
        "enhancement.wet": "range(0,1.01,0.05)",
        "separators": "choice([a],[a,b])",
        "seed": "range(1,4)",
        "overlap": "interval(0.1,0.5)",
        "fusion": "choice(mean_mask,max_mask)",
    }
    space, fixed = space_of(declared, [])
    assert fixed == []
    assert space["shifts"].choices == (1, 2, 4)  # type: ignore[attr-defined]
    assert space["separators"].choices == ("[a]", "[a,b]")  # type: ignore[attr-defined]
    assert (space["enhancement.wet"].low, space["enhancement.wet"].high) == (0, 1)  # type: ignore[attr-defined]
    assert (space["seed"].low, space["seed"].high) == (1, 3)  # type: ignore[attr-defined]
    assert size(space) == math.inf
    del space["overlap"]
    assert size(space) == 3 * 21 * 2 * 3 * 2


def test_the_command_line_adds_and_fixes() -> None:
    space, fixed = space_of(
        {"shifts": "choice(1,2)", "overlap": "choice(0.1,0.5)"},
        ["overlap=0.25", "beta=0.1,0.2", "name=x"],
    )
    assert list(space) == ["shifts", "beta"]
    assert fixed == ["overlap=0.25", "name=x"]


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        ({"shifts": "4"}, "one value is no choice"),
        ({}, "nothing is searched"),
        ({"shifts": "choice(1,"}, "sweep.space"),
    ],
)
def test_what_cannot_be_searched_is_said(declared: dict[str, str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        space_of(declared, [])


def test_a_grid_has_every_point_once() -> None:
    space, _ = space_of({"shifts": "choice(1,2)", "wet": "range(0,0.31,0.1)"}, [])
    points = list(grid(space))
    assert len(points) == len({same(point) for point in points}) == 8
    assert [point["wet"] for point in points[:4]] == [0.0, 0.1, 0.2, 0.3]
    with pytest.raises(ValueError, match="interval"):
        list(grid(space_of({"wet": "interval(0,1)"}, [])[0]))


def test_a_point_is_a_command_line() -> None:
    point = {
        "enhancement.wet": 0.15000000000000002,
        "shifts": 4,
        "separators": "[a,b]",
        "fast_layers": True,
    }
    assert as_overrides(point) == [
        "enhancement.wet=0.15",
        "shifts=4",
        "separators=[a,b]",
        "fast_layers=true",
    ]


#: A floor's knobs where there is one, and a weight of b where b is averaged.
HANGING = {
    "postprocess": "choice([wiener],[wiener,floor])",
    "floor_db": "choice(-40,-20)",
    "adaptive": "choice(false,true)",
    "separators": "choice([a],[a,b])",
    "fusion": "choice(max,mean)",
    "weight": "choice(1,2,3)",
}
CONDITIONS = {
    "floor_db": "postprocess has floor",
    "adaptive": "floor_db is -20",
    "weight": "fusion is mean, other and separators has b",
}


def test_a_key_is_searched_where_its_condition_holds() -> None:
    space, _ = space_of(HANGING, [], CONDITIONS)
    points = list(grid(space))
    # Without a floor one, with one at -40 another, at -20 two: four; without a weight three, with
    # one three.
    assert len(points) == len({same(point) for point in points}) == size(space) == 4 * (3 + 3)
    for point in points:
        assert ("floor_db" in point) == (point["postprocess"] == "[wiener,floor]")
        assert ("adaptive" in point) == (point.get("floor_db") == -20)
        assert ("weight" in point) == (point["fusion"] == "mean" and point["separators"] == "[a,b]")
        assert is_in(point, space)
    whole = next(point for point in points if len(point) == 6)
    assert not is_in({**whole, "postprocess": "[wiener]"}, space), "a floor's knob without a floor"
    assert not is_in({**whole, "floor_db": -30}, space)
    assert {key for point in covering(space) for key in point} == set(HANGING)
    assert all(is_in(point, space) for point in covering(space))


def test_what_the_command_line_sets_decides_conditions_at_once() -> None:
    space, fixed = space_of(HANGING, ["postprocess=[wiener]", "fusion=mean"], CONDITIONS)
    assert list(space) == ["separators", "weight"]
    assert fixed == ["postprocess=[wiener]", "fusion=mean"]
    assert size(space) == 1 + 3
    # What is neither searched nor set is what the config has.
    own = {**CONDITIONS, "separators": "denoiser is on"}
    for value, searched in (("on", True), ("off", False)):
        space, _ = space_of(HANGING, [], own, {"denoiser": value}.get)
        assert ("separators" in space) == ("weight" in space) == searched
    space, _ = space_of(HANGING, ["postprocess=[wiener, floor]"], CONDITIONS)
    assert list(space) == ["floor_db", "separators", "fusion", "adaptive", "weight"]


@pytest.mark.parametrize(
    ("conditions", "told"),
    [
        ({"weight": "fusion"}, "not understood"),
        ({"weight": "fusion is median"}, "none of the values of fusion is, or has, median"),
        ({"weight": "rule is mean"}, "there is no key rule"),
        ({"weight": "gain is 1"}, "gain must be a choice"),
        ({"floor_db": "adaptive is true", "adaptive": "floor_db is -20"}, "its line before"),
    ],
)
def test_conditions_that_cannot_be_are_said(conditions: dict[str, str], told: str) -> None:
    with pytest.raises(ValueError, match=rf"sweep.conditions.\w+: .*{told}"):
        space_of({**HANGING, "gain": "interval(0,1)"}, [], conditions)
