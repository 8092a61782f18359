"""Writes what a backbone makes of films: features, for whatever reads them.

  python -m vidpetl.extract --run=RUN --out=OUT VIDEO… [--what=summary,grid]
  python -m vidpetl.extract --config=CONFIG --out=OUT [VIDEO…]

RUN is what `vidpetl predict` takes; CONFIG is a model that need not be trained,
with --config.init.path as its weights. A VIDEO is a file, a folder of numbered
frames, or a folder that is searched for both. Without any, the training and
evaluation films of CONFIG are meant.

A film is cut into windows: --window seconds, one each --hop seconds, such as
--window=2 --hop=0.5 for detection in time over long films. Without --window it
is one window up to the length of training examples.

OUT is a folder, with a file of each film, or a file (.npz, .safetensors) for
all of them, whose arrays are called '<film>/summary' and so on. A folder is
gone on with: films that are there, of the same bytes and settings, are left
alone. Films that cannot be read are in unreadable.csv, and do not keep the
others from being written. docs/cache.md says which arrays there are.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from absl import app, flags, logging
from etils import epath, epy

from vidpetl import bounded, cli, ranges
from vidpetl.recipes import config_flag

with epy.lazy_imports():
  import tqdm

  from vidpetl.data import names
  from vidpetl.experiment import configure
  from vidpetl.inference import (
    extracting,
    feature_files,
    films,
    model,
    untrained,
  )
  from vidpetl.parameters import sums


def define_flags() -> None:
  """Defines the command line."""
  config_flag.define('A model that need not be trained.')
  flags.DEFINE_string('run', None, 'The trained model.')
  flags.DEFINE_string('backbone', '', 'Of a package: a run or a file.')
  bounded.define(
    'checkpoint', None, ranges.Natural, 'A step; the reported one if unset.'
  )
  flags.DEFINE_string('task', '', 'Whose clips are cut; the first if unset.')
  flags.DEFINE_string('out', None, 'Folder, or file for all films.')
  flags.DEFINE_enum(
    'format', 'npz', ('npz', 'safetensors'), 'Of the files of a folder.'
  )
  flags.DEFINE_list('what', ['summary'], 'Of summary, grid, blocks.')
  flags.DEFINE_list('blocks', [], 'Numbers of blocks, from 0; -1 is the last.')
  flags.DEFINE_enum(
    'dtype', 'float32', ('float32', 'float16', 'bfloat16'), 'Of the features.'
  )
  bounded.define('window', None, ranges.Positive, 'Seconds of a window.')
  bounded.define(
    'hop', None, ranges.Positive, 'Seconds between windows; --window if unset.'
  )
  flags.mark_flag_as_required('out')


def main(argv: list[str]) -> int:
  """Runs the command line; returns 1 if a film could not be read."""
  args = flags.FLAGS
  if (args.run is None) == (args.config is None):
    raise app.UsageError('Give --run or --config, one of them.')
  if args.run and len(argv) < 2:
    raise app.UsageError('Give a film, or a folder of films.')
  logging.set_verbosity(logging.ERROR)
  blocks = _numbers(args.blocks)
  form = _form(args, blocks)
  run = None
  if args.run:
    asked = model.load(args.run, args.backbone, checkpoint=args.checkpoint)
  else:
    asked, run = untrained.load(configure.from_flags())
  options = {
    name: getattr(args, name)
    for name in ('window', 'hop')
    if getattr(args, name) is not None
  }
  task = asked.task(args.task)
  told = {
    'model': sums.whole(asked.params),
    'task': task,
    'blocks': blocks,
    **options,
  }
  with extracting.Sink(args.out, form, told) as sink:
    if argv[1:]:
      listed = films.listed(argv[1:])
      with _bar(len(listed), 'film') as advance:
        extracting.of_films(
          asked, task, listed, sink, advance, blocks, **options
        )
    elif options:
      raise app.UsageError('--window and --hop are for films; give some.')
    else:
      _of_data(asked, run, [task] if args.task else asked.tasks(), sink, blocks)
  return _said(sink, args.out)


def _of_data(asked, run, tasks, sink, blocks) -> None:
  """Writes the features of the data of a config."""
  parts = {'train': run.train, 'eval': run.tested}
  for task in tasks:
    for part, sources in parts.items():
      if source := sources.get(task):
        with _bar(len(source), 'clip') as advance:
          extracting.of_examples(
            asked, task, source, part, sink, advance, blocks
          )


def _form(args: flags.FlagValues, blocks: Sequence[int]) -> Any:
  what = list(dict.fromkeys([*args.what, *(['blocks'] if blocks else [])]))
  if 'blocks' in what and not blocks:
    raise app.UsageError('--what=blocks needs --blocks, their numbers.')
  suffix = epath.Path(args.out).suffix.removeprefix('.')
  single = suffix in feature_files.FORMATS
  return feature_files.Form(what, suffix if single else args.format, args.dtype)


def _numbers(words: Sequence[str]) -> list[int]:
  try:
    return [int(word) for word in words]
  except ValueError:
    raise app.UsageError(
      f'--blocks={",".join(words)}: these are numbers, such as -1,-4.'
    ) from None


@contextlib.contextmanager
def _bar(total: int, unit: str) -> Iterator[Any]:
  """Gives what is told of each film, on terminals as a bar."""
  with tqdm.tqdm(total=total, unit=unit, disable=None) as bar:

    def advance(name: str) -> None:
      bar.set_description(epath.Path(name).name)
      bar.update()

    yield advance


def _said(sink: Any, out: str) -> int:
  """Prints what became of the films; returns the exit status."""
  for film, reason in sink.failed.items():
    print(f'error: {film}: {reason}')
  left = f', {sink.left:,} were there already' if sink.left else ''
  print(f'{names.plural(sink.done, "film")} written to {out}{left}.')
  if not sink.failed:
    return 0
  print(f'{len(sink.failed)} could not be read: see {extracting.UNREADABLE}.')
  return 1


if __name__ == '__main__':
  cli.run(define_flags, main)
