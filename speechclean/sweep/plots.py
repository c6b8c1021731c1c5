"""Optuna's plots of a study: parts of a page that needs no network, and pictures."""

from __future__ import annotations

import functools
import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speechclean.system.atomic_files import written_whole

from .page import Plot

if TYPE_CHECKING:
    import optuna

log = logging.getLogger(__name__)
#: Knobs of which every pair gets a picture.
PAIRED = 4
#: Width of several plots in one at least.
WIDE_PX = 700


def write_figures(
    study: optuna.Study, names: list[str], folder: Path
) -> tuple[list[Plot], list[Path]]:
    """Draw each plot as HTML, and as a PNG into `folder`: the parts of a page, and the paths.

    A plot that cannot be drawn, for want of trials, is left out.

    names: of the objectives
    """
    import optuna

    verbosity = optuna.logging.get_verbosity()
    # Optuna warns of every plot that lacks data, which no user can act on.
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        return _written(study, names, folder)
    finally:
        optuna.logging.set_verbosity(verbosity)


def _written(study: optuna.Study, names: list[str], folder: Path) -> tuple[list[Plot], list[Path]]:
    import optuna.visualization as interactive

    written, parts = [], []
    evaluator = _evaluator()
    for name, title, figure in _figures(interactive, study, names, evaluator):
        parts.append((name, title, _as_part(figure)))
    for name, _, axes in _figures(interactive.matplotlib, study, names, evaluator):
        path = folder / f"{name}.png"
        figure = getattr(axes, "figure", None) or axes.flat[0].figure
        figure.set_size_inches(12, 8 if name.startswith(("contour", "slice")) else 5)
        figure.tight_layout()
        with written_whole(path) as temporary:
            figure.savefig(temporary, dpi=100, format="png")
        figure.clear()
        written.append(path)
    return parts, written


def _as_part(figure: Any) -> str:
    """An interactive plot as a part of the page, whose heading it has already, on any width.

    Axes have the last part of a knob's name: whole ones lie over one another.
    """
    figure.update_layout(
        title=None,
        margin={"t": 40, "r": 20},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )
    axes = (*figure.select_xaxes(), *figure.select_yaxes())
    for axis in axes:
        if axis.title.text:
            axis.title.text = axis.title.text.rpartition(".")[2]
    # Its buttons would lie over the plot of a narrow screen.
    config = {"displayModeBar": False}
    html: str = figure.to_html(full_html=False, include_plotlyjs=False, config=config)
    # Many plots in one cannot be read on a narrow screen, where the page scrolls them.
    return f'<div style="min-width:{WIDE_PX}px">{html}</div>' if len(axes) > 4 else html


def _evaluator() -> Any:
    """fANOVA, computed once for the page and for the pictures: of all there is it takes longest."""
    import optuna

    evaluator: Any = optuna.importance.FanovaImportanceEvaluator(seed=0)
    evaluator.evaluate = functools.cache(evaluator.evaluate)
    return evaluator


def _figures(
    module: Any, study: optuna.Study, names: list[str], evaluator: Any
) -> Iterator[tuple[str, str, Any]]:
    """(file name, title, figure) of every plot, in plotly or matplotlib."""
    several = len(names) > 1
    if several:
        if len(names) <= 3:
            yield from _drawn(
                "front", "Pareto front", lambda: module.plot_pareto_front(study, target_names=names)
            )
    else:
        yield from _drawn(
            "history",
            "History",
            lambda: module.plot_optimization_history(study, target_name=names[0]),
        )
        yield from _drawn("files", "File by file", lambda: module.plot_intermediate_values(study))
    for index, name in enumerate(names):
        target: dict[str, Any] = {"target_name": name}
        if several:
            target["target"] = _Value(index)
        ending = f"_{index + 1}" if several else ""
        weigh = partial(module.plot_param_importances, study, evaluator=evaluator, **target)
        yield from _drawn(f"importance{ending}", f"What matters: {name}", weigh)
        for kind in ("slice", "contour"):
            draw = partial(getattr(module, f"plot_{kind}"), study, **target)
            if kind == "contour":
                draw = partial(draw, params=_most_important(study, evaluator, target))
            yield from _drawn(f"{kind}{ending}", f"{kind.capitalize()}: {name}", draw)


def _most_important(study: optuna.Study, evaluator: Any, target: dict[str, Any]) -> list[str]:
    """The knobs of which every pair gets a picture; more than a few cannot be read."""
    import optuna

    value = {"target": target["target"]} if "target" in target else {}
    weighed = optuna.importance.get_param_importances(study, evaluator=evaluator, **value)
    return sorted(list(weighed)[:PAIRED])


@dataclass(frozen=True)
class _Value:
    """One of a trial's values; equal for the same one, so that what is computed of it is found."""

    index: int

    def __call__(self, trial: Any) -> float:
        return float(trial.values[self.index])


def _drawn(name: str, title: str, draw: Callable[[], Any]) -> Iterator[tuple[str, str, Any]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # experimental, and layouts that matplotlib finds tight
            yield name, title, draw()
    except Exception as error:  # noqa: BLE001 (Optuna says in many ways that trials are lacking)
        log.info("%s cannot be drawn: %s", name, error)
