"""What recipes share of framing: fields of a task's `clip`, for any resolution.

Papers state decode size and crop size in pixels, mostly for 224. A run at
another resolution, such as the demo's, keeps their proportions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vidpetl import options
from vidpetl.data import framing

# The crops of most recipes for Kinetics: a square of 224 out of a shorter side
# of 256 to 320, in a test of 256.
USUAL = {
  'resolution': 224,
  'resize': 'crop',
  'short_side': 256,
  'scale': (256, 320),
}
_PIXELS = ('short_side', 'scale', 'stretch')


def at(clip: Mapping[str, Any], resolution: int) -> dict[str, Any]:
  """Returns fields of a clip in proportion for another resolution.

  Args:
    clip: with `resolution`, and any fields of `vidpetl.data.framing.Framing`.
    resolution: of the result.
  """
  share = resolution / clip['resolution']

  def resized(pixels: Any) -> Any:
    if isinstance(pixels, int | float):
      return max(resolution, round(pixels * share))
    return tuple(map(resized, pixels))

  sizes = {name: resized(clip[name]) for name in _PIXELS if clip.get(name)}
  return {**clip, **sizes, 'resolution': resolution}


def source_side(config: Mapping[str, Any], dataset: str) -> int:
  """Returns the shorter side of videos that the clips of a run need.

  Args:
    config: of the run.
    dataset: that a task trains on.

  Raises:
    ValueError: if none does, with those that some do.
  """
  tasks = {
    task['train']['dataset']: task['clip']
    for task in config['tasks'].values()
    if task['train'].get('dataset')
  }
  options.one_of('config', 'dataset', dataset, tasks)
  known = options.fields(framing.Framing)
  clip = tasks[dataset]
  return framing.Framing(
    **{name: clip[name] for name in known if name in clip}
  ).source_side
