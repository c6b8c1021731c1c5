"""Optuna's plots of a study: one page that needs no network, and pictures."""

from __future__ import annotations

import functools
import html
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speechclean.system.atomic_files import written_whole

if TYPE_CHECKING:
    import optuna

log = logging.getLogger(__name__)


def write_figures(study: optuna.Study, names: list[str], folder: Path, head: str) -> list[Path]:
    """Write `study.html` and a PNG of each plot into `folder`; their paths.

    A plot that cannot be drawn, for want of trials, is left out.

    names: of the objectives; head: HTML that stands above the plots
    """
    import optuna

    verbosity = optuna.logging.get_verbosity()
    # Optuna warns of every plot that lacks data, which no user can act on.
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        return _written(study, names, folder, head)
    finally:
        optuna.logging.set_verbosity(verbosity)


def _written(study: optuna.Study, names: list[str], folder: Path, head: str) -> list[Path]:
    import optuna.visualization as interactive

    written, parts = [], []
    evaluator = _evaluator()
    for name, title, figure in _figures(interactive, study, names, evaluator):
        parts.append((name, title, figure.to_html(full_html=False, include_plotlyjs=False)))
    for name, _, axes in _figures(interactive.matplotlib, study, names, evaluator):
        path = folder / f"{name}.png"
        figure = getattr(axes, "figure", None) or axes.flat[0].figure
        figure.set_size_inches(12, 8 if name.startswith(("contour", "slice")) else 5)
        figure.tight_layout()
        with written_whole(path) as temporary:
            figure.savefig(temporary, dpi=100, format="png")
        figure.clear()
        written.append(path)
    return [_page(study.study_name, parts, folder / "study.html", head), *written]


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
            yield from _drawn(f"{kind}{ending}", f"{kind.capitalize()}: {name}", draw)


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


def _page(title: str, parts: list[tuple[str, str, str]], path: Path, head: str) -> Path:
    from plotly.offline import get_plotlyjs

    body = "\n".join(
        f'<h2 id="{name}">{html.escape(heading)}</h2>\n{part}' for name, heading, part in parts
    )
    links = " · ".join(
        f'<a href="#{name}">{html.escape(heading)}</a>' for name, heading, _ in parts
    )
    # plotly's own text names the hosts of its fonts and maps; nothing is fetched from them.
    script = re.sub(r"</script", r"<\\/script", get_plotlyjs())
    text = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        "<style>body{font:15px sans-serif;margin:2em;max-width:80em}table{border-collapse:collapse}"
        "td,th{padding:.2em .6em;border-bottom:1px solid #ddd;text-align:right}</style>"
        f"<script>{script}</script><h1>{html.escape(title)}</h1>{head}<p>{links}</p>{body}</html>"
    )
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path
