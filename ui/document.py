"""A report as one HTML file that needs nothing else: text escaped, charts drawn from data inside the file.

Plotly's script is inside once; a content policy forbids the file to load or send anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import pandas as pd
from plotly.io.json import to_json_plotly
from plotly.offline import get_plotlyjs

from ui.charts.base import FONT, Chart
from ui.look import Look

MOST_ROWS = 200
FIGURE = re.compile(r"[-+]?([$€£]|[A-Z]{3} )?\d[\d,.]*[kM]?( %| points| times)?")
CLICK = re.compile(r" Click [^.]*\.")  # what only a screen can do
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
DRAW = """
for (const place of document.querySelectorAll(".plot")) {
  const drawn = JSON.parse(document.getElementById(place.id + "-data").textContent);
  Plotly.newPlot(place, drawn.data, drawn.layout, {displayModeBar: false, responsive: true});
}
"""
STYLE = """
*{box-sizing:border-box} body{margin:0;background:$background;color:$text;font:15px/1.5 $font;}
main{max-width:1080px;margin:0 auto;padding:32px 20px 64px} h1{font-size:28px;margin:0 0 8px}
h2{font-size:21px;margin:48px 0 12px;padding-top:12px;border-top:1px solid $border} h3{font-size:16px;margin:0 0 4px}
p{margin:0 0 12px} a{color:$accent} .lead{font-size:17px} .muted{color:$muted}
.label{display:inline-block;background:$warn;border-radius:6px;padding:2px 8px;font-weight:600}
.tiles,.pair{display:grid;gap:16px;grid-template-columns:repeat(auto-fit,minmax(220px,1fr));margin:16px 0}
.pair{grid-template-columns:repeat(auto-fit,minmax(min(440px,100%),1fr))}
.tile,figure,.block{background:$surface;border:1px solid $border;border-radius:8px;padding:16px;margin:0;min-width:0}
.severe{background:$warn}
.block{margin:16px 0;overflow-x:auto} .value{font-size:26px;font-weight:600}
nav ol{columns:2;padding-left:20px} table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:4px 12px 4px 0;border-bottom:1px solid $border;text-align:left;vertical-align:top}
td.n,th.n{text-align:right}
details{margin-top:8px;overflow-x:auto} summary{cursor:pointer;color:$muted} li{margin-bottom:4px}
@media (max-width:640px){nav ol{columns:1}} @media print{figure,.tile,.block{break-inside:avoid} details{display:none}}
"""


@dataclass
class Section:
    """A heading of the report and what stands under it, as HTML that is already escaped."""

    title: str
    says: str = ""
    parts: list[str] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        """The section's address within the file."""
        return "".join(letter if letter.isalnum() else "-" for letter in self.title.lower())

    def add(self, *parts: str) -> Section:
        """The section with more under it."""
        self.parts += parts
        return self


class Figures:
    """The charts of one file, numbered."""

    def __init__(self) -> None:
        self.count = 0

    def pair(self, *charts: Chart | None) -> str:
        """Charts side by side where there is room; those that could not be drawn are left out."""
        shown = [self.one(chart) for chart in charts if chart is not None]
        return f'<div class="pair">{"".join(shown)}</div>' if shown else ""

    def one(self, chart: Chart) -> str:
        """A chart with its title, what it shows, and its data as a table."""
        self.count += 1
        name, says = f"chart-{self.count}", CLICK.sub("", chart.says)
        return (f"<figure><h3>{escape(chart.title)}</h3><p class=\"muted\">{escape(says)}</p>"
                f'<div class="plot" id="{name}" role="img" aria-label="{escape(chart.alt or chart.title)}"></div>'
                f'<script type="application/json" id="{name}-data">{_figure_json(chart)}</script>'
                f"<details><summary>Show as a table</summary>{table(chart.data)}</details></figure>")


