"""Pages of HTML that are one file each: they load nothing, and run anywhere.

A page looks right in light and in dark, on a phone and on paper. What is not
written here as markup goes through `text`, and a policy in the page's head lets
the browser load nothing and run nothing but `_SCRIPT`, whatever names of files
and classes hold.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterable, Sequence
from typing import Any

# Name -> colour in light, and in dark.
_COLOURS = {
  'ink': ('#1d2430', '#e4e7ec'),
  'dim': ('#5f6b7e', '#98a2b3'),
  'line': ('#e3e7ee', '#333b48'),
  'ground': ('#ffffff', '#14181f'),
  'card': ('#f7f8fa', '#1c222b'),
  'bar': ('#4a6fa5', '#6f97d1'),
  'bar2': ('#d59a46', '#e0ac60'),
  'wrong': ('#b42318', '#f97066'),
  'note': ('#9a6700', '#e8b04a'),
  'info': ('#3b6ea8', '#7fb0e6'),
  'good': ('#2e7d4f', '#58b985'),
  'wrong-card': ('#fdeceb', '#3a1d1c'),
  'note-card': ('#fdf6e6', '#33290f'),
  'good-card': ('#ecf6ee', '#152a1e'),
  # Okabe and Ito's, which colour-blind people tell apart.
  'c0': ('#0072b2', '#4aa8e0'),
  'c1': ('#d55e00', '#f08a3c'),
  'c2': ('#009e73', '#2bc49a'),
  'c3': ('#b8578f', '#dc8fbf'),
  'c4': ('#c98a00', '#e6b23c'),
  'c5': ('#3f9fd6', '#8cccf2'),
  'c6': ('#1d2430', '#e4e7ec'),
}
COLOURS = 7  # of lines: var(--c0) to var(--c6)

_STYLE = """
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; padding: 1.5rem 1.2rem 4rem; max-width: 76rem;
  font: 15px/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--ground); overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 3rem .3rem 0; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .8rem;
  border-bottom: 1px solid var(--line); padding-bottom: .3rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
h2 .dim, h3 .dim { font-weight: 400; font-size: .9rem; }
p { max-width: 48rem; }
a { color: var(--info); }
.dim { color: var(--dim); }
.small { font-size: .85rem; }
#theme { position: absolute; top: 1.2rem; right: 1.2rem; width: 2.2rem;
  height: 2.2rem; border: 1px solid var(--line); border-radius: 50%;
  background: var(--card); color: var(--ink); font-size: 1.05rem;
  line-height: 1; padding: 0; cursor: pointer; }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; margin: 1rem 0;
  font-size: .9rem; }
nav a { text-decoration: none; padding: .15rem 0; }
nav a:hover { text-decoration: underline; }
.verdict { font-size: 1.05rem; padding: .7rem 1rem; border-radius: 6px;
  margin: 1rem 0; background: var(--good-card);
  border-left: 5px solid var(--good); }
.verdict.wrong { background: var(--wrong-card); border-color: var(--wrong); }
.verdict.note, .missing { background: var(--note-card);
  border-color: var(--note); }
.missing { padding: .5rem .9rem; border-left: 4px solid var(--note);
  margin: .5rem 0; }
.finding { margin: .5rem 0; padding: .5rem .9rem; border-left: 4px solid;
  background: var(--card); }
.finding.wrong { border-color: var(--wrong); }
.finding.note { border-color: var(--note); }
.finding.info { border-color: var(--info); }
.finding ul { margin: .3rem 0 .2rem; padding-left: 1.2rem;
  font: 13px/1.5 ui-monospace, monospace; color: var(--dim); }
summary { cursor: pointer; color: var(--dim); font-size: .9rem;
  padding: .2rem 0; }
