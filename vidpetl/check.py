"""Says what is odd about data before hours are spent on it.

    vidpetl check my_videos
    vidpetl check clips.csv --val=more.csv
    vidpetl check people.csv --val=people_val.csv --labelmap=actions.txt
    vidpetl check hmdb51_1 --raw=/data/raw
    vidpetl check --config=adapt:data=my_videos,backbone=clip_b16,frames=8
    vidpetl check --records=/records --decode=100

DATA is what `data=` of the config `adapt` takes: a folder of class folders, a
table of clips, performances or keyframes, or a public dataset. Every further
--name=value is an argument of `adapt`, so that its clip is the one that is
checked: --backbone, --frames, --task, --low, …. With --config, any other config
can be checked, all of its tasks.

Every file is read once, on all cores: its header, its first frame, and the
times of all packets. Frames are not decoded, but for the first one. What was
read is kept, so that the second time takes a moment.

It tells apart

    wrong  what would make results wrong: clips of val that are in train, a
           clip with two labels, classes that nothing trains, classes that tell
           left from right in mirrored clips, files that cannot be read, boxes
           outside of the picture, scores that a head cannot say
    note   what a user should know: duplicates, few clips, short clips, frame
           rates that differ, what is left out
    info   facts

and writes into --out

    check.html  all of it, one file that loads nothing
    check.json  the same, for programs
    check.png   training clips as the model gets them, after augmentation

With --records, it says instead whether records are as `vidpetl prepare` made
them: --out of it or a folder in that, whose files are compared with their sums,
and counts with the index. --decode=100 decodes every hundredth video as well.

The exit status is 1 if something is wrong, else 0; that of a mistake in the
command is 2. `vidpetl train` says the same at its start, of what it can look at
in a moment; --config.input.check=off silences it.
"""

from __future__ import annotations

import os

# A check takes no accelerator from a run.
os.environ.setdefault('JAX_PLATFORMS', 'cpu')

from collections.abc import Sequence
from typing import Any

from absl import flags, logging
from etils import epy

from vidpetl import bounded, cli, ranges
from vidpetl.data.survey import cache, findings, report
from vidpetl.recipes import config_flag, given, named
from vidpetl.studies import checking

# Loaded when they are used: they take seconds, and the rest does not.
with epy.lazy_imports():
  from vidpetl.data.records import verify
  from vidpetl.experiment import configure


def define_flags() -> None:
  """Defines the command line."""
  config_flag.define('What is to be trained, in place of DATA.')
  flags.DEFINE_string('data', None, 'DATA, by its name.')
  flags.DEFINE_string('out', None, 'Where to write; <DATA>_check if unset.')
  bounded.define(
    'processes', os.cpu_count(), ranges.Count, 'Files to read at a time.'
  )
  bounded.define(
    'sheet',
    12,
    ranges.Natural,
    'Clips of each task on check.png; 0 draws none.',
  )
  flags.DEFINE_string('records', None, 'Prepared records, in place of DATA.')
  bounded.define(
    'decode',
    0,
    ranges.Natural,
    '--records: of how many videos one is decoded; 0 decodes none.',
  )
  flags.DEFINE_string(
    'cache',
    None,
    "Where to keep what was read; ~/.cache/vidpetl/survey.sqlite if unset, '' "
    'keeps nothing.',
  )


def config_of(values: flags.FlagValues, words: Sequence[str]) -> Any:
  """Returns the config that the command line describes, and the data's name.

  Args:
    values: the flags.
    words: DATA, and '--name=value' of what `adapt` takes.

  Raises:
    ValueError: unless there is either data or a config; as configs do.
  """
  if values.config is not None:
    if words or values.data is not None:
      raise ValueError(
        f'--config={values.config} names its data itself; what is meant by '
        f'{" ".join(words) or values.data}?'
      )
    config, name = named.load(values.config), values.config
  else:
    name, more = given.split(words, values.data, ' or --config')
    # What trains is of no matter, unless it is said; 'full' loads no technique.
    config = named.load(f'adapt:{given.argument(name, ["method=full", *more])}')
  fields = config_flag.fields()
  return (configure.configure(config, fields) if fields else config), name


def _check_records(path: str, every: int, more: Sequence[str]) -> int:
  """Prints what is damaged of records; returns the exit status."""
  if more:
    raise ValueError(f'--records={path} is checked alone; what is {more[0]}?')
  status = 0
  for folder in verify.find(path):
    verdict = verify.verify(folder, every)
    print(verdict.text())
    status |= bool(verdict.problems)
  return status


def main(argv: Sequence[str]) -> int:
  """Runs the command line."""
  logging.set_verbosity(logging.ERROR)
  args = flags.FLAGS
  if args.records is not None:
    return _check_records(args.records, args.decode, argv[1:])
  config, name = config_of(args, argv[1:])
  out = checking.folder_for(config, name, args.out)
  where = cache.default_path() if args.cache is None else args.cache
  result = checking.check(
    config,
    name,
    out,
    processes=args.processes,
    sheet=args.sheet,
    cache_path=where,
  )
  print(report.text(result))
  print(f'\n{out / "check.html"}')
  return 1 if result['levels'][findings.WRONG] else 0


if __name__ == '__main__':
  cli.run(define_flags, main, config_flag.parse_words)
