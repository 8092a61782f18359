"""Is quality to be read from movement, and from nothing else?

  python -m vidpetl.world.legibility --raw=demo/raw

Ridge regressions predict the scores of held-out performances: one sees a few
statistics of how pixels change, the others the mean frame, the middle frame, or
the number of frames. Prints the rank correlation of each with the scores.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from absl import app, flags
from etils import epath

from vidpetl.data import dataset as dataset_lib
from vidpetl.data import datasets, examples, frames, sources
from vidpetl.metrics import rank
from vidpetl.world import video

# Of the grey frames that all regressions see, and of the ones they see whole.
SIDE, _COARSE = 48, 16
# Grey levels by which a pixel changes if something moves there, and swings per
# second that part a spectrum.
_CHANGED = 12
_BANDS = (0.2, 1.0, 2.0, 3.5, np.inf)
# Penalties, relative to the number of features; leaving one out chooses.
_PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0)


def _parts(dataset: dataset_lib.Dataset) -> dict[str, list[dict[str, Any]]]:
  """Returns the options of a dataset's parts: by task, of all its folds."""
  settings = [
    dict(zip(dataset.variants, values))
    for values in itertools.product(*dataset.variants.values())
  ]
  parts: dict[str, list[dict[str, Any]]] = {}
  for options in settings:
    parts.setdefault(options.get('task', ''), []).append(options)
  return parts


# Dataset -> options of its parts; the folds of a task are averaged.
PARTS: Mapping[str, Mapping[str, list[dict[str, Any]]]] = {
  name: _parts(datasets.find(name))
  for name in datasets.names()
  if datasets.find(name).kind == 'quality'
}


def movement(clip: np.ndarray) -> np.ndarray:
  """Statistics of a video [t, SIDE, SIDE] that leave out what is seen where.

  The mean change from frame to frame, how much that varies, how many pixels
  change, how change adds up over two frames, and the spectrum over time.
  """
  steps = np.abs(np.diff(clip, axis=0))
  change = steps.mean((1, 2))
  twice = np.abs(clip[2:] - clip[:-2]).mean()
  spectrum = np.abs(np.fft.rfft(clip - clip.mean(0), axis=0)) ** 2
  rates = np.fft.rfftfreq(len(clip), 1 / video.FPS)
  power = [
    spectrum[(rates >= low) & (rates < high)].sum()
    for low, high in itertools.pairwise(_BANDS)
  ]
  shares = np.array(power) / sum(power)
  return np.array(
    [
      np.log(change.mean()),
      change.std() / change.mean(),
      (steps > _CHANGED).mean(),
      np.log(twice / change.mean()),
      *np.log(shares + 1e-4),
    ]
  )


def _coarse(frame: np.ndarray) -> np.ndarray:
  blocks = frame.reshape(_COARSE, SIDE // _COARSE, _COARSE, SIDE // _COARSE)
  return blocks.mean((1, 3)).ravel()


FEATURES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
  'movement': movement,
  'mean frame': lambda clip: _coarse(clip.mean(0)),
  'middle frame': lambda clip: _coarse(clip[len(clip) // 2]),
  'length': lambda clip: np.array([float(len(clip))]),
}


def ridge(
  features: np.ndarray, scores: np.ndarray, held_out: np.ndarray
) -> np.ndarray:
  """Predicts scores by ridge regression on standardised features.

  Args:
    features: [n, d] of training.
    scores: [n].
    held_out: [m, d].

  Returns:
    [m] predicted scores.
  """
  mean, spread = features.mean(0), features.std(0) + 1e-6
  x, z = (features - mean) / spread, (held_out - mean) / spread
  residual = scores - scores.mean()
  kernel = x @ x.T

  def dual(penalty: float) -> np.ndarray:
    """Inverse of the kernel with its penalty."""
    return np.linalg.inv(kernel + penalty * x.shape[1] * np.eye(len(x)))

  def error(penalty: float) -> float:
    """Mean squared error on what is left out (Allen's PRESS, 1974)."""
    inverse = dual(penalty)
    return np.mean((inverse @ residual / np.diag(inverse)) ** 2)

  best = min(_PENALTIES, key=error)
  return scores.mean() + z @ x.T @ dual(best) @ residual


def correlations(
  train: list[np.ndarray],
  scores: np.ndarray,
  held_out: list[np.ndarray],
  truth: np.ndarray,
) -> dict[str, float]:
  """Rank correlation of predicted with true scores, by `FEATURES`.

  Args:
    train: videos [t, SIDE, SIDE].
    scores: of these.
    held_out: other videos.
    truth: scores of those.
  """
  found = {}
  for name, feature in FEATURES.items():
    x, z = (np.stack([feature(c) for c in s]) for s in (train, held_out))
    found[name] = rank.spearman(ridge(x, scores, z), truth)
  return found


def _clips(source: examples.Source) -> list[np.ndarray]:
  """Reads all performances in grey."""
  found = []
  for i in range(len(source)):
    example = source[i]
    with frames.open_video(
      source.video(i), example.id, source.info.fps
    ) as opened:
      end = opened.duration if example.end is None else example.end
      count = round((end - example.start) * opened.fps)
      times = example.start + (np.arange(count) + 0.5) / opened.fps
      found.append(opened.read(times, (SIDE, SIDE)).mean(-1))
  return found


def measure(
  dataset: str, raw: str, options: dict[str, Any]
) -> dict[str, float]:
  """Returns the correlations on a dataset's held-out split.

  Args:
    dataset: one of `PARTS`.
    raw: its folder.
    options: of the source, e.g. the task.
  """
  spec = {'source': 'raw', 'dataset': dataset, 'raw': raw, **options}
  train, val = (
    sources.open_source({**spec, 'split': split}) for split in ('train', 'val')
  )
  return correlations(
    _clips(train),
    train.info.table['scores'],
    _clips(val),
    val.info.table['scores'],
  )


def define_flags() -> None:
  """Defines the command line."""
  flags.DEFINE_string('raw', None, 'Folder that the world was written to.')
  flags.mark_flag_as_required('raw')


def main(argv: list[str]) -> None:
  """Prints a table."""
  if len(argv) > 1:
    raise app.UsageError(f'What is meant by {argv[1:]}?')
  print(f'{"Spearman":<24}' + ''.join(f'{name:>14}' for name in FEATURES))
  for dataset, parts in PARTS.items():
    raw = os.fspath(epath.Path(flags.FLAGS.raw) / dataset)
    for part, settings in parts.items():
      found = [measure(dataset, raw, options) for options in settings]
      means = [np.mean([f[name] for f in found]) for name in FEATURES]
      row = ''.join(f'{mean:14.2f}' for mean in means)
      print(f'{f"{dataset} {part}":<24}{row}', flush=True)


if __name__ == '__main__':
  define_flags()
  app.run(main)
