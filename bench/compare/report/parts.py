"""Pieces of the page: tables, stacked bars, curves. Bars are boxes, so that text keeps its size on a phone."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from bench.compare.report.rows import Cell, Rows

_COLOURS = 9
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _BOTTOM, _TOP = 360, 240, 34, 22, 26, 12
#: Room for an unshaped link beside the scale.
_BESIDE = 60
_TICKS = 4
#: Pieces of a curve between two points.
_STEPS = 12
#: A figure, and what stands below it: its spread, its sitting, a verdict.
_SMALL = re.compile(r"(.*?)(?: (\(.*|(?:met|missed)(?:, .*)?))?")


@dataclass(frozen=True)
class Bar:
    """A bar: its name, what stands at its end, and the lengths of its segments."""

    name: str
    text: str
    segments: tuple[float, ...]
    state: str = ""


@dataclass(frozen=True)
class Curve:
    """Seconds by Mbit/s, and on an unshaped link; ``number`` gives the colour."""

    number: int
    points: dict[float, float]
    unshaped: float | None = None

    @property
    def colour(self) -> str:
        """Its colour."""
        return colour(self.number)

    def at(self, rate: float) -> float:
        """Seconds at a bandwidth between its points, where time goes with the time a byte takes.

        :raises ValueError: beyond its points
        """
        for left, right in pairwise(sorted(self.points)):
            if left <= rate <= right:
                share = (1 / rate - 1 / left) / (1 / right - 1 / left)
                return self.points[left] + share * (self.points[right] - self.points[left])
        raise ValueError(f"nothing was measured around {rate} Mbit/s")


def colour(number: int) -> str:
    """The colour of the n-th series."""
    return f"var(--c{number % _COLOURS})"


def words(text: str) -> str:
    """Text in which code stands between backticks."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def paragraph(text: str) -> str:
    """A paragraph."""
    return f"<p>{words(text)}</p>"


