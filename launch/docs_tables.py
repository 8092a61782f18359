"""Writes the pages of the documentation that are made of tables in the code.

  python launch/docs_tables.py

docs/rows.md has the rows of tables that the configs list, docs/recipes.md the
published recipes beside those here, docs/presets.md the published backbones,
docs/datasets.md the public datasets. vidpetl/recipes/sizes.json has the sizes
of backbones: those of new presets are counted, with --count those of all.
"""

from __future__ import annotations

import pathlib
import runpy
import sys

from vidpetl import tables
from vidpetl.data import dataset, datasets
from vidpetl.experiment import complete
from vidpetl.recipes import (
  catalogue,
  named,
  original,
  originals,
  presets,
  rows,
  sizes,
)
from vidpetl.studies import in_words
from vidpetl.studies import sizes as counting

DOCS = pathlib.Path(__file__).parents[1] / 'docs'

_ROWS = """# Rows of the papers' tables

Each row is one command: `vidpetl train --config=<config> --workdir=runs/row`.
This page is made from the lists `ROWS` in `configs/` by
`python launch/docs_tables.py`. A test holds every row against what its command
trains, and against the printed count of parameters.

**No accuracy of these tables was reproduced here.** That needs datasets,
weights and accelerators. "Reported" is what the paper prints.
"""
_RECIPES = """# Recipes, beside the originals

What a paper or its authors' code does, and what the config does that stands for
it, aspect by aspect. "Here" is made from the configs by
`python launch/docs_tables.py`, and `vidpetl describe` prints the same of any
config. A test holds numbers of the originals against the configs: where they
differ, the last column says why, and how to have the original's.
"""
_PRESETS = """# Published backbones

`backbone=` of `adapt` and of the papers' configs takes these, and
`vidpetl backbones` lists them; `vidpetl backbones NAME` shows one in full, with
the commands that convert its weights and train from them. The files are named
as their authors name them, and [Published weights](weights.md) says how they
are read. A run takes the pixel statistics of the weights that it starts from.
The licences are those of the weights, as far as they are known.

A clip is "frames x stride, pixels". GMACs are 10^9 multiply-adds of one such
clip, in matrix products and convolutions. Both sizes are counted here; in
brackets stands what the authors print, where a copy of it was at hand. "Frozen
probe" is the top-1 that they print of a probe on the frozen backbone. **None of
these was measured here.**

This page is made from `vidpetl/recipes/presets/` by
`python launch/docs_tables.py`.
"""
_DATASETS = """# Public datasets

`data=` of `adapt`, `--dataset=` of `prepare` and `source='raw'` take these, as
downloaded; nothing is converted by hand. The API page of [data](api/data.md)
says which files belong where. "Flips" says whether a mirrored clip keeps its
label. The licences are those of annotations and videos, as far as they are
known.

This page is made from `vidpetl/data/datasets/` by
`python launch/docs_tables.py`.
"""
_KNOWN = (
  *('dataset', 'what it is', 'annotation', 'classes', 'frames a second'),
  *('flips', 'licence'),
)
_COLUMNS = (
  *('preset', 'what it is', '`--from=`', 'files', 'clip'),
  *('M parameters', 'GMACs', 'frozen probe', 'licence'),
)


def pages() -> dict[pathlib.Path, str]:
  """Returns file -> text."""
  parts = {
    'rows.md': [_ROWS, *_rows()],
    'recipes.md': [_RECIPES, *map(_recipe, originals.all_originals())],
    'presets.md': [_PRESETS, _presets()],
    'datasets.md': [_DATASETS, _datasets()],
  }
  return {
    DOCS / name: '\n\n'.join(text.strip() for text in texts) + '\n'
    for name, texts in parts.items()
  }


def _rows() -> list[str]:
  texts = []
  for name, path in named.names().items():
    module = runpy.run_path(str(path), run_name=f'vidpetl.configs.{name}')
    if listed := module.get('ROWS'):
      title = module['__doc__'].partition('\n')[0].rstrip('.')
      texts += [f'## {title}', rows.markdown(name, listed)]
  return texts


def _recipe(known: original.Original) -> str:
  config = complete.complete(named.load(known.config))
  told = in_words.recipe(config)
  here = told['run'] | next(iter(told['tasks'].values()))
  cells = [
    (
      aspect,
      known.aspects.get(aspect, '-'),
      words,
      known.chosen.get(aspect, ''),
    )
    for aspect, words in here.items()
  ]
  header = ('', 'original', 'here', 'why')
  return '\n\n'.join(
    [
      f'## {known.title}',
      f'`--config={known.config}`. The original is {known.source}.',
      tables.markdown(header, cells),
    ]
  )


def _presets() -> str:
  cells = []
  for name, preset in presets.all_presets().items():
    found = catalogue.entry(name)
    printed = found['published']
    cells.append(
      (
        f'`{name}`',
        preset.title,
        f'`{preset.family}`',
        ', '.join(preset.files),
        catalogue.clip_in_words(found['clip']),
        _size(found['parameters'], 1e6, printed['parameters_millions']),
        _size(found['macs'], 1e9, printed['gmacs']),
        catalogue.probes_in_words(found),
        preset.licence,
      )
    )
  return tables.markdown(_COLUMNS, cells)


def _size(value: int | None, unit: float, printed: float | None) -> str:
  counted = catalogue.count(value, unit)
  return counted if printed is None else f'{counted} ({printed:,g})'


def count(every: bool) -> None:
  """Writes the sizes of presets.

  Args:
    every: whether all are counted, and not only new ones.
  """
  found = {}
  for name, preset in presets.all_presets().items():
    known = None if every else sizes.find(name, preset)
    found[name] = preset, known or counting.measure(preset)
  sizes.write(found)


def _datasets() -> str:
  cells = []
  for name in datasets.names():
    known = datasets.find(name)
    cells.append(
      (
        ', '.join(f'`{name}`' for name in known.names),
        known.description.rstrip('.'),
        known.kind,
        str(known.num_classes or '-'),
        _rate(known),
        'yes' if known.mirrored else 'no',
        known.licence.rstrip('.'),
      )
    )
  return tables.markdown(_KNOWN, cells)


def _rate(known: dataset.Dataset) -> str:
  if known.open is None:  # Images.
    return '-'
  return f'{known.fps:g}' if known.fps else "the file's"


if __name__ == '__main__':
  count('--count' in sys.argv)
  for page, text in pages().items():
    page.write_text(text, encoding='utf-8')
