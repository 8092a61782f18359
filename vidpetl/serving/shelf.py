"""The trained models of a server: packages on one backbone share it."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from etils import epath

from vidpetl.data import clips, decode
from vidpetl.inference import answer as answer_lib
from vidpetl.inference import asking, model, models
from vidpetl.inference.question import Options
from vidpetl.parameters import package
from vidpetl.serving import opening
from vidpetl.serving.limits import Refusal


@dataclasses.dataclass(frozen=True)
class Run:
  """A run that can be asked.

  Attributes:
    name: of it.
    model: that it is in.
    adapter: what the model calls it.
    path: where it lies.
  """

  name: str
  model: model.Model
  adapter: str
  path: str

  @property
  def example(self) -> epath.Path | None:
    """A film that it may be asked, if it brings one along."""
    path = epath.Path(self.path) / models.FILM
    return path if path.exists() else None

  @property
  def tasks(self) -> list[str]:
    """Names of what can be asked."""
    return self.model.tasks(self.adapter)


class Shelf:
  """Runs by name, the first being asked by default."""

  def __init__(self, runs: Sequence[str], backbone: str = ''):
    """Loads runs.

    Args:
      runs: see `model.load`.
      backbone: of packages that do not say where it is.

    Raises:
      ValueError: if one cannot be read.
    """
    self.runs: dict[str, Run] = {}
    trunks: dict[str, model.Model] = {}
    for name, run in zip(named(runs), runs):
      path = models.find(run)
      sha256 = _trunk(path)
      if sha256 in trunks:
        trunks[sha256].add(path, name)
        self.runs[name] = Run(name, trunks[sha256], name, path)
        continue
      loaded = model.load(path, backbone)
      self.runs[name] = Run(name, loaded, model.MAIN, path)
      if sha256:
        trunks[sha256] = loaded
    # The threads of a server take turns at the device, batch by batch.
    self._turn = threading.Lock()

  def choose(self, run: str = '', task: str = '') -> tuple[Run, str]:
    """Returns a run and a task of it; '' is the first.

    Raises:
      Refusal: if there is none of this name.
    """
    chosen = self.runs.get(run) if run else next(iter(self.runs.values()))
    if chosen is None:
      raise Refusal(
        404, f'No run {run!r} here; there are: {", ".join(self.runs)}.'
      )
    if task and task not in chosen.tasks:
      raise Refusal(
        404,
        f'No task {task!r} in {chosen.name}; there are: '
        f'{", ".join(chosen.tasks)}.',
      )
    return chosen, task or chosen.tasks[0]

  def describe(self) -> list[dict[str, Any]]:
    """Returns what can be asked, in json's types."""
    trunks = list(dict.fromkeys(id(run.model) for run in self.runs.values()))
    return [
      {
        'run': run.name,
        'adapter': run.adapter,
        'trunk': trunks.index(id(run.model)),
        'example': run.example is not None,
        'tasks': [
          {
            'task': task,
            'kind': self.kind(run, task),
            'classes': len(run.model.labels(task, run.adapter)),
          }
          for task in run.tasks
        ],
      }
      for run in self.runs.values()
    ]

  def program(self, run: Run, task: str) -> model.Program:
    """Returns a task of a run."""
    return run.model.program(task, run.adapter)

  def kind(self, run: Run, task: str) -> str:
    """Returns of which kind a task is, one of `data.kinds`."""
    return self.program(run, task).task.eval_clip.kind.name

  def fps(self, run: Run, task: str) -> float | None:
    """Returns how fast a task takes folders of frames to be."""
    return self.program(run, task).info.fps

  def answer(
    self,
    run: Run,
    task: str,
    film: str,
    options: Options,
    check: Callable[[], None],
  ) -> answer_lib.Answer:
    """Answers a film, as `model.Model` does.

    Args:
      run: that is asked.
      task: of it.
      film: a file.
      options: of the answer.
      check: is called before each batch, and may raise.

    Raises:
      Refusal: if the film cannot be read.
    """
    program = _Guarded(self.program(run, task), check, self._turn)
    ((_, found),) = asking.answers(program, [film], options)
    if isinstance(found, decode.DecodeError):
      raise opening.unreadable(found)
    if isinstance(found, Exception):
      raise found
    return found

  def warm(self) -> Iterator[str]:
    """Compiles what requests will need; yields what was compiled."""
    for run in self.runs.values():
      for task in run.tasks:
        program = self.program(run, task)
        compute = getattr(program, asking.part(program).PROGRAM)
        size = 1
        while True:
          batch = clips.padding(program.info, program.task.eval_clip, (size,))
          for value in compute(batch).values():
            value.block_until_ready()
          if size >= program.batch_size:
            break
          size = min(2 * size, program.batch_size)
        yield f'{run.name}: {task}'


class _Guarded:
  """A program that may be stopped before each batch."""

  def __init__(
    self,
    program: model.Program,
    check: Callable[[], None],
    turn: threading.Lock,
  ):
    self._program, self._check, self._turn = program, check, turn

  def __getattr__(self, name: str) -> Any:
    return getattr(self._program, name)

  def outputs(self, batch: Any) -> Any:
    return self._guarded(self._program.outputs, batch)

  def without_segments(self, batch: Any) -> Any:
    return self._guarded(self._program.without_segments, batch)

  def compare(self, pairs: Any) -> Any:
    return self._guarded(self._program.compare, pairs)

  def _guarded(self, call: Callable[[Any], Any], batch: Any) -> Any:
    self._check()
    with self._turn:
      return call(batch)


def named(runs: Sequence[str]) -> list[str]:
  """Returns the shortest ends of paths that tell them apart.

  Raises:
    ValueError: if a run is given twice.
  """
  if len(set(runs)) < len(runs):
    raise ValueError('--run names a run twice.')
  parts = [
    [p for p in epath.Path(run).absolute().parts if p != 'adapter']
    for run in runs
  ]
  for length in range(1, max(map(len, parts), default=0) + 1):
    names = ['/'.join(each[-length:]) for each in parts]
    if len(set(names)) == len(names):
      return names
  raise ValueError('--run names a run twice.')


def _trunk(path: str) -> str:
  """Returns what tells the backbone of a package; '' of what is none."""
  for folder in (epath.Path(path), epath.Path(path) / 'adapter'):
    if (folder / package.CONFIG).exists():
      return package.load(folder).config.get('backbone_sha256', '')
  return ''
