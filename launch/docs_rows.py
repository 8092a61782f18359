"""Writes docs/rows.md: the rows of tables that the configs list.

python launch/docs_rows.py
"""

from __future__ import annotations

import pathlib
import runpy

from vidpetl.recipes import named, rows

PAGE = pathlib.Path(__file__).parents[1] / 'docs' / 'rows.md'
_HEAD = """# Rows of the papers' tables

Each row is one command: `vidpetl train --config=<config> --workdir=runs/row`.
This page is made from the lists `ROWS` in `configs/` by
`python launch/docs_rows.py`. A test holds every row against what its command
trains, and against the printed count of parameters.

**No accuracy of these tables was reproduced here.** That needs datasets,
weights and accelerators. "Reported" is what the paper prints.
"""


def page() -> str:
  """Returns the page."""
  parts = [_HEAD]
  for name, path in named.names().items():
    module = runpy.run_path(str(path), run_name=f'vidpetl.configs.{name}')
    if listed := module.get('ROWS'):
      title = module['__doc__'].partition('\n')[0].rstrip('.')
      parts += [f'## {title}', rows.markdown(name, listed)]
  return '\n\n'.join(part.strip() for part in parts) + '\n'


if __name__ == '__main__':
  PAGE.write_text(page(), encoding='utf-8')
