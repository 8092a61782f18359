"""How `sampling=` and what belongs to it change the clips of a recipe.

  sampling    dense (even steps), segments (a frame of each of as many equal
              segments as a clip has frames, TSN's), spread (from the first
              frame to the last), or tail (the last frames).
  stride      between the frames of a dense clip, in the dataset's frame rate.
  short       what becomes of a video that is shorter than a dense clip: hold
              (its last frame is repeated), loop, or stretch (smaller steps).

What is not said is the paper's. Where a paper and its code are silent, short
videos are held: a loop shows a change that no video has, which is a mistake
where the label is about the order of what happens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vidpetl import options
from vidpetl.data import samplers

# To be among a config's arguments, with these defaults.
ARGUMENTS = {'sampling': '', 'stride': 0.0, 'short': ''}
# What users say -> sampler.
SAMPLERS = {
  'dense': 'stride',
  'segments': 'segments',
  'spread': 'spread',
  'tail': 'tail',
}
# Fields of a clip that are of one sampler alone.
_OWN = {'stride': ('short', 'places'), 'segments': ('rounded',)}


def apply(clip: Mapping[str, Any], arg: Mapping[str, Any]) -> dict[str, Any]:
  """Returns the fields of a clip, sampled as arguments say.

  Args:
    clip: as the recipe has it, with `sampling` where that is not 'stride'.
    arg: parsed, with `ARGUMENTS` among others.

  Raises:
    ValueError: for another `sampling`, or for `stride` and `short` of clips
      that are not dense.
  """
  sampling = clip.get('sampling', 'stride')
  if arg['sampling']:
    options.one_of('config', 'sampling', arg['sampling'], SAMPLERS)
    sampling = SAMPLERS[arg['sampling']]
  foreign = {f for s, fields in _OWN.items() if s != sampling for f in fields}
  found = {k: v for k, v in clip.items() if k not in foreign}
  found['sampling'] = sampling
  said = {k: arg[k] for k in ('stride', 'short') if arg[k]}
  if sampling == 'stride':
    return {**found, **said}
  if said:
    raise ValueError(
      f'{" and ".join(f"{k}={v}" for k, v in said.items())}: of '
      f'sampling=dense, not of {sampling}.'
    )
  return found


def views(clip: Mapping[str, Any], wanted: tuple[int, int]) -> tuple[int, int]:
  """Returns (clips, crops) of a test: one clip where a sampler has no more."""
  several = samplers.load(clip['sampling']).several
  return wanted if several else (1, wanted[1])


def refuse(arg: Mapping[str, Any], why: str) -> None:
  """Raises ValueError for any of `ARGUMENTS` where clips have no choice."""
  said = [f'{name}={arg[name]}' for name in ARGUMENTS if arg[name]]
  if said:
    raise ValueError(f'{", ".join(said)}: {why}')
