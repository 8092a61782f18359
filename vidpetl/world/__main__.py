"""Door: `python -m vidpetl.world --out=demo/raw [--size=tiny]`."""

from __future__ import annotations

import pathlib

from absl import app, flags

from vidpetl import world
from vidpetl.world import film, sheet

_OUT = flags.DEFINE_string('out', None, 'Folder for the datasets.')
_SEED = flags.DEFINE_integer('seed', 0, 'Seed of everything.')
_SIZE = flags.DEFINE_enum('size', 'demo', film.SIZES, 'How much to make.')
_DATASETS = flags.DEFINE_list('datasets', list(world.DATASETS), 'Which.')
_PROCESSES = flags.DEFINE_integer('processes', None, 'Default: the cores.')
_SHEET = flags.DEFINE_string(
  'sheet', None, 'Image file: write a contact sheet of all actions instead.'
)


def main(argv: list[str]) -> None:
  """Writes the datasets or the contact sheet."""
  if len(argv) > 1:
    raise app.UsageError(f'Not understood: {" ".join(argv[1:])}')
  if _SHEET.value:
    sheet.draw(pathlib.Path(_SHEET.value), _SEED.value)
    print(_SHEET.value)
    return
  if not _OUT.value:
    raise app.UsageError('--out=FOLDER is missing (or --sheet=FILE.png).')
  folders = world.write(
    _OUT.value,
    seed=_SEED.value,
    size=_SIZE.value,
    datasets=_DATASETS.value,
    processes=_PROCESSES.value,
  )
  for name, folder in folders.items():
    print(f'{name}: {folder}')


if __name__ == '__main__':
  app.run(main)
