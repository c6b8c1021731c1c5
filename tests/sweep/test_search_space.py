"""What is searched is said in Hydra's own syntax."""

from __future__ import annotations

import math

import pytest

from speechclean.sweep.search_space import as_overrides, grid, same, size, space_of


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
        "tuned": True,
    }
    assert as_overrides(point) == [
        "enhancement.wet=0.15",
        "shifts=4",
        "separators=[a,b]",
        "tuned=true",
    ]
