"""What every chart is: a title that says what to see, one line that explains it, a figure, and its data as a table."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec

import pandas as pd
import plotly.graph_objects as go

from ui.look import Look

P = ParamSpec("P")
MOST_KEPT = 32
DRAWN: list[Callable[[], None]] = []
TALL, MEDIUM, SMALL = 400, 320, 240
FONT = '"Source Sans", "Source Sans 3", sans-serif'


@dataclass(frozen=True)
class Chart:
    """A chart as screens and reports show it.

    title: what to see, no full stop. says: what is drawn, in one sentence, units named. data: the same as a table,
    its columns headed for people; what a screen reader reads. alt: what the picture shows, in words.
    """

    title: str
    says: str
    figure: go.Figure
    data: pd.DataFrame
    alt: str = ""


def drawn_once(draw: Callable[P, Chart]) -> Callable[P, Chart]:
    """The same chart for the same arguments, built once: building costs a rerun more than everything else does.

    Do not change what comes back; another session may be shown it.
    """

    @functools.lru_cache(maxsize=MOST_KEPT)
    def kept(told: bytes) -> Chart:
        args, more = pickle.loads(told)  # written below, never from outside
        return draw(*args, **more)

    DRAWN.append(kept.cache_clear)

    @functools.wraps(draw)
    def chart(*args: P.args, **more: P.kwargs) -> Chart:
        return kept(pickle.dumps((args, more)))

    return chart


def forget_drawings() -> None:
    """Throw away every kept chart."""
    for clear in DRAWN:
        clear()


def drawn(figure: go.Figure, look: Look, *, height: int = MEDIUM, x: str = "", y: str = "", x_format: str = "",
          y_format: str = "", legend: bool = False) -> go.Figure:
    """The figure in the house's look: quiet grid, axis titles with units, no legend unless more than six series ask.

    >>> drawn(go.Figure(), __import__("ui.look").look.LIGHT, x="tenure [months]").layout.xaxis.title.text
    'tenure [months]'
    """
    axes = {axis.plotly_name: {**axis.to_plotly_json(), **_axis(look, title, form)}
            for found, title, form in ((figure.select_xaxes(), x, x_format), (figure.select_yaxes(), y, y_format))
            for axis in found}
    return figure.update_layout(  # overwriting all at once takes a sixth of the time that merging piece by piece does
        overwrite=True, height=height, margin={"l": 8, "r": 12, "t": 12, "b": 8}, title=None, showlegend=legend,
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", hovermode="closest", bargap=0.28,
        font={"family": FONT, "size": 13, "color": look.text}, dragmode=False,
        legend={"orientation": "h", "y": 1.08, "x": 0, "font": {"size": 12, "color": look.text}},
        hoverlabel={"bgcolor": look.surface, "bordercolor": look.border, "font": {"color": look.text, "size": 13}},
        **axes)


def _axis(look: Look, title: str, form: str) -> dict[str, Any]:
    return {"gridcolor": look.border, "zeroline": False, "linecolor": look.border, "automargin": True,
            "title": {"standoff": 8, "font": {"size": 12, "color": look.muted}, "text": title},
            "tickfont": {"size": 12, "color": look.muted}, "tickformat": form or None}
