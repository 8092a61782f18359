"""What is exported: a task of a trained model, as pure functions."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vidpetl.backbones import attending
from vidpetl.data import augment, clips
from vidpetl.experiment import experiment as experiment_lib
from vidpetl.experiment import spec as spec_lib
from vidpetl.parameters import variables

# Task -> why it has no answer that could be exported.
REFUSED = {
  'pretext.rspnet': 'it relates three clips of its own sampling, and answers '
  'nothing of a film; export a run that was trained from it',
}
# Task -> what it compares: of a query, and of an exemplar.
COMPARED = {
  'quality.core': (('embedding',), ('embedding', 'score')),
  'quality.tsa': (('tokens',), ('map', 'score')),
}
MODEL, COMPARE = 'model', 'compare'
BATCH = 'b'

Arrays = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Input:
  """An array that a program takes.

  Attributes:
    shape: behind the batch.
    dtype: its name in numpy.
    words: what it is.
  """

  shape: tuple[int, ...]
  dtype: str
  words: str


@dataclasses.dataclass(frozen=True)
class Program:
  """A function of a model.

  Attributes:
    name: `MODEL` or `COMPARE`.
    function: (parameters, inputs) -> outputs, arrays by name; pure.
    inputs: by name; all have the batch in front.
  """

  name: str
  function: Callable[[Arrays, Arrays], dict[str, jax.Array]]
  inputs: Mapping[str, Input]


@dataclasses.dataclass(frozen=True)
class Subject:
  """A task of a trained model.

  Attributes:
    spec: of the model, see `experiment.spec`.
    params: all parameters and statistics by path.
    name: of the task.
    origin: where the model lies, in words and for those who read it again.
    backbone: what a package was made on, '' for what it says itself.
  """

  spec: Mapping[str, Any]
  params: Mapping[str, Any]
  name: str
  origin: str
  backbone: str = ''

  def __post_init__(self):
    if reason := REFUSED.get(self.kind):
      raise ValueError(
        f'{self.origin}: the task {self.name} ({self.kind}) cannot be '
        f'exported: {reason}.'
      )

  @property
  def kind(self) -> str:
    """Module of the task."""
    return self.spec['tasks'][self.name]['options']['task']

  @property
  def dtype(self) -> str:
    """Of the computation."""
    return self.spec['dtype']

  @functools.cached_property
  def experiment(self) -> experiment_lib.Experiment:
    return spec_lib.build(self.spec)

  @property
  def task(self) -> Any:
    return self.experiment.tasks[self.name]

  @functools.cached_property
  def info(self) -> Any:
    """What is known of the task's classes."""
    return spec_lib.infos(self.spec)[self.name]

  def in_dtype(self, dtype: str) -> Subject:
    """Returns the model as it computes in another dtype."""
    return dataclasses.replace(self, spec={**self.spec, 'dtype': dtype})

  def programs(self) -> list[Program]:
    """Returns what is exported: the model, and what compares two answers."""
    model = Program(MODEL, functools.partial(_answer, self), self._inputs())
    if self.kind not in COMPARED:
      return [model]
    compare = functools.partial(_compare, self)
    return [model, Program(COMPARE, compare, self._compared(model))]

  def _inputs(self) -> dict[str, Input]:
    clip = self.task.eval_clip
    shape, _ = clips.signature(self.info, clip)['video']
    found = {
      'video': Input(
        shape,
        'uint8',
        'frames, RGB; the picture is at the top left, zeros are beside it',
      ),
      'size': Input((2,), 'int32', "the picture's height and width"),
    }
    if 'boxes' in self.task.head_inputs(clip):
      found['boxes'] = Input(
        (clip.kind.max_boxes, 4),
        'float32',
        'x1, y1, x2, y2 of people as fractions of the picture, zeros if fewer',
      )
    if getattr(self.task, 'difficulty', False):
      words = 'of the performance, which its score is multiplied by'
      found['difficulty'] = Input((), 'float32', words)
    return found

  def _compared(self, model: Program) -> dict[str, Input]:
    answers = jax.eval_shape(
      model.function, _shapes(self.params), zeros(model, 1)
    )
    found = {}
    for who, names in zip(('query', 'exemplar'), COMPARED[self.kind]):
      if getattr(self.task, 'divide_by_difficulty', False):
        names = (*names, 'difficulty')
      for name in names:
        shape = answers[name].shape[1:] if name in answers else ()
        words = f'{name} of the {who}'
        found[f'{who}_{name}'] = Input(shape, 'float32', words)
    return found


def zeros(program: Program, rows: int) -> dict[str, np.ndarray]:
  """Returns inputs without content, [rows, ...] each."""
  return {
    name: np.zeros((rows, *each.shape), each.dtype)
    for name, each in program.inputs.items()
  }


def _shapes(params: Arrays) -> dict[str, jax.ShapeDtypeStruct]:
  return {k: jax.ShapeDtypeStruct(v.shape, v.dtype) for k, v in params.items()}


# A kernel of this machine's device is none of others.
@attending.plain()
def _answer(
  subject: Subject, params: Arrays, given: Arrays
) -> dict[str, jax.Array]:
  """Returns what the task says of clips, float32 [b, ...] each."""
  task, rows = subject.task, given['video'].shape[0]
  # What an evaluation knows besides; nothing that is returned depends on it.
  unknown = {
    key: jnp.zeros((rows, *shape), kind)
    for key, (shape, kind) in task.eval_clip.kind.signature(
      subject.info, ()
    ).items()
  }
  batch = {**unknown, **given}
  if 'boxes' in given:
    batch['box_valid'] = jnp.ones(given['boxes'].shape[:-1], bool)
  inputs = augment.preprocess(batch, task.augment, train=False)
  read = subject.experiment.model.apply(
    variables.unflatten(dict(params)), inputs, subject.name
  )
  found = dict(read) if isinstance(read, Mapping) else {'logits': read}
  if not subject.kind.startswith('pretext.'):
    said = task.outputs(read, inputs)
    found = {k: v for k, v in said.items() if k not in unknown}
    if not isinstance(read, Mapping) and subject.kind not in COMPARED:
      found.setdefault('logits', read)
    found = in_shares(subject, found)
  return {name: jnp.float32(value) for name, value in found.items()}


def in_shares(
  subject: Subject, found: dict[str, jax.Array]
) -> dict[str, jax.Array]:
  """Returns what a task says, its scores in [0, 1] as films are answered.

  An evaluation that averages the logits of views leaves scores as logits.
  """
  if subject.kind != 'classification' or subject.task.average != 'logits':
    return found
  return {**found, 'scores': jax.nn.softmax(jnp.float32(found['scores']))}


def _compare(
  subject: Subject, params: Arrays, given: Arrays
) -> dict[str, jax.Array]:
  """Returns scores of queries beside exemplars, float32 [b]."""
  pairs: dict[str, dict[str, jax.Array]] = {'query': {}, 'exemplar': {}}
  for name, value in given.items():
    who, _, what = name.partition('_')
    pairs[who][what] = value
  model = subject.experiment.model
  return model.apply(
    variables.unflatten(dict(params)),
    pairs,
    subject.name,
    subject.task.compare,
    method='head',
  )