.wide { overflow-x: auto; max-width: 100%; }
.wide + .wide { margin-top: 1rem; }
table { border-collapse: collapse; }
td, th { padding: .25rem .9rem .25rem 0; text-align: right; font-weight: 400;
  border-bottom: 1px solid var(--line); vertical-align: top;
  font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th { color: var(--dim); }
td:first-child, th:first-child { text-align: left; }
td:first-child { overflow-wrap: break-word; max-width: 22rem; }
table.words td, table.words th { text-align: left; }
table.words td:not(:first-child) { overflow-wrap: anywhere; }
table.words td:first-child { color: var(--dim); }
table.words tr.apart td:not(:first-child) { background: var(--note-card); }
td.best { font-weight: 700; color: var(--good); }
.bars { max-width: 100%; }
.bars td { border: 0; padding: .08rem .8rem .08rem 0; }
.bars .bar { width: 24rem; min-width: 6rem; text-align: left; }
.bars i { display: block; height: 9px; background: var(--bar); margin: 1px 0;
  border-radius: 1px; min-width: 1px; }
.bars i.val { background: var(--bar2); }
.bars .gain { background: linear-gradient(var(--line), var(--line)) no-repeat
  50% 0 / 1px 100%; }
.bars i.up { background: var(--good); margin-left: 50%; }
.bars i.down { background: var(--wrong); }
.bars tr.apart td { color: var(--wrong); }
.bars tr.none td { color: var(--dim); }
.plots { display: flex; flex-wrap: wrap; gap: 1.2rem 2rem; }
.charts { display: grid; gap: 1rem 1.6rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); }
figure { margin: 0; min-width: 0; }
figcaption { font-size: .85rem; color: var(--dim); }
svg { max-width: 100%; height: auto; display: block; }
svg text { fill: var(--dim); }
.charts svg { width: 100%; }
.key { display: inline-block; width: .8em; height: .8em; margin: 0 .3em 0 .8em;
  background: var(--bar); } .key.val { background: var(--bar2); }
.key:first-child { margin-left: 0; }
.legend > span { margin-right: .9em; }
.key.dashed { background: none; border-top: 3px dashed; height: .3em; }
img { max-width: 100%; height: auto; border: 1px solid var(--line);
  border-radius: 4px; }
.tiles { display: flex; flex-wrap: wrap; gap: .7rem; margin: 1.2rem 0; }
.tile { background: var(--card); border: 1px solid var(--line);
  border-radius: 8px; padding: .6rem 1rem; min-width: 8.5rem; }
.tile b { display: block; font-size: 1.45rem; line-height: 1.3; }
.tile span { font-size: .82rem; color: var(--dim); display: block; }
.clips { display: grid; gap: 1rem; margin: .6rem 0;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 16.5rem), 1fr)); }
.clips.large {
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 30rem), 1fr)); }
.clip { background: var(--card); border: 1px solid var(--line);
  border-radius: 8px; padding: .6rem; }
.clip img { display: block; background: #000; border: 0;
  image-rendering: auto; margin-bottom: .4rem; }
.clip b { display: block; font-weight: 600; font-size: .92rem; }
.clip.bad { border-top: 3px solid var(--wrong); }
.clip.fine { border-top: 3px solid var(--good); }
.matrix td, .matrix th { border: 1px solid var(--ground); padding: 0; }
.matrix td { min-width: 1.9rem; height: 1.9rem; text-align: center;
  vertical-align: middle; font-size: .8rem; }
