"""Draws the demo world: films and annotations in official layouts.

python -m vidpetl.world --out=demo/raw [--size=tiny]
"""

from __future__ import annotations

from absl import app, flags
from etils import epath

from vidpetl import bounded, cli, ranges, world
from vidpetl.world import film, sheet


def define_flags() -> None:
  """Defines the command line."""
  flags.DEFINE_string('out', None, 'Folder for the datasets.')
  bounded.define('seed', 0, ranges.Natural, 'Seed of everything.')
  flags.DEFINE_enum('size', 'demo', film.SIZES, 'How much to make.')
  flags.DEFINE_list('datasets', list(world.DATASETS), 'Which.')
  bounded.define(
    'processes', None, ranges.Count, 'Films at a time; the cores if unset.'
  )
  flags.DEFINE_string(
    'sheet', None, 'Image file: write a contact sheet of all actions instead.'
  )


def main(argv: list[str]) -> None:
  """Writes the datasets or the contact sheet."""
  if len(argv) > 1:
    raise app.UsageError(f'Not understood: {" ".join(argv[1:])}')
  args = flags.FLAGS
  if args.sheet:
    sheet.draw(epath.Path(args.sheet), args.seed)
    print(args.sheet)
    return
  if not args.out:
    raise app.UsageError('--out=FOLDER is missing (or --sheet=FILE.png).')
  folders = world.write(
    args.out,
    seed=args.seed,
    size=args.size,
    datasets=args.datasets,
    processes=args.processes,
  )
  for name, folder in folders.items():
    print(f'{name}: {folder}')


if __name__ == '__main__':
  cli.run(define_flags, main)
