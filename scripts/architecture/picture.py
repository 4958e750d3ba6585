# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The folders of the architecture as an SVG: boxes by layer, arrows by imports.

An arrow that others imply is left out (from a to c, where there are arrows from a to b and from b to c), and those to
the exceptions, which all may use. The same folders always give the same picture.
"""

from __future__ import annotations

import graphlib
import itertools
import typing as t
from xml.sax.saxutils import escape

Graph = t.Mapping[str, t.Collection[str]]

_WIDTH, _LABELS = 1000, 130  # pixels, as all lengths here
_BOX, _ROW, _GAP, _LETTER = 30, 66, 10, 8.5
_SWEEPS = 24
_SAID: t.Final = {
    "_module": "speaks Ansible",
    "_flows": "leads",
    "_ports": "touches",
    "_core": "decides",
    "_errors": "what can go wrong",
}
_STYLE: t.Final = """
  text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #1f2328; }
  .said { font: italic 13px system-ui, sans-serif; fill: #59636e; }
  .layer { fill: #f6f8fa; stroke: #d1d9e0; }
  .box { fill: #ffffff; stroke: #59636e; }
  .arrow { fill: none; stroke: #818b98; stroke-width: 1.3; marker-end: url(#head); }
  #head path { fill: #818b98; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .said { fill: #9198a1; }
    .layer { fill: #151b23; stroke: #3d444d; }
    .box { fill: #0d1117; stroke: #9198a1; }
  }
"""
_HEAD: t.Final = (
    '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    '<path d="M0 0 8 4 0 8z"/></marker></defs>'
)


class _Box(t.NamedTuple):
    x: float
    y: float
    width: float

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


class _Bend(t.NamedTuple):
    """Where an arrow over several rows passes one of them, so that it does so between the boxes."""

    source: str
    target: str
    row: int


_Node = t.Union[str, _Bend]
_Rows = list[list[_Node]]


def draw(folders: Graph, layers: t.Sequence[str]) -> str:
    """folders: each with those that it imports from; layers: from the lowest one, the first part of each folder."""
    arrows = reduced({name: [other for other in folders[name] if other != layers[0]] for name in folders})
    rows, bands = _placed(arrows, layers)
    ways = _ways(rows, arrows)
    boxes = _boxes(_untangled(rows, ways))
    height = len(rows) * _ROW + 6
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        "<title>The folders of plugins/module_utils by layer, and who imports from whom</title>",
        f"<style>{_STYLE}</style>",
        _HEAD,
    ]
    for layer, (first, last) in bands.items():
        top, tall = first * _ROW + 6, (last - first) * _ROW - 6
        lines += [
            f'<rect class="layer" x="4" y="{top}" width="{_WIDTH - 8}" height="{tall}" rx="8"/>',
            f'<text x="16" y="{top + tall // 2 - 3}">{layer}</text>',
            f'<text class="said" x="16" y="{top + tall // 2 + 15}">{_SAID.get(layer, "")}</text>',
        ]
    lines += [_arrow([boxes[node] for node in way]) for way in ways]
    for node, box in boxes.items():
        if isinstance(node, str):
            lines += [
                f'<rect class="box" x="{box.x:.0f}" y="{box.y:.0f}" width="{box.width:.0f}" height="{_BOX}" rx="5"/>',
                f'<text x="{box.middle:.0f}" y="{box.y + 20:.0f}" text-anchor="middle">{escape(_label(node))}</text>',
            ]
    return "\n".join([*lines, "</svg>", ""])


def reduced(graph: Graph) -> dict[str, set[str]]:
    """Without the arrows that others imply. Raises graphlib.CycleError."""
    below: dict[str, set[str]] = {}
    for name in graphlib.TopologicalSorter(graph).static_order():
        others = graph.get(name, ())
        below[name] = set(others).union(*(below[other] for other in others))
    return {
        name: {each for each in graph[name] if not any(each in below[other] for other in graph[name])} for name in graph
    }


def _placed(graph: Graph, layers: t.Sequence[str]) -> tuple[_Rows, dict[str, tuple[int, int]]]:
    """Rows from the highest layer on, in a layer the lower the less a folder imports from in it; and by layer its
    first row, and the first after it."""
    rows: _Rows = []
    bands = {}
    for layer in reversed(layers):
        names = sorted(name for name in graph if name.partition(".")[0] == layer)
        members = {name: [other for other in graph[name] if other in names] for name in names}
        rank: dict[str, int] = {}
        for name in graphlib.TopologicalSorter(members).static_order():
            rank[name] = max((rank[other] + 1 for other in members[name]), default=0)
        own = [[name for name in names if rank[name] == each] for each in sorted(set(rank.values()), reverse=True)]
        if own:
            bands[layer] = (len(rows), len(rows) + len(own))
            rows.extend([*row] for row in own)
    return rows, bands


def _ways(rows: _Rows, graph: Graph) -> list[list[_Node]]:
    """Of each arrow, from its source over bends, which are put into the rows, to its target."""
    row_of = {name: number for number, row in enumerate(rows) for name in row}
    ways: list[list[_Node]] = []
    for source in sorted(graph):
        for target in sorted(graph[source]):
            bends = [_Bend(source, target, number) for number in range(row_of[source] + 1, row_of[target])]
            for bend in bends:
                rows[bend.row].append(bend)
            ways.append([source, *bends, target])
    return ways


def _untangled(rows: _Rows, ways: t.Sequence[t.Sequence[_Node]]) -> _Rows:
    """The order in the rows by which the fewest arrows cross, of those that some sweeps down and up come to."""
    joints = [joint for way in ways for joint in zip(way, way[1:])]
    best, fewest = rows, _crossings(rows, joints)
    for sweep in range(_SWEEPS):
        rows = [[*row] for row in rows]
        for row in rows if sweep % 2 == 0 else reversed(rows):
            middle = {node: box.middle for node, box in _boxes(rows).items()}
            pull: dict[_Node, list[float]] = {node: [] for node in row}
            for joint in joints:
                fixed, moved = joint if sweep % 2 == 0 else joint[::-1]
                if moved in pull:
                    pull[moved].append(middle[fixed])
            place = {node: sum(pull[node]) / len(pull[node]) if pull[node] else middle[node] for node in row}
            row.sort(key=place.__getitem__)
        crossings = _crossings(rows, joints)
        if crossings < fewest:
            best, fewest = rows, crossings
    return best


def _crossings(rows: _Rows, joints: t.Sequence[tuple[_Node, _Node]]) -> int:
    where = {node: (number, place) for number, row in enumerate(rows) for place, node in enumerate(row)}
    lines = [(where[source], where[target][1]) for source, target in joints]
    return sum(
        one[0][0] == other[0][0] and (one[0][1] - other[0][1]) * (one[1] - other[1]) < 0
        for one, other in itertools.combinations(lines, 2)
    )


def _boxes(rows: _Rows) -> dict[_Node, _Box]:
    """Spread over the width."""
    boxes = {}
    for number, row in enumerate(rows):
        widths = [len(_label(node)) * _LETTER + 2 * _GAP if isinstance(node, str) else 0 for node in row]
        space = (_WIDTH - _LABELS - sum(widths)) / (len(row) + 1)
        x = _LABELS + space
        for node, width in zip(row, widths):
            boxes[node] = _Box(x, number * _ROW + 6 + (_ROW - 6 - _BOX) / 2, width)
            x += width + space
    return boxes


def _arrow(way: t.Sequence[_Box]) -> str:
    """Down from box to box; where it bends it runs beside the boxes of the row."""
    path = [f"M{way[0].middle:.0f} {way[0].y + _BOX:.0f}"]
    for number, (above, below) in enumerate(zip(way, way[1:]), start=2):
        top, bottom = above.y + _BOX, below.y - (number == len(way))
        half = (top + bottom) / 2
        path.append(f"C{above.middle:.0f} {half:.0f} {below.middle:.0f} {half:.0f} {below.middle:.0f} {bottom:.0f}")
        if number < len(way):
            path.append(f"V{bottom + _BOX:.0f}")
    return f'<path class="arrow" d="{"".join(path)}"/>'


def _label(name: str) -> str:
    """A folder by its name in its layer."""
    return name.partition(".")[2] or name
