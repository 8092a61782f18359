"""A trained model that answers films.

model = load('runs/mine')
model('film.mp4').top()
model.add('runs/other/adapter', 'other')   # on the same backbone
model('film.mp4', adapter='other')
"""

from __future__ import annotations

import dataclasses
import functools
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from etils import epath

from vidpetl.data import clips
from vidpetl.experiment import adapters as adapters_lib
from vidpetl.experiment import exemplars, trained
from vidpetl.experiment import spec as spec_lib
from vidpetl.inference import answer as answer_lib
from vidpetl.inference import asking, models, moments
from vidpetl.inference.question import Options
from vidpetl.parameters import package, trainable

# Bytes of frames that are given to a device at a time.
_MOST = 1 << 28
MAIN = 'main'


def load(
  run: str | os.PathLike,
  backbone: str | os.PathLike = '',
  adapters: Mapping[str, str | os.PathLike] | None = None,
  checkpoint: int | None = None,
) -> Model:
  """Loads a trained model.

  Args:
    run: a working directory; an adapter package; a folder with model.json and
      model.safetensors; or 'demo:clips', a small model that vidpetl brings
      along.
    backbone: what a package was made on, a run or a file. By default it is what
      the run says that it started from.
    adapters: further packages on the same backbone, by name.
    checkpoint: a step of the working directory; None is what was reported.

  Raises:
    ValueError: if something is missing, or does not fit.
  """
  path = models.find(os.fspath(run))
  read = trained.read(
    path,
    os.fspath(backbone),
    '' if checkpoint is None else str(checkpoint),
  )
  model = Model(read)
  for name, folder in (adapters or {}).items():
    model.add(folder, name)
  return model


@dataclasses.dataclass(frozen=True)
class Features:
  """What a backbone makes of a film, by window.

  Attributes:
    begins: [n] seconds of the windows.
    ends: [n].
    grid: float32 [n, (views,) t', h', w', d], the tokens.
    summary: float32 [n, (views,) d].
    times: float64 [n, (views,) t'], seconds of the tokens: the middle of the
      frames that each is made of.
    blocks: 'blocks/<number>/grid' and 'blocks/<number>/lead' -> what blocks
      made; see `Adapters.features`.
  """

  begins: np.ndarray
  ends: np.ndarray
  grid: np.ndarray
  summary: np.ndarray
  times: np.ndarray
  blocks: Mapping[str, np.ndarray]


class Model:
  """A backbone with what was learned on it, ready to be asked."""

  def __init__(self, read: trained.Trained):
    """Puts a model on the device; `load` reads one."""
    self.origin = read.origin
    self._trunk = adapters_lib.Adapters(read.arrays)
    self._trunk.load(read.package or _packed(read), MAIN)
    self._folders = {MAIN: epath.Path(read.origin)}

  @property
  def adapters(self) -> list[str]:
    """Names of the packages; 'main' is what was loaded."""
    return self._trunk.names

  @property
  def spec(self) -> spec_lib.Spec:
    """What model.json holds."""
    return self.specification()

  def specification(self, adapter: str = MAIN) -> spec_lib.Spec:
    """Returns what a package's adapter_config.json holds."""
    return dict(self._trunk.package(adapter).config)

  @property
  def params(self) -> Mapping[str, jax.Array]:
    """All parameters and statistics by path."""
    return self._trunk.params(MAIN)

  @property
  def experiment(self):
    """The model and its tasks, as objects."""
    return self._trunk.experiment(MAIN)

  def tasks(self, adapter: str = MAIN) -> list[str]:
    """Returns the names of what can be asked."""
    return list(self._trunk.package(adapter).config['tasks'])

  def labels(self, task: str = '', adapter: str = MAIN) -> list[str]:
    """Returns the names of a task's classes, in the order of its outputs."""
    name = self.task(task, adapter)
    found = self._trunk.package(adapter).config['tasks'][name]['labels']
    return list(found.values())

  def task(self, task: str = '', adapter: str = MAIN) -> str:
    """Returns the task of a name; '' is the first.

    Raises:
      ValueError: if there is none of this name.
    """
    there = self.tasks(adapter)
    if task and task not in there:
      raise ValueError(f'no task {task!r}; there are: {", ".join(there)}.')
    return task or there[0]

  def options(self, task: str = '', adapter: str = MAIN) -> tuple[str, ...]:
    """Returns the fields of `question.Options` that a task's answers take."""
    return asking.part(self.program(task, adapter)).OPTIONS

  def add(self, folder: str | os.PathLike, name: str) -> None:
    """Puts a further package on the same backbone; compiles nothing.

    Raises:
      ValueError: if it cannot be read, is for another backbone, or if there is
        one of this name.
    """
    path = epath.Path(folder)
    if (path / trained.ADAPTER / package.CONFIG).exists():
      path /= trained.ADAPTER
    self._trunk.load(path, name)
    self._folders[name] = path

  def remove(self, name: str) -> None:
    """Forgets a package."""
    if name == MAIN:
      raise ValueError(f'{MAIN!r} is the model itself.')
    self._trunk.unload(name)
    del self._folders[name]

  def __call__(
    self,
    film: str | os.PathLike,
    task: str = '',
    adapter: str = MAIN,
    **options: Any,
  ) -> answer_lib.Answer:
    """Answers a film; `vidpetl predict` says the same, to the bit.

    Args:
      film: a video file, or a folder of numbered frames.
      task: that is asked; '' is the first.
      adapter: the package that answers.
      **options: see `question.Options`.

    Raises:
      decode.DecodeError: if the film cannot be read.
      ValueError: for a task, package or option that there is not.
    """
    ((_, found),) = self.answers([film], task, adapter, **options)
    if isinstance(found, Exception):
      raise found
    return found

  def answers(
    self,
    films: Iterable[str | os.PathLike],
    task: str = '',
    adapter: str = MAIN,
    progress: asking.Progress | None = None,
    looked: asking.Progress | None = None,
    **options: Any,
  ) -> Iterator[tuple[str, answer_lib.Answer | Exception]]:
    """Yields each film and its answer, or why it cannot be read.

    Films are read ahead while earlier ones are computed.

    Args:
      films: see `__call__`.
      task: that is asked; '' is the first.
      adapter: the package that answers.
      progress: is told of clips that are computed: how many more, of how many
        of which film.
      looked: the same of moments at which a detector looked for people;
        another thread calls it.
      **options: see `question.Options`.
    """
    program = self.program(task, adapter)
    paths = map(os.fspath, films)
    return asking.answers(program, paths, _options(options), progress, looked)

  def features(
    self,
    film: str | os.PathLike,
    task: str = '',
    adapter: str = MAIN,
    blocks: Sequence[int] = (),
    **options: Any,
  ) -> Features:
    """Returns the backbone's tokens and summaries of a film's windows.

    Args:
      film: see `__call__`.
      task: whose clips are cut.
      adapter: the package whose techniques are in the backbone.
      blocks: numbers of blocks whose outputs are returned, too; -1 is the last.
      **options: `window` and `hop`, see `question.Options`.
    """
    program = self.program(task, adapter)
    run = functools.partial(program.features, blocks=blocks)
    begins, ends, frames, rows = asking.rows(
      program, os.fspath(film), _options(options), run
    )
    grid, summary = rows.pop('grid'), rows.pop('summary')
    times = moments.of_tokens(
      program.task, program.info, frames, grid.shape[-4]
    )
    return Features(begins, ends, grid, summary, times, rows)

  def logits(
    self, batch: Mapping[str, Any], task: str = '', adapter: str = MAIN
  ) -> jax.Array:
    """Returns logits of clips; see `Adapters.logits`."""
    return self._trunk.logits(adapter, batch, self.task(task, adapter))

  def merge(self, adapter: str = MAIN) -> tuple[dict[str, np.ndarray], float]:
    """Merges what is linear into the backbone; see `Adapters.merge`."""
    return self._trunk.merge(adapter)

  def program(self, task: str = '', adapter: str = MAIN) -> Program:
    """Returns a task of a package, as `asking.answers` takes it."""
    return Program(
      self._trunk, adapter, self.task(task, adapter), self._folders[adapter]
    )


