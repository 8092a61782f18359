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
  detections.csv    actions of people, as `vidpetl frame_map` reads them
  people.csv        the best actions of each person, once a second
  segments.csv      what each part of a film contributes to its score
  votes.csv         what exemplars say of a film
  answers.json      all of it
  unreadable.csv    films that could not be read, and why
"""

from __future__ import annotations

import threading
import time

from absl import app, flags, logging
from etils import epath, epy

from vidpetl import bounded, cli, ranges

with epy.lazy_imports():
  import tqdm

  from vidpetl.data import decode, names
  from vidpetl.inference import answer as answer_lib
  from vidpetl.inference import films, model, overlaying, writing
  from vidpetl.inference.people import choice


def define_flags() -> None:
  """Defines the command line."""
  flags.DEFINE_string('run', None, 'The trained model.')
  flags.DEFINE_string('backbone', '', 'Of a package: a run or a file.')
  bounded.define(
    'checkpoint', None, ranges.Natural, 'A step; the reported one if unset.'
  )
  flags.DEFINE_string('task', '', 'Which task of the run; the first if unset.')
  flags.DEFINE_string('out', None, 'Folder of the answers.')
  flags.DEFINE_string(
    'overlay', None, 'Film with the answer drawn in; a folder for several.'
  )
  bounded.define(
    'window', None, ranges.Positive, 'Seconds that are answered at a time.'
  )
  bounded.define(
    'hop', None, ranges.Positive, 'Seconds between windows; --window if unset.'
  )
  flags.DEFINE_string('boxes', '', 'csv of the boxes of people.')
  bounded.define(
    'boxes_start', 0.0, float, 'Second of it at which films begin.'
  )
  flags.DEFINE_string(
    'detector', '', "Finds people: 'hog', an onnx file, a folder."
  )
  bounded.define(
    'boxes_per_second', None, ranges.Positive, 'How often a detector looks.'
  )
  bounded.define(
    'min_score', None, ranges.Share, 'Boxes that score less are left out.'
  )
  bounded.define('difficulty', None, ranges.Positive, 'Of a performance.')
  flags.DEFINE_string('action', None, 'What is performed.')
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
  options = {
    name: getattr(args, name)
    for name in ('window', 'hop', 'difficulty', 'action')
    if getattr(args, name) is not None
  }
  people = {name: getattr(args, name) for name in _PEOPLE if args[name].present}
  takes_people = 'people' in asked.options(task)
  if people and not takes_people:
    raise ValueError(
      f'--{", --".join(people)}: {task} is not asked of people in a film; '
      '--task chooses another one.'
    )
  if takes_people:
    options['people'] = choice.Choice(listed, **people)
  return answer(asked, listed, task, options, args.out, overlay)


_PEOPLE = ('boxes', 'boxes_start', 'detector', 'boxes_per_second', 'min_score')


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
  fps = asked.program(task).info.fps
  began, failed, seconds = time.perf_counter(), 0, 0.0
  bar = _Bar(listed)
  answers = asked.answers(
    listed, task, progress=bar.advance, looked=bar.look, **options
  )
  try:
    for path, (film, found) in zip(listed, answers):
      if not isinstance(found, Exception):
        seconds += found.duration
        bar.say(str(found))
        if files:
          files.add(found)
        found = _drawn(overlay, path, found, fps)
      if isinstance(found, Exception):
        failed += 1
        bar.say(f'error: {found}')
        if files:
          files.add_failure(film, str(found))
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


def _drawn(
  overlay: overlaying.Places | None,
  path: str,
  answer: answer_lib.Answer,
  fps: float | None,
) -> answer_lib.Answer | Exception:
  """Draws an answer, if that is wanted; returns it, or why it failed.

  A film can be damaged where none of the frames is that the model was shown.
  """
  try:
    if overlay:
      overlay.draw(path, answer, fps)
  except decode.DecodeError as error:
    return error
  return answer


class _Bar:
  """What is done of the film that is answered; on terminals alone.

  These are clips, and before them moments at which people are looked for.
  """

  def __init__(self, films: list[str]):
    self.clips, self._shown = 0, ('', '')
    self._numbers = {names.shown(film): i for i, film in enumerate(films, 1)}
    self._bar = tqdm.tqdm(unit='clip', disable=None)
    self._lock = threading.Lock()

  def advance(self, count: int, total: int, film: str) -> None:
    """Takes clips that were computed; see `Model.answers`."""
    self.clips += count
    self._update(count, total, film, 'clip')

  def look(self, count: int, total: int, film: str) -> None:
    """Takes moments at which people were looked for."""
    self._update(count, total, film, 'look')

  def _update(self, count: int, total: int, film: str, unit: str) -> None:
    with self._lock:
      if (film, unit) != self._shown:
        self._shown = film, unit
        self._bar.unit = unit
        self._bar.reset(total)
        name = epath.Path(film).name
        place = f'{self._numbers[film]} of {len(self._numbers)}'
        self._bar.set_description(f'{name} ({place})')
      self._bar.update(count)

  def say(self, line: str) -> None:
    self._bar.write(line)

  def close(self) -> None:
    self._bar.close()


if __name__ == '__main__':
  cli.run(define_flags, main)
