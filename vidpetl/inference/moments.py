"""When the frames of windows are, and the tokens that are made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vidpetl.data import clip_spec, examples, index, samplers, sampling
from vidpetl.tasks import task as task_lib


def of_frames(
  film: Any,
  asked: Sequence[Any],
  spec: clip_spec.ClipSpec,
  info: examples.Info,
) -> np.ndarray:
  """Returns seconds of the frames of windows, float64 [n, (views,) t].

  Args:
    film: opened.
    asked: windows as annotations, as `streaming.read` takes them.
    spec: how clips are cut.
    info: of a source with such annotations.
  """
  rows = []
  for k, annotation in enumerate(asked):
    draws = samplers.Draws(index.example_seed(0, info.name, k))
    times = sampling.frame_times(film, annotation, spec, info, draws)
    # [clips, t]; each clip has its crops at the same moments.
    rows.append(np.repeat(times, spec.views[1], axis=0))
  shape = (*spec.lead, *([spec.num_views] if spec.num_views > 1 else []))
  return np.stack(rows).reshape(len(rows), *shape, spec.frames)


def of_tokens(
  task: task_lib.Base, info: examples.Info, times: np.ndarray, count: int
) -> np.ndarray:
  """Returns the middle of the frames of each token, [n, (views,) count].

  Args:
    task: whose clips are encoded.
    info: see `of_frames`.
    times: of the frames of clips, what `of_frames` returned.
    count: tokens along time of what is encoded.
  """
  n = len(times)
  flat = times.reshape(n, -1)
  # Clips of one pixel, that says where it lies: a task may cut them.
  places = np.arange(flat.shape[1], dtype=np.int32).reshape(times.shape[1:])
  video = np.broadcast_to(
    places[None, ..., None, None, None], (n, *places.shape, 1, 1, 1)
  )
  seeds = np.stack([index.example_seed(0, info.name, k) for k in range(n)])
  shown = np.asarray(task.views({'video': video, 'seed': seeds}, False))
  shown = shown[..., 0, 0, 0]
  found = np.take_along_axis(flat, shown.reshape(n, -1), axis=1)
  frames = shown.shape[-1]
  middles = (np.arange(count) + 0.5) * frames / count - 0.5
  rows = [
    np.interp(middles, np.arange(frames), row)
    for row in found.reshape(-1, frames)
  ]
  return np.stack(rows).reshape(*shown.shape[:-1], count)
