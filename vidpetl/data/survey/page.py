"""What was found, as a page that is one file and loads nothing."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vidpetl.data.survey import report

# Bars of classes that are shown at once; the others unfold.
_CLASSES = 40
# Distributions that are drawn, and their names.
_DRAWN = {
  'clip_duration': 'clip, seconds',
  'fps': 'frames a second',
  'short_side': 'shorter side, pixels',
  'longest_gop': 'longest GOP, frames',
  'scores': 'score',
}
_HEADINGS = {
  'wrong': 'Makes results wrong',
  'note': 'To know',
  'info': 'Facts',
}

_STYLE = """
:root { --ink: #1d2430; --dim: #667085; --line: #e3e7ee; --bar: #4a6fa5;
  --bar2: #d59a46; --wrong: #b42318; --note: #9a6700; --info: #3b6ea8; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 76rem;
  font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: #fff; }
h1 { font-size: 1.6rem; margin: 0 0 .3rem; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .8rem;
  border-bottom: 1px solid var(--line); padding-bottom: .3rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .5rem; }
.dim { color: var(--dim); }
.verdict { font-size: 1.1rem; padding: .7rem 1rem; border-radius: 6px;
  margin: 1rem 0; background: #ecf6ee; border-left: 5px solid #2e7d4f; }
.verdict.wrong { background: #fdeceb; border-color: var(--wrong); }
.verdict.note { background: #fdf6e6; border-color: var(--note); }
.finding { margin: .5rem 0; padding: .5rem .9rem; border-left: 4px solid;
  background: #fafbfc; overflow-wrap: anywhere; }
.finding.wrong { border-color: var(--wrong); }
.finding.note { border-color: var(--note); }
.finding.info { border-color: var(--info); }
.finding ul { margin: .3rem 0 .2rem; padding-left: 1.2rem;
  font: 13px/1.5 ui-monospace, monospace; color: #475467; }
summary { cursor: pointer; color: var(--dim); font-size: .9rem; }
table { border-collapse: collapse; }
td, th { padding: .2rem .9rem .2rem 0; text-align: right; font-weight: 400;
  border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--dim); }
td:first-child, th:first-child { text-align: left; }
.bars td { border: 0; padding: .08rem .8rem .08rem 0; }
.bars .bar { width: 24rem; text-align: left; }
.bars i { display: block; height: 9px; background: var(--bar); margin: 1px 0;
  border-radius: 1px; min-width: 1px; }
.bars i.val { background: var(--bar2); }
.bars tr.apart td { color: var(--wrong); }
.bars tr.none td { color: #98a2b3; }
.plots { display: flex; flex-wrap: wrap; gap: 1.2rem 2rem; }
figure { margin: 0; } figcaption { font-size: .85rem; color: var(--dim); }
.key { display: inline-block; width: .8em; height: .8em; margin: 0 .3em 0 .8em;
  background: var(--bar); } .key.val { background: var(--bar2); }
img { max-width: 100%; height: auto; border: 1px solid var(--line); }
"""


def page(found: Mapping[str, Any], sheet: bytes | None) -> str:
  """Returns the page.

  Args:
    found: of `facts.result`.
    sheet: a picture of the clips as the model gets them, PNG.
  """
  levels = found['levels']
  worst = next((n for n in ('wrong', 'note') if levels[n]), '')
  files = found['files']
  body = [
    f'<h1>{_text(found["data"])}</h1>',
    f'<div class="dim">{files["known"]:,} of {files["all"]:,} files were read '
    f'by vidpetl {_text(found["vidpetl"])}</div>',
    f'<div class="verdict {worst}">{_text(report.verdict(found))}</div>',
    *_findings(found),
  ]
  for name, task in found['tasks'].items():
    body += _task(name, task)
  if sheet:
    picture = base64.b64encode(sheet).decode()
    body += [
      '<h2>What the model sees</h2>',
      '<p class="dim">Training clips after augmentation, in the order in which '
      'a run sees them: a few of the frames of each, from left to right.</p>',
      f'<img alt="training clips" src="data:image/png;base64,{picture}">',
    ]
  return (
    '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    f'<title>{_text(found["data"])}: check</title><style>{_STYLE}</style>'
    '</head>\n<body>\n' + '\n'.join(body) + '\n</body></html>\n'
  )


def _text(text: Any) -> str:
  return html.escape(str(text))


def _findings(found: Mapping[str, Any]) -> list[str]:
  parts = []
  several = len(found['tasks']) > 1
  for level, heading in _HEADINGS.items():
    chosen = [f for f in found['findings'] if f['level'] == level]
    if chosen:
      parts.append(f'<h2>{heading}</h2>')
      parts += [_finding(finding, several) for finding in chosen]
  return parts


def _finding(finding: Mapping[str, Any], several: bool) -> str:
  is_named = several and finding['task']
  task = f'<b>{_text(finding["task"])}</b>: ' if is_named else ''
  sentence = finding['text'][:1].upper() + finding['text'][1:]
  examples = [e for e in finding['examples'] if e not in finding['text']]
  more = finding['count'] - len(finding['examples'])
  items = ''.join(f'<li>{_text(example)}</li>' for example in examples)
  if items and more > 0:
    items += f'<li>… {more:,} more, {finding["count"]:,} in all</li>'
  if items and len(examples) > 3:
    items = (
      f'<details><summary>{finding["count"]:,} of them</summary>'
      f'<ul>{items}</ul></details>'
    )
  elif items:
    items = f'<ul>{items}</ul>'
  return (
    f'<div class="finding {finding["level"]}" id="{_text(finding["code"])}">'
    f'{task}{_text(sentence)}.{items}</div>'
  )


def _task(name: str, task: Mapping[str, Any]) -> list[str]:
  header, *rows = report.rows_of(task)
  parts = [
    f'<h2>{_text(name)} <span class="dim">{_text(task["kind"])}</span></h2>',
    _table(header, rows),
    _plots(task['splits']),
  ]
  if task['classes']:
    keys = ''.join(
      f'<span class="key {_text(s)}"></span>{_text(s)}' for s in task['splits']
    )
    parts.append(
      f'<h3>{len(task["classes"]):,} classes <span class="dim">{keys}</span>'
      '</h3>'
    )
    parts.append(_class_bars(task['classes'], list(task['splits'])))
  return parts


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
  line = lambda tag, cells: (
    '<tr>' + ''.join(f'<{tag}>{_text(c)}</{tag}>' for c in cells) + '</tr>'
  )
  lines = [line('th', header), *(line('td', row) for row in rows)]
  return f'<table>{"".join(lines)}</table>'


def _class_bars(
  classes: Sequence[Mapping[str, Any]], splits: Sequence[str]
) -> str:
  largest = max([1, *(one[s] for one in classes for s in splits)])
  shown = sorted(classes, key=lambda one: -one[splits[0]])
  rows = []
  for one in shown:
    bars = ''.join(
      f'<i class="{_text(s)}" style="width:{100 * one[s] / largest:.1f}%"></i>'
      for s in splits
      if one[s]
    )
    cells = ''.join(f'<td>{one[s]:,}</td>' for s in splits)
    shown_in = {s for s in splits if one[s]}
    state = {0: 'none', len(splits): ''}.get(len(shown_in), 'apart')
    rows.append(
      f'<tr class="{state}"><td>{_text(one["name"])}</td>{cells}'
      f'<td class="bar">{bars}</td></tr>'
    )
  table = lambda some: f'<table class="bars">{"".join(some)}</table>'
  if len(rows) <= _CLASSES:
    return table(rows)
  return (
    table(rows[:_CLASSES])
    + f'<details><summary>{len(rows) - _CLASSES:,} smaller ones</summary>'
    + table(rows[_CLASSES:])
    + '</details>'
  )


def _plots(splits: Mapping[str, Any]) -> str:
  figures = [
    _plot(name, {s: split[key] for s, split in splits.items() if split[key]})
    for key, name in _DRAWN.items()
    if any(_varies(split[key]) for split in splits.values())
  ]
  if not figures:
    return ''
  return f'<h3>Distributions</h3><div class="plots">{"".join(figures)}</div>'


def _varies(found: Mapping[str, Any] | None) -> bool:
  return found is not None and found['min'] < found['max']


def _plot(name: str, found: Mapping[str, Any], size=(300, 90)) -> str:
  """Returns histograms of splits below each other, on one axis."""
  width, height = size
  low = min(one['min'] for one in found.values())
  high = max(one['max'] for one in found.values())
  scale = width / ((high - low) or 1)
  shapes = []
  for row, (split, one) in enumerate(found.items()):
    base, largest = (row + 1) * height, max(one['counts'])
    for left, right, count in zip(
      one['edges'], one['edges'][1:], one['counts']
    ):
      if count:
        tall = max(2.0, (height - 14) * count / largest)
        color = 'var(--bar2)' if split == 'val' else 'var(--bar)'
        x, wide = (left - low) * scale, max(1.5, (right - left) * scale - 0.5)
        shapes.append(
          f'<rect x="{x:.1f}" y="{base - tall:.1f}" width="{wide:.1f}" '
          f'height="{tall:.1f}" fill="{color}"><title>{_text(split)}: '
          f'{count:,} from {left:g} to {right:g}</title></rect>'
        )
    shapes.append(
      f'<line x1="0" x2="{width}" y1="{base}" y2="{base}" stroke="#98a2b3"/>'
    )
  total = len(found) * height
  labels = ''.join(
    f'<text x="{x}" y="{total + 14}" text-anchor="{anchor}">{value:g}</text>'
    for x, anchor, value in ((0, 'start', low), (width, 'end', high))
  )
  return (
    f'<figure><svg width="{width + 4}" height="{total + 18}" font-size="11" '
    f'fill="#667085">{"".join(shapes)}{labels}</svg>'
    f'<figcaption>{_text(name)}</figcaption></figure>'
  )
