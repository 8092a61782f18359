"""What was found, as a page that is one file and loads nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vidpetl import markup
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


def page(found: Mapping[str, Any], sheet: bytes | None) -> str:
  """Returns the page.

  Args:
    found: of `facts.result`.
    sheet: a picture of the clips as the model gets them, PNG.
  """
  files = found['files']
  body = [
    f'<h1>{markup.text(found["data"])}</h1>',
    f'<div class="dim">{files["known"]:,} of {files["all"]:,} files were read '
    f'by vidpetl {markup.text(found["vidpetl"])}</div>',
    verdict(found),
    *findings(found, 'h2'),
  ]
  for name, one in found['tasks'].items():
    kind = markup.text(one['kind'])
    body.append(f'<h2>{markup.text(name)} <span class="dim">{kind}</span></h2>')
    body += task(one)
  if sheet:
    body += [
      '<h2>What the model sees</h2>',
      '<p class="dim">Training clips after augmentation, in the order in which '
      'a run sees them: a few of the frames of each, from left to right.</p>',
      f'<img alt="training clips" src="{markup.data_uri(sheet, "image/png")}">',
    ]
  return markup.page(f'{found["data"]}: check', body)


def verdict(found: Mapping[str, Any]) -> str:
  """Returns the last word on what was found, coloured by the worst of it."""
  levels = found['levels']
  worst = next((n for n in ('wrong', 'note') if levels[n]), '')
  told = markup.text(report.verdict(found))
  return f'<div class="verdict {worst}">{told}</div>'


def findings(found: Mapping[str, Any], heading: str) -> list[str]:
  """Returns what was found, by level.

  Args:
    found: of `facts.result`.
    heading: tag of the levels' names.
  """
  parts = []
  several = len(found['tasks']) > 1
  for level, name in _HEADINGS.items():
    chosen = [f for f in found['findings'] if f['level'] == level]
    if chosen:
      parts.append(f'<{heading}>{name}</{heading}>')
      parts += [_finding(finding, several) for finding in chosen]
  return parts


def _finding(finding: Mapping[str, Any], several: bool) -> str:
  is_named = several and finding['task']
  task = f'<b>{markup.text(finding["task"])}</b>: ' if is_named else ''
  sentence = finding['text'][:1].upper() + finding['text'][1:]
  examples = [e for e in finding['examples'] if e not in finding['text']]
  more = finding['count'] - len(finding['examples'])
  items = ''.join(f'<li>{markup.text(example)}</li>' for example in examples)
  if items and more > 0:
    items += f'<li>… {more:,} more, {finding["count"]:,} in all</li>'
  if items and len(examples) > 3:
    items = (
      f'<details><summary>{finding["count"]:,} of them</summary>'
      f'<ul>{items}</ul></details>'
    )
  elif items:
    items = f'<ul>{items}</ul>'
  code = markup.text(finding['code'])
  return (
    f'<div class="finding {finding["level"]}" id="{code}">'
    f'{task}{markup.text(sentence)}.{items}</div>'
  )


def task(found: Mapping[str, Any]) -> list[str]:
  """Returns tables and pictures of the splits of a task.

  Args:
    found: of 'tasks' of `facts.result`.
  """
  header, *rows = report.rows_of(found)
  parts = [markup.table(header, rows), _plots(found['splits'])]
  if found['classes']:
    keys = ''.join(
      f'<span class="key {markup.text(s)}"></span>{markup.text(s)}'
      for s in found['splits']
    )
    parts.append(
      f'<h3>{len(found["classes"]):,} classes <span class="dim">{keys}</span>'
      '</h3>'
    )
    parts.append(_class_bars(found['classes'], list(found['splits'])))
  return parts


def _class_bars(
  classes: Sequence[Mapping[str, Any]], splits: Sequence[str]
) -> str:
  largest = max([1, *(one[s] for one in classes for s in splits)])
  shown = sorted(classes, key=lambda one: -one[splits[0]])
  rows = []
  for one in shown:
    bars = ''.join(
      f'<i class="{markup.text(s)}" '
      f'style="width:{100 * one[s] / largest:.1f}%"></i>'
      for s in splits
      if one[s]
    )
    cells = ''.join(f'<td>{one[s]:,}</td>' for s in splits)
    shown_in = {s for s in splits if one[s]}
    state = {0: 'none', len(splits): ''}.get(len(shown_in), 'apart')
    rows.append(
      f'<tr class="{state}"><td>{markup.text(one["name"])}</td>{cells}'
      f'<td class="bar">{bars}</td></tr>'
    )
  return markup.fold(rows, _CLASSES, 'smaller ones', 'bars')


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
          f'height="{tall:.1f}" fill="{color}"><title>{markup.text(split)}: '
          f'{count:,} from {left:g} to {right:g}</title></rect>'
        )
    shapes.append(
      f'<line x1="0" x2="{width}" y1="{base}" y2="{base}" stroke="var(--dim)"/>'
    )
  total = len(found) * height
  labels = ''.join(
    f'<text x="{x}" y="{total + 14}" text-anchor="{anchor}">{value:g}</text>'
    for x, anchor, value in ((0, 'start', low), (width, 'end', high))
  )
  return (
    f'<figure><svg width="{width + 4}" height="{total + 18}" font-size="11" '
    f'viewBox="0 0 {width + 4} {total + 18}">{"".join(shapes)}{labels}</svg>'
    f'<figcaption>{markup.text(name)}</figcaption></figure>'
  )