def _packed(read: trained.Trained) -> package.Package:
  """Returns a model that is whole in itself as a package on its backbone.

  Packages that were made on the same backbone can be added then.
  """
  frozen = dict.fromkeys(read.arrays, trainable.FROZEN)
  form = read.spec['format']
  return adapters_lib.pack(read.spec, read.arrays, frozen, format=form)


def _options(given: Mapping[str, Any]) -> Options:
  known = [field.name for field in dataclasses.fields(Options)]
  if unknown := sorted(set(given) - set(known)):
    raise ValueError(
      f'no option {", ".join(unknown)}; there are: {", ".join(known)}.'
    )
  return Options(**given)


class Program:
  """A task of a package; see `question.Program`.

  Attributes:
    name: of the task.
    task: as an object.
    info: of its classes.
    seconds: how long training examples are; None if that is not known.
    batch_size: clips that are computed at a time.
  """

  def __init__(
    self,
    trunk: adapters_lib.Adapters,
    adapter: str,
    task: str,
    folder: epath.Path,
  ):
    spec = trunk.package(adapter).config
    self.name, self.task = task, trunk.experiment(adapter).tasks[task]
    self.info = spec_lib.infos(spec)[task]
    self.seconds = spec['tasks'][task].get('seconds')
    shape, _ = clips.signature(self.info, self.task.eval_clip)['video']
    fits = max(1, _MOST // math.prod(shape))
    self.batch_size = min(spec.get('eval_batch_size') or 8, fits)
    self._folder, self._step = folder, spec.get('step')
    if folder.parent.name == 'checkpoints':
      self._step = int(folder.name)
    call = lambda what: functools.partial(what, adapter, task=task)
    self._outputs = call(trunk.outputs)
    self._features = call(trunk.features)
    self._without = call(trunk.without_segments)
    self._compare = call(trunk.compare)

  def outputs(self, batch: Mapping[str, Any]) -> Mapping[str, jax.Array]:
    return self._outputs(batch)

  def features(
    self, batch: Mapping[str, Any], blocks: Sequence[int] = ()
  ) -> Mapping[str, jax.Array]:
    return self._features(batch, blocks=blocks)

  def without_segments(
    self, batch: Mapping[str, Any]
  ) -> Mapping[str, jax.Array]:
    return self._without(batch)

  def compare(self, pairs: Mapping[str, Any]) -> Mapping[str, jax.Array]:
    return self._compare(pairs)

  def exemplars(self) -> Mapping[str, np.ndarray]:
    return exemplars.read(self._folder, self.name, self._step)
