"""Answers films with a trained model: classes, people's actions, scores.

  python -m vidpetl.predict --run=RUN VIDEO… [--out=FOLDER] [--overlay=FILE]

RUN is a working directory, an adapter package with --backbone, or 'demo:clips',
a small model that vidpetl brings along. A VIDEO is a file, a folder of numbered
frames, or a folder that is searched for both. A film longer than the run's
training examples is answered in windows of their length. How frames are chosen
and cut stands in the run.

Into FOLDER:

  videos.csv        the best classes, or the score, of each film
  windows.csv       the same of each window
  answers.json      all of it
  unreadable.csv    films that could not be read, and why
"""

from __future__ import annotations

import os

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

import time

from absl import app, flags, logging
from etils import epath, epy

from vidpetl import cli

with epy.lazy_imports():
  import tqdm

  from vidpetl.data import names
  from vidpetl.inference import films, model, overlaying, writing


def define_flags() -> None:
  """Defines the command line."""
  flags.DEFINE_string('run', None, 'The trained model.')
  flags.DEFINE_string('backbone', '', 'Of a package: a run or a file.')
  flags.DEFINE_integer('checkpoint', None, 'A step; the reported one if unset.')
  flags.DEFINE_string('task', '', 'Which task of the run; the first if unset.')
  flags.DEFINE_string('out', None, 'Folder of the answers.')
  flags.DEFINE_string(
    'overlay', None, 'Film with the answer drawn in; a folder for several.'
  )
  flags.DEFINE_float('window', None, 'Seconds that are answered at a time.')
  flags.DEFINE_float('hop', None, 'Seconds between windows; --window if unset.')
  flags.mark_flag_as_required('run')


def main(argv: list[str]) -> int:
  """Runs the command line; returns 1 if a film could not be read."""
  args = flags.FLAGS
  if len(argv) < 2:
    raise app.UsageError('Give a film, or a folder of films.')
  logging.set_verbosity(logging.ERROR)
  listed = films.listed(argv[1:])
  overlay = overlaying.Places(args.overlay, listed) if args.overlay else None
  asked = model.load(args.run, args.backbone, checkpoint=args.checkpoint)
  task = asked.task(args.task)
  if not args.task and len(asked.tasks()) > 1:
    others = ', '.join(asked.tasks()[1:])
    print(f'Asking {task}; --task chooses among it and {others}.')
  options = {'window': args.window, 'hop': args.hop}
  given = {k: v for k, v in options.items() if v is not None}
  return answer(asked, listed, task, given, args.out, overlay)


def answer(
  asked: model.Model,
  listed: list[str],
  task: str,
  options: dict,
  out: str | None,
  overlay: overlaying.Places | None,
) -> int:
  """Answers films; tells and writes what is said of each.

  Args:
    asked: the model.
    listed: paths of films.
    task: that is asked.
    options: see `question.Options`.
    out: folder of the files; None for none.
    overlay: where films go with the answer drawn in; None for nowhere.
  """
  files = writing.Files(out) if out else None
  began, failed, seconds = time.perf_counter(), 0, 0.0
  bar = _Bar(len(listed))
  try:
    for path, (film, found) in zip(
      listed, asked.answers(listed, task, progress=bar.advance, **options)
    ):
      if isinstance(found, Exception):
        failed += 1
        bar.say(f'error: {found}')
        if files:
          files.add_failure(film, str(found))
      else:
        seconds += found.duration
        bar.say(str(found))
        if files:
          files.add(found)
        if overlay:
          overlay.draw(path, found)
  finally:
    bar.close()
    for path in files.close() if files else ():
      print(path)
  took = time.perf_counter() - began
  print(
    f'{names.plural(len(listed) - failed, "film")} of {seconds:.1f} s in '
    f'{took:.1f} s, {bar.clips / took:.1f} clips/s'
    + (f'; {failed} could not be read.' if failed else '.')
  )
  return 1 if failed else 0


class _Bar:
  """Clips of the film that is answered, and how fast; on terminals alone."""

  def __init__(self, films: int):
    self.clips, self._films, self._film, self._number = 0, films, '', 0
    self._bar = tqdm.tqdm(unit='clip', disable=None)

  def advance(self, count: int, total: int, film: str) -> None:
    """Takes clips that were computed; see `Model.answers`."""
    if film != self._film:
      self._film = film
      self._number += 1
      self._bar.reset(total)
      name = epath.Path(film).name
      self._bar.set_description(f'{name} ({self._number} of {self._films})')
    self.clips += count
    self._bar.update(count)

  def say(self, line: str) -> None:
    self._bar.write(line)

  def close(self) -> None:
    self._bar.close()


if __name__ == '__main__':
  cli.run(define_flags, main)