def _figure_json(chart: Chart) -> str:
    """The figure as JSON that cannot end the script it stands in; without Plotly's own template."""
    drawn: dict[str, Any] = chart.figure.to_plotly_json()
    drawn["layout"].pop("template", None)
    return to_json_plotly(drawn).replace("<", "\\u003c")


def table(frame: pd.DataFrame) -> str:
    """A frame as a table; of a long one the first rows, and how many there are."""
    numbers = [_is_figure(frame[name]) for name in frame]
    head = "".join(f"<th{_side(number)}>{escape(str(name))}</th>" for name, number in zip(frame, numbers, strict=True))
    body = "".join("<tr>" + "".join(f"<td{_side(number)}>{escape(_cell(value))}</td>"
                                    for value, number in zip(row, numbers, strict=True)) + "</tr>"
                   for row in frame.head(MOST_ROWS).itertuples(index=False))
    more = f'<p class="muted">The first {MOST_ROWS} of {len(frame):,} rows.</p>' if len(frame) > MOST_ROWS else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _is_figure(column: pd.Series) -> bool:
    """Whether it holds nothing but figures, be they in words: "$36.4k", "26.5 %".

    >>> [_is_figure(pd.Series(values)) for values in ([1, 2], ["-$36.4k", "SEK 1,200"], ["26.5 %"], ["1 of 2", "3"])]
    [True, True, True, False]
    """
    return pd.api.types.is_numeric_dtype(column) or (bool(len(column)) and all(
        FIGURE.fullmatch(str(value)) for value in column))


def _side(number: bool) -> str:
    return ' class="n"' if number else ""


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return "-"
    return f"{value:,.6g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def block(title: str, inner: str, says: str = "", kind: str = "block") -> str:
    """A surface with a title; `inner` is HTML. kind: its classes, "block severe" for what comes before all else."""
    told = f'<p class="muted">{escape(says)}</p>' if says else ""
    return f'<div class="{kind}"><h3>{escape(title)}</h3>{told}{inner}</div>'


def pairs(rows: Iterable[tuple[str, str]]) -> str:
    """Names and what they are."""
    lines = "".join(f'<tr><th scope="row">{escape(name)}</th><td>{escape(words)}</td></tr>' for name, words in rows)
    return f"<table><tbody>{lines}</tbody></table>"


def listing(lines: Iterable[str]) -> str:
    """Sentences, one below the other."""
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def tiles(figures: Iterable[tuple[str, str, str, str]]) -> str:
    """Figures as tiles: name, value, what stands beside it, what it says."""
    return '<div class="tiles">' + "".join(
        f'<div class="tile"><div class="muted">{escape(name)}</div><div class="value">{escape(value)}</div>'
        f'<div>{escape(beside)}</div><div class="muted">{escape(says)}</div></div>'
        for name, value, beside, says in figures) + "</div>"


def page(title: str, lead: Sequence[str], sections: Sequence[Section], look: Look) -> str:
    """The whole file. `lead` is HTML above the table of contents."""
    contents = "".join(f'<li><a href="#{part.anchor}">{escape(part.title)}</a></li>' for part in sections)
    body = "".join(f'<section id="{part.anchor}"><h2>{escape(part.title)}</h2>'
                   f'{f"<p>{escape(part.says)}</p>" if part.says else ""}{"".join(part.parts)}</section>'
                   for part in sections)
    return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
            f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_style(look)}</style></head>'
            f'<body><main><h1>{escape(title)}</h1>{"".join(lead)}<nav aria-label="Contents"><h3>Contents</h3>'
            f"<ol>{contents}</ol></nav>{body}</main><script>{get_plotlyjs()}</script><script>{DRAW}</script></body></html>")


def _style(look: Look) -> str:
    """The report's style in the look's colours."""
    colours = {"background": look.background, "surface": look.surface, "border": look.border, "text": look.text,
               "muted": look.muted, "accent": look.accent, "warn": look.faded(look.risk["MEDIUM"], 0.25),
               "font": FONT.replace('"', "'")}
    style = STYLE
    for name, value in colours.items():
        style = style.replace(f"${name}", value)
    return style
