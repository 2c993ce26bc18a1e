"""Pieces of the page: tables, stacked bars, curves. Bars are boxes, so that text keeps its size on a phone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

_COLOURS = 6
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 360, 240, 34, 26, 10
_STATES = ("met", "missed", "failed", "missing")


@dataclass(frozen=True)
class Bar:
    """A bar: its name, what stands at its end, and the lengths of its segments."""

    name: str
    text: str
    segments: tuple[float, ...]
    state: str = ""


def colour(number: int) -> str:
    """The colour of the n-th series."""
    return f"var(--c{number % _COLOURS})"


def table(rows: Sequence[Sequence[str]]) -> str:
    """The first row is the head."""
    head = "".join(f"<th>{escape(text)}</th>" for text in rows[0])
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows[1:])
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _cell(text: str) -> str:
    mark = f' class="{text}"' if text in _STATES else ""
    return f"<td{mark}>{escape(text)}</td>"


def legend(names: Sequence[str]) -> str:
    """Which colour is what."""
    items = "".join(
        f'<span><i style="background:{colour(n)}"></i>{escape(name)}</span>' for n, name in enumerate(names)
    )
    return f'<div class="legend">{items}</div>'


def bars(made: Sequence[Bar]) -> str:
    """Bars on one scale; one that failed or is missing says so and has no length."""
    longest = max((sum(bar.segments) for bar in made), default=0) or 1
    return "".join(_bar(bar, longest) for bar in made)


def _bar(bar: Bar, longest: float) -> str:
    pieces = "".join(
        f'<span style="width:{length / longest:.3%};background:{colour(number)}"></span>'
        for number, length in enumerate(bar.segments)
    )
    state = f' class="{bar.state}"' if bar.state else ""
    name = f'<div class="name"><span>{escape(bar.name)}</span><span{state}>{escape(bar.text)}</span></div>'
    return f'<div class="bar">{name}<div class="track">{pieces}</div></div>'


def curves(series: Mapping[str, Mapping[float, float]], marks: Sequence[tuple[float, float]]) -> str:
    """Seconds over Mbit/s, the latter on a logarithmic scale; ``marks`` are points where curves cross."""
    rates = sorted({rate for points in series.values() for rate in points})
    highest = max(value for points in series.values() for value in points.values())

    def x(rate: float) -> float:
        share = math.log(rate / rates[0]) / math.log(rates[-1] / rates[0])
        return _LEFT + share * (_WIDTH - _LEFT - 16)

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - value / highest * (_HEIGHT - _BOTTOM - _TOP)

    floor = _HEIGHT - _BOTTOM
    drawn = [f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH}" y1="{floor}" y2="{floor}"/>']
    drawn += [f'<text x="{x(r):.1f}" y="{_HEIGHT - 8}" text-anchor="middle">{r:g}</text>' for r in rates]
    for value in (highest / 2, highest):
        drawn.append(f'<text x="0" y="{y(value) + 4:.1f}">{value:.3g} s</text>')
    for number, points in enumerate(series.values()):
        line = " ".join(f"{x(rate):.1f},{y(value):.1f}" for rate, value in sorted(points.items()))
        drawn.append(f'<polyline fill="none" stroke-width="2" stroke="{colour(number)}" points="{line}"/>')
    for rate, value in marks:
        drawn.append(
            f'<circle cx="{x(rate):.1f}" cy="{y(value):.1f}" r="5" fill="none" stroke="currentColor"/>'
        )
    label = "seconds over Mbit/s"
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{"".join(drawn)}</svg>'