def listed(lines: Sequence[str]) -> str:
    """A list; or that there is nothing."""
    items = "".join(f"<li>{words(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if lines else paragraph("Nothing.")


def folded(title: str, body: str) -> str:
    """What most readers need not see, behind its title."""
    return f"<details><summary>{escape(title)}</summary>{body}</details>"


def figure(names: Sequence[str] | Mapping[str, str], body: str, caption: str) -> str:
    """A chart between legend and caption; ``names`` have the colours of series, or those given."""
    return f"<figure>{legend(names)}{body}<figcaption>{escape(caption)}</figcaption></figure>"


def table(rows: Rows) -> str:
    """The first row is the head."""
    head = "".join(f'<th scope="col">{escape(cell.text)}</th>' for cell in rows[0])
    body = "".join(f"<tr>{_first(row[0])}{''.join(map(_cell, row[1:]))}</tr>" for row in rows[1:])
    return f'<div class="wide" tabindex="0"><table><tr>{head}</tr>{body}</table></div>'


def _first(cell: Cell) -> str:
    return f'<th scope="row">{escape(cell.text)}</th>'


def _cell(cell: Cell) -> str:
    mark = f' class="{cell.state}"' if cell.state else ""
    value, small = _SMALL.fullmatch(cell.text).groups()  # type: ignore[union-attr]  # it matches everything
    return f"<td{mark}>{escape(value)}{f'<small>{escape(small)}</small>' if small else ''}</td>"


def legend(names: Sequence[str] | Mapping[str, str]) -> str:
    """Which colour is what."""
    colours = names if isinstance(names, Mapping) else {name: colour(n) for n, name in enumerate(names)}
    items = "".join(
        f'<span><i style="background:{shade}"></i>{escape(name)}</span>' for name, shade in colours.items()
    )
    return f'<div class="legend">{items}</div>'


def bars(made: Sequence[Bar]) -> str:
    """Bars on one scale; one that failed or is missing says so."""
    longest = max((sum(bar.segments) for bar in made), default=0) or 1
    return "".join(_bar(bar, longest) for bar in made)


def _bar(bar: Bar, longest: float) -> str:
    pieces = "".join(
        f'<span style="width:{length / longest:.3%};background:{colour(number)}"></span>'
        for number, length in enumerate(bar.segments)
        if length
    )
    state = f' class="{bar.state}"' if bar.state else ""
    name = f'<div class="name"><span>{escape(bar.name)}</span><span{state}>{escape(bar.text)}</span></div>'
    return f'<div class="bar">{name}<div class="track">{pieces}</div></div>'


def curves(drawn: Sequence[Curve], marks: Iterable[tuple[float, float]]) -> str:
    """Seconds over Mbit/s, the latter on a logarithmic scale, an unshaped link beside it; ``marks`` are crossovers."""
    scale = _Scale(drawn)
    made = scale.axes()
    made += [scale.line(curve) for curve in drawn]
    made += [
        f'<circle class="mark" cx="{scale.x(rate):.1f}" cy="{scale.y(value):.1f}" r="5"/>'
        for rate, value in marks
    ]
    label = "seconds over Mbit/s"
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{"".join(made)}</svg>'


class _Scale:
    """Where things are in a chart."""

    def __init__(self, drawn: Sequence[Curve]) -> None:
        self._rates = sorted({rate for curve in drawn for rate in curve.points})
        self._beside = any(curve.unshaped is not None for curve in drawn)
        values = [value for curve in drawn for value in (*curve.points.values(), curve.unshaped or 0)]
        self._step = _nice(max(values) / _TICKS)
        self._highest = self._step * math.ceil(max(values) / self._step)
        self._right = _WIDTH - _RIGHT - (_BESIDE if self._beside else 0)

    def x(self, rate: float) -> float:
        """From the left; rate 0 is unshaped."""
        if not rate:
            return _WIDTH - _RIGHT
        first, last = self._rates[0], self._rates[-1]
        share = math.log(rate / first) / math.log(last / first) if last > first else 0.5
        return _LEFT + 8 + share * (self._right - _LEFT - 8)

    def y(self, value: float) -> float:
        """From the top."""
        return _HEIGHT - _BOTTOM - value / self._highest * (_HEIGHT - _BOTTOM - _TOP)

    def axes(self) -> list[str]:
        """Lines and numbers."""
        made = []
        value = 0.0
        while value <= self._highest * 1.001:
            y = self.y(value)
            made.append(f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - 8}" y1="{y:.1f}" y2="{y:.1f}"/>')
            made.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
            value += self._step
        names = [
            *((rate, f"{rate:g}") for rate in self._rates),
            *([(0.0, "unshaped")] if self._beside else []),
        ]
        for rate, name in names:
            x, anchor = (self.x(rate), "middle") if rate else (_WIDTH - 4, "end")
            made.append(f'<text x="{x:.1f}" y="{_HEIGHT - 8}" text-anchor="{anchor}">{name}</text>')
        return made

    def line(self, curve: Curve) -> str:
        """A curve with its points, to an unshaped link dashed."""
        points = [(self.x(rate), self.y(value)) for rate, value in sorted(curve.points.items())]
        ends = sorted(curve.points)
        rates = [rate for pair in pairwise(ends) for rate in _steps(*pair)] + ends[-1:]
        drawn = " ".join(f"{self.x(rate):.1f},{self.y(curve.at(rate)):.1f}" for rate in rates)
        made = f'<polyline stroke="{curve.colour}" points="{drawn}"/>'
        if curve.unshaped is not None:
            points.append((self.x(0), self.y(curve.unshaped)))
            (x1, y1), (x2, y2) = points[-2:]
            made += f'<path stroke="{curve.colour}" stroke-dasharray="3 4" d="M{x1:.1f},{y1:.1f}L{x2:.1f},{y2:.1f}"/>'
        dots = "".join(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{curve.colour}"/>' for x, y in points
        )
        return made + dots


def _steps(first: float, last: float) -> list[float]:
    """Bandwidths from one to just before another, evenly spaced on a logarithmic scale."""
    return [first * (last / first) ** (step / _STEPS) for step in range(_STEPS)]


def _nice(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * 0.999)
