"""Grad-CAM over time: what of a clip speaks for a class.

    w = mean over the grid of d y / d A,    map = ReLU(sum_d w_d A_d)

with y the logit of a class, or another number that a clip is given, and
A [t, h, w, d] the activations on the grid (Selvaraju et al. 2017;
MST-Adapter's Figure 6). Of convolutional networks A is what leaves the last
block; of transformers it is what enters it: where a class token is read, the
other tokens that leave the last block decide nothing.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from matplotlib import colormaps, figure

from vidpetl.experiment import model as model_lib
from vidpetl.petl import adapted

COLUMNS = 8
# Only convolutional networks have `block_out`.
_SITES = ('block_out', 'block_in')
_COLOURS = 'turbo'
_COLOUR_KEPT = 0.3  # Of the frames.
_OPACITY = 0.65  # Where the map is 1; it fades with the map.


class Probe(nn.Module):
  """y + delta on the grid; what y was there is sown as 'probe'.

  Attributes:
    delta: volume [b, t, h, w, d].
  """

  delta: jax.Array

  @nn.compact
  def __call__(self, y: jax.Array, given: Any, grid: Any) -> jax.Array:
    lead, volume = grid.to_volume(y)
    self.sow('probe', 'volume', volume)
    return grid.to_tokens(lead, volume + self.delta.astype(volume.dtype))


def choose_place(places: Sequence[adapted.Place]) -> adapted.Place:
  """Returns where to look: at the last block that still has space.

  Args:
    places: `adapted.sites` of a backbone. Blocks that see one vector per
      moment, as those of a temporal encoder behind a mean, do not count.

  Raises:
    ValueError: if there is no such place.
  """
  for name in _SITES:
    found = [
      p for p in places if p.name == name and p.grid and p.grid.h * p.grid.w > 1
    ]
    if found:
      return found[-1]
  raise ValueError(
    f'Grad-CAM reads the activations at a site {" or ".join(_SITES)} on a grid '
    'of more than one location, and this backbone has none.'
  )


def probed(
  backbone: nn.Module, place: adapted.Place, delta: jax.Array
) -> nn.Module:
  """Returns the backbone with `delta` added at `place`, behind all else."""
  if not isinstance(backbone, adapted.Adapted):
    backbone = adapted.Adapted(backbone)
  here = adapted.At(place.name, Probe(delta), f'^{re.escape(place.path)}$')
  # What is sown does not come out of a loop, or of what is computed again.
  own = backbone.backbone
  plain = {k: False for k in ('remat', 'scan') if hasattr(own, k)}
  return backbone.clone(
    backbone=own.clone(**plain), bindings=(*backbone.bindings, here)
  )


def largest(logits: jax.Array, inputs: Mapping[str, jax.Array]) -> jax.Array:
  """Returns the logit of the class that is predicted: [b, c] -> [b]."""
  del inputs
  return logits.max(-1)


def explain(
  model: model_lib.Model,
  variables: Mapping[str, Any],
  inputs: Mapping[str, jax.Array],
  task: str,
  place: adapted.Place,
  value: Callable[[Any, Mapping[str, jax.Array]], jax.Array] = largest,
) -> tuple[Any, jax.Array]:
  """Maps what speaks for the class that is predicted, or what else is said.

  Args:
    model: backbone and heads.
    variables: of the model, e.g. {'params': ...}.
    inputs: `augment.preprocess`ed clips, 'video' [b, t, h, w, 3].
    task: whose head answers.
    place: from `choose_place`.
    value: (what the head says, inputs) -> what is explained of it, [b].

  Returns:
    What the head says, such as logits [b, c], and maps [b, t', h', w'] on the
    grid, or [b, s, t', h', w'] of segments, float32, each clip's highest value
    being 1; all zeros where nothing speaks for it.
  """
  video = inputs['video']
  if video.ndim != 5:
    raise ValueError(f'Grad-CAM takes one view of a clip, not {video.shape}')
  lead = model.views[task](inputs, False).shape[:-4]
  sizes = place.grid.t, place.grid.h, place.grid.w

  def forward(delta):
    watched = model.clone(backbone=probed(model.backbone, place, delta))
    read, sown = watched.apply(variables, inputs, task, mutable=['probe'])
    (volume,) = jax.tree.leaves(sown['probe'])
    return value(read, inputs), (read, volume)

  clips = math.prod(lead)
  zero = jnp.zeros((clips, *sizes, place.value[-1]), jnp.float32)
  said, pull, (read, volume) = jax.vjp(forward, zero, has_aux=True)
  (gradient,) = pull(jnp.ones_like(said))
  weights = gradient.mean((1, 2, 3))
  maps = jnp.einsum('bthwd,bd->bthw', volume.astype(jnp.float32), weights)
  maps = jax.nn.relu(maps).reshape(*lead, *sizes)
  peak = maps.max(range(1, maps.ndim), keepdims=True)
  return read, jnp.where(peak > 0, maps / jnp.where(peak > 0, peak, 1), 0)


def to_frames(heat: np.ndarray, frames: int, side: int) -> np.ndarray:
  """Resizes a map [t', h', w'] to [frames, side, side].

  In space bilinear; in time a frame has the map of the tubelet it is in.
  """
  heat = jax.image.resize(heat, (frames, *heat.shape[1:]), 'nearest')
  heat = jax.image.resize(heat, (frames, side, side), 'linear')
  return np.asarray(heat)


@dataclasses.dataclass(frozen=True)
class Example:
  """A clip, explained.

  Attributes:
    frames: uint8 [t, h, w, 3].
    heat: [t, h, w] in [0, 1].
    truth: name of its class, or its score.
    predicted: name of the class that the map is for, or in other words what.
    score: its probability, or the score that is predicted.
  """

  frames: np.ndarray
  heat: np.ndarray
  truth: str
  predicted: str
  score: float

  @property
  def title(self) -> str:
    return f'true: {self.truth}    predicted: {self.predicted} {self.score:.2f}'


def overlay(frames: np.ndarray, heat: np.ndarray) -> np.ndarray:
  """Paints maps [t, h, w] onto frames [t, h, w, 3]: float, in [0, 1]."""
  frames = frames / 255.0
  # Paler, so that no colour of a video is taken for one of the map.
  grey = frames.mean(-1, keepdims=True)
  frames = _COLOUR_KEPT * frames + (1 - _COLOUR_KEPT) * grey
  opacity = _OPACITY * np.sqrt(heat[..., None])
  return (1 - opacity) * frames + opacity * colormaps[_COLOURS](heat)[..., :3]


def shown(frames: int) -> np.ndarray:
  """Returns which frames are drawn: at most `COLUMNS`, evenly spread."""
  columns = min(frames, COLUMNS)
  return np.linspace(0, frames - 1, columns).round().astype(int)


def draw(examples: Sequence[Example]) -> figure.Figure:
  """Draws a row per clip, its frames from left to right."""
  numbers = shown(len(examples[0].frames))
  width = max(1.3 * len(numbers), 6.5)  # For the longest of titles.
  size = width, 1.6 * len(examples)
  picture = figure.Figure(size, layout='constrained')
  rows = np.atleast_1d(picture.subfigures(len(examples), 1))
  for row, example in zip(rows, examples):
    row.suptitle(example.title, x=0.005, ha='left', fontsize=9)
    images = overlay(example.frames, example.heat)
    panels = np.atleast_1d(row.subplots(1, len(numbers)))
    for axes, number in zip(panels, numbers):
      axes.imshow(images[number])
      axes.set_anchor('W')
      axes.set_xticks([])
      axes.set_yticks([])
      axes.set_xlabel(f'frame {number + 1}', fontsize=7, labelpad=2)
  return picture