.matrix td.full { color: #fff; }
.matrix td.right { outline: 1px solid var(--dim); outline-offset: -2px; }
.matrix th { font-size: .82rem; text-align: right; padding: 0 .5rem 0 0;
  vertical-align: middle; white-space: nowrap; }
.matrix tr:first-child th { vertical-align: bottom; text-align: left;
  padding: 0 0 .3rem; }
.matrix tr:first-child th span { writing-mode: vertical-rl;
  transform: rotate(180deg); margin: 0 auto; display: block; }
pre { background: var(--card); border: 1px solid var(--line);
  border-radius: 6px; padding: .6rem .8rem; overflow-x: auto; margin: .4rem 0;
  font: 13px/1.5 ui-monospace, monospace; max-width: 100%; }
pre.command { white-space: pre-wrap; user-select: all; }
pre.long { max-height: 30rem; overflow: auto; }
@media (max-width: 480px) {
  body { padding: 1rem .8rem 3rem; }
  td, th { padding-right: .6rem; }
  td:first-child { max-width: 9rem; }
  .bars td, .bars th { padding-right: .4rem; }
  .bars .bar { min-width: 4rem; }
  .tile { flex: 1 1 7rem; min-width: 0; }
}
@media print { #theme, nav { display: none; } }
"""
# Which look was chosen is kept where the browser allows it.
_SCRIPT = """
(function () {
  var root = document.documentElement, key = 'vidpetl-theme', was = null;
  try { was = localStorage.getItem(key); } catch (e) {}
  if (was === 'dark' || was === 'light') root.dataset.theme = was;
  document.addEventListener('DOMContentLoaded', function () {
    document.getElementById('theme').addEventListener('click', function () {
      var dark = matchMedia('(prefers-color-scheme: dark)').matches;
      var now = root.dataset.theme || (dark ? 'dark' : 'light');
      root.dataset.theme = now === 'dark' ? 'light' : 'dark';
      try { localStorage.setItem(key, root.dataset.theme); } catch (e) {}
    });
  });
})();
"""
# What no document may hold: control characters, and halves of characters.
_UNPRINTABLE = re.compile('[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]')


def text(value: Any) -> str:
  """Returns a value as text in markup, or in an attribute."""
  return html.escape(_UNPRINTABLE.sub('\ufffd', str(value)))


def page(title: str, body: Iterable[str]) -> str:
  """Returns a whole page.

  Args:
    title: plain text.
    body: markup, part by part.
  """
  script = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
  policy = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    f"script-src 'sha256-{script}'"
  )
  return (
    '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
    f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<meta name="color-scheme" content="light dark">'
    f'<title>{text(title)}</title><style>{_themes()}{_STYLE}</style>'
    f'<script>{_SCRIPT}</script></head>\n<body>\n'
    '<button id="theme" type="button" title="light or dark" '
    'aria-label="light or dark">◐</button>\n'
    + '\n'.join(body)
    + '\n</body></html>\n'
  )


def _themes() -> str:
  light, dark = (
    ' '.join(f'--{name}: {pair[i]};' for name, pair in _COLOURS.items())
    for i in (0, 1)
  )
  dark += ' color-scheme: dark;'
  return (
    f':root {{ {light} color-scheme: light; }}\n'
    '@media (prefers-color-scheme: dark) {'
    f' :root:not([data-theme="light"]) {{ {dark} }} }}\n'
    f':root[data-theme="dark"] {{ {dark} }}\n'
  )


def table(
  header: Sequence[Any] | None, rows: Iterable[Sequence[Any]], kind: str = ''
) -> str:
  """Returns a table, that is scrolled where it is too wide.

  Args:
    header: names of the columns; None for none.
    rows: as many cells each, plain text, or `Cell`s.
    kind: class of the table, such as 'words' for cells of prose.
  """
  lines = [] if header is None else [_line('th', header)]
  lines += [_line('td', row) for row in rows]
  of = f' class="{kind}"' if kind else ''
  return f'<div class="wide"><table{of}>{"".join(lines)}</table></div>'


class Cell(str):
  """A cell's markup, as it is; other cells are plain text."""


def _line(tag: str, cells: Iterable[Any]) -> str:
  found = []
  for cell in cells:
    if isinstance(cell, Cell) and cell.startswith('<td'):
      found.append(cell)
    else:
      inner = cell if isinstance(cell, Cell) else text(cell)
      found.append(f'<{tag}>{inner}</{tag}>')
  return f'<tr>{"".join(found)}</tr>'


def fold(rows: Sequence[str], shown: int, label: str, kind: str) -> str:
  """Returns a table of rows of markup, of which those behind `shown` unfold."""
  made = lambda some: (
    f'<div class="wide"><table class="{kind}">{"".join(some)}</table></div>'
  )
  if len(rows) <= shown:
    return made(rows)
  return (
    made(rows[:shown])
    + f'<details><summary>{len(rows) - shown:,} {text(label)}</summary>'
    + made(rows[shown:])
    + '</details>'
  )


def data_uri(content: bytes, kind: str) -> str:
  """Returns a file as an address, e.g. of an `img`.

  Args:
    content: of the file.
    kind: such as 'image/webp'.
  """
  return f'data:{kind};base64,{base64.b64encode(content).decode()}'
