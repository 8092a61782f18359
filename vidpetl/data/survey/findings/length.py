"""Clips that are shorter than what the model is to see of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vidpetl.data.survey import findings
from vidpetl.data.survey import subject as subject_lib


def find(subject: subject_lib.Subject) -> Iterator[findings.Finding]:
  """Compares the clips' lengths with the sample."""
  recipe = subject.recipe
  if recipe is None:
    return
  for name, part in subject.parts.items():
    lengths, needed = _lengths(part, recipe)
    short = [i for i in lengths if lengths[i] < needed[i]]
    if not short:
      continue
    median = np.median([lengths[i] for i in short])
    wanted = np.median([needed[i] for i in short])
    text = (
      f'{len(short):,} of {findings.plural(len(lengths), f"{name} clip")} '
      f'{"is" if len(short) == 1 else "are"} shorter ({median:.2f} s in the '
      f'median) than the {recipe.frames} frames that are sampled, '
      f'{wanted:.2f} s: frames are shown more than once'
    )
    if recipe.views > 1 and name == subject_lib.VAL:
      text += f', and their {recipe.views} views are the same'
    found = [f'{part.ids[i]}: {lengths[i]:.2f} s' for i in short]
    yield findings.of(findings.NOTE, 'short', text, found)


def _lengths(part, recipe) -> tuple[dict[int, float], dict[int, float]]:
  """Returns seconds that clips have, and that a sample takes, by clip."""
  lengths, needed = {}, {}
  for i, record in part.known():
    if not record.readable:
      continue
    lengths[i] = part.end(i) - part.begins[i]
    if part.info.kind == 'localisation':  # The whole file may be shown.
      lengths[i] = record.duration
    fps = recipe.fps or part.info.fps or record.fps
    # The last frame need not be shown for its whole time.
    needed[i] = ((recipe.frames - 1) * recipe.stride + 1) / fps - 1e-3
  return lengths, needed
