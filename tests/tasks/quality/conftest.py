"""Tasks of action quality on a toy backbone."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.backbones import features
from vidpetl.data import examples
from vidpetl.experiment import model as model_lib
from vidpetl.tasks import task as task_lib


class Toy(nn.Module):
  """Cuts a video into 2 x 3 x 2 cells, each encoded by a linear layer."""

  width: int = 32

  @nn.compact
  def __call__(self, video, train=False):
    b, t, h, w, c = video.shape
    cells = video.reshape(b, 2, t // 2, 3, h // 3, 2, w // 2, c)
    grid = nn.Dense(self.width)(cells.mean((2, 4, 6)))
    return features.Features(grid, grid.mean((1, 2, 3)))


def info(scores, **columns):
  """Returns what is known of performances with these labels."""
  n = len(scores)
  table = {
    'scores': np.array(scores, float),
    'judge_scores': np.zeros((n, 0)),
    'difficulties': np.full(n, np.nan),
    'actions': np.array([''] * n, object),
    'steps': np.zeros((n, 0)),
  }
  table |= {k: np.asarray(v) for k, v in columns.items()}
  return examples.Info('dives', 'train', 'quality', 0, {}, table=table)


@pytest.fixture(scope='session')
def labels():
  return info


@pytest.fixture(scope='session')
def make_task():
  """Returns `task_lib.build` for a task on clips of 12 x 12 pixels."""

  def make(
    kind,
    frames=12,
    exemplar='',
    labels=None,
    plan=task_lib.NO_PLAN,
    **options,
  ):
    if labels is None:
      labels = examples.Info('dives', 'train', 'quality', 0, {})
    clip = {'frames': frames, 'resolution': 12, 'resize': 'crop'}
    config = {
      'task': f'quality.{kind}',
      'clip': clip | ({'exemplar': exemplar} if exemplar else {}),
      'starts': [0, 4, 8],
      'length': 4,
    }
    return task_lib.build('dives', config | options, labels, plan)

  return make


@pytest.fixture(scope='session')
def make_model():
  """Returns a function of a task that gives its model on the toy backbone."""

  def make(task):
    name = task.name
    return model_lib.Model(
      Toy(),
      heads={name: task.head()},
      views={name: task.views},
      read={name: task.read},
    )

  return make


@pytest.fixture(scope='session')
def draw():
  """Returns a function that draws variables as an `init` would shape them.

  Drawing them by numpy is faster than compiling the initialisation.
  """

  def make(init, *args):
    rng = np.random.default_rng(0)

    def one(path, shape):
      x = 0.3 * rng.normal(size=shape.shape).astype(shape.dtype)
      if path[-1].key in ('scale', 'var'):
        return 1 + np.abs(x)
      return x

    shapes = jax.eval_shape(init, jax.random.key(0), *args)
    return jax.tree_util.tree_map_with_path(one, shapes)

  return make


@pytest.fixture(scope='session')
def init(make_model, draw):
  """Returns a function of a task that gives (model, variables)."""

  def make(task):
    clip = task.train_clip
    video = (1, *clip.lead, clip.frames, clip.resolution, clip.resolution, 3)
    inputs = {'video': jnp.zeros(video)}
    for key, (shape, kind) in task.head_inputs(clip).items():
      inputs[key] = jnp.zeros((1, *shape), kind)
    model = make_model(task)
    run = functools.partial(model.init, method='every_head')
    return model, draw(run, {task.name: inputs})

  return make
