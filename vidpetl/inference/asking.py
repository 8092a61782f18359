"""From films to answers: one thread reads, another computes."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from vidpetl import parts
from vidpetl.data import clips, decode, frames, names, streaming
from vidpetl.inference import answer as answer_lib
from vidpetl.inference import answers as answers_folder
from vidpetl.inference import moments, windows
from vidpetl.inference.question import WINDOWS, Options, Question

# Batches that wait for the device; with what it works on, and what is being
# filled, all that is in memory of any film.
_AHEAD = 2

Rows = dict[str, np.ndarray]
Run = Callable[[Mapping[str, np.ndarray]], Mapping[str, Any]]
Progress = Callable[[int, int, str], None]


@dataclasses.dataclass(frozen=True)
class _Batch:
  """Clips of one film.

  Attributes:
    clips: [b, ...], with padding behind the last.
    count: of clips without padding.
    film: its name.
    total: clips of the whole film.
  """

  clips: Mapping[str, np.ndarray]
  count: int
  film: str
  total: int


@dataclasses.dataclass(frozen=True)
class _End:
  """The end of a film: all there is to know of it, or why it ended early."""

  name: str
  question: Question | None = None
  asked: Sequence[Any] = ()
  error: Exception | None = None


def answers(
  program: Any,
  films: Iterable[str],
  options: Options,
  progress: Progress | None = None,
  looked: Progress | None = None,
) -> Iterator[tuple[str, answer_lib.Answer | Exception]]:
  """Yields each film and its answer, or the reason why there is none.

  Args:
    program: see `model.Program`.
    films: paths.
    options: of all of them.
    progress: is told of clips that are computed: how many more, of how many of
      which film.
    looked: the same of moments at which a detector looked for people; another
      thread calls it.
  """
  kind = part(program)
  options.check(kind.OPTIONS, f'a task of kind {_kind(program)}')
  run = getattr(program, kind.PROGRAM)
  read = _read(program, films, options, kind.ask, looked)
  for end, rows in _computed(read, run, progress):
    if end.error is not None:
      yield end.name, end.error
      continue
    answer = kind.answer(end.question, end.asked, rows, program)
    damaged = end.question.film.damaged
    yield end.name, dataclasses.replace(answer, damaged=damaged)


def rows(
  program: Any, film: str, options: Options, run: Run
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Rows]:
  """Returns begins and ends [n] of a film's windows, and what `run` makes.

  Before the latter come the times of their frames, see `moments.of_frames`.
  Windows are those of an answer as far as they follow from the film.
  """
  kind = part(program)
  known = [name for name in kind.OPTIONS if name in WINDOWS]
  options.check(known, f'features of a task of kind {_kind(program)}')
  times = []

  def ask(question: Question) -> Sequence[Any]:
    asked = getattr(kind, 'plain', kind.ask)(question)
    film, clip = question.film, program.task.eval_clip
    times.append(moments.of_frames(film, asked, clip, program.info))
    return asked

  ((end, found),) = _computed(_read(program, [film], options, ask), run)
  if end.error is not None:
    raise end.error
  spans = [
    (a.time, a.time) if hasattr(a, 'time') else (a.start, a.end)
    for a in end.asked
  ]
  return *windows.places(spans, end.question.duration), times[0], found


def part(program: Any) -> ModuleType:
  """Returns the module of `answers` that is for a program's task."""
  return parts.load(answers_folder, _kind(program), 'ask', 'a task for')


def _kind(program: Any) -> str:
  return program.task.eval_clip.kind.name


def _computed(
  read: Iterator[_Batch | _End], run: Run, progress: Progress | None = None
) -> Iterator[tuple[_End, Rows]]:
  """Yields the end of each film with what `run` made of its windows."""
  with _ahead(read) as items:
    found: dict[int, Rows] = {}
    pending = None
    for item in items:
      # What the device was given before is fetched while it goes on.
      given = None
      if isinstance(item, _Batch):
        given = item.clips['index'].copy(), run(item.clips)
        _tell(progress, item.film, item.count, item.total)
      if pending is not None:
        _take(found, pending)
      pending = given
      if isinstance(item, _End):
        yield item, _stacked(found) if item.error is None else {}
        found = {}


def _take(
  found: dict[int, Rows], given: tuple[np.ndarray, Mapping[str, Any]]
) -> None:
  """Puts rows of a batch to their windows."""
  numbers, outputs = given
  arrays = {key: np.asarray(value) for key, value in outputs.items()}
  for row, number in enumerate(numbers):
    if number >= 0:
      found[int(number)] = {key: value[row] for key, value in arrays.items()}


def _stacked(found: Mapping[int, Rows]) -> Rows:
  in_order = [found[number] for number in sorted(found)]
  if not in_order:
    return {}
  return {key: np.stack([r[key] for r in in_order]) for key in in_order[0]}


def _read(
  program: Any,
  films: Iterable[str],
  options: Options,
  ask: Callable[[Question], Sequence[Any]],
  looked: Progress | None = None,
) -> Iterator[_Batch | _End]:
  """Yields the batches of each film, and its end."""
  for path in films:
    name = names.shown(path)
    tell = functools.partial(_tell, looked, name)
    try:
      fps = program.info.fps
      with frames.open_video(path, name, fps, forgiving=True) as film:
        question = Question(
          name,
          film,
          program.task,
          program.info,
          program.seconds,
          options,
          tell,
        )
        asked = ask(question)
        yield from _batches(program, name, film, asked)
        # The film is closed when its answer is made; its duration stays.
        yield _End(name, question, asked)
    except (decode.DecodeError, OSError) as error:
      yield _End(name, error=error)


def _tell(progress: Progress | None, film: str, count: int, total: int) -> None:
  if progress:
    progress(count, total, film)


def _batches(
  program: Any, name: str, film: Any, asked: Sequence[Any]
) -> Iterator[_Batch]:
  """Yields clips of a film in batches.

  Their size follows from the film alone, so that its answer does not depend on
  which films are asked beside it.
  """
  spec, info = program.task.eval_clip, program.info
  size = min(program.batch_size, 1 << max(0, len(asked) - 1).bit_length())
  batch, filled = clips.padding(info, spec, (size,)), 0
  for _, clip in streaming.read(film, asked, spec, info):
    for key, array in clip.items():
      batch[key][filled] = array
    filled += 1
    if filled == size:
      yield _Batch(batch, filled, name, len(asked))
      batch, filled = clips.padding(info, spec, (size,)), 0
  if filled:
    yield _Batch(batch, filled, name, len(asked))


@contextlib.contextmanager
def _ahead(items: Iterator[Any]) -> Iterator[Iterator[Any]]:
  """Gives items that another thread makes, a few of them ahead."""
  waiting: queue.Queue = queue.Queue(_AHEAD)
  stop, end = threading.Event(), object()

  def put(item: Any) -> None:
    while not stop.is_set():
      with contextlib.suppress(queue.Full):
        waiting.put(item, timeout=0.1)
        return

  def fill() -> None:
    try:
      for item in items:
        put(item)
        if stop.is_set():
          break
      put(end)
    except BaseException as error:  # Belongs to the thread that computes.
      put(error)
    finally:
      items.close()

  def given() -> Iterator[Any]:
    while (item := waiting.get()) is not end:
      if isinstance(item, BaseException):
        raise item
      yield item

  thread = threading.Thread(target=fill, daemon=True)
  thread.start()
  try:
    yield given()
  finally:
    stop.set()
    thread.join()
