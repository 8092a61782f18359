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
  lengths, wanted, found, of_split = [], [], [], []
  for name, part in subject.parts.items():
    known = list(_lengths(part, recipe))
    short = [(i, has, needs) for i, has, needs in known if has < needs]
    if short:
      of_split.append(f'{len(short):,} of {len(known):,} {name} clips')
    lengths += [has for _, has, _ in short]
    wanted += [needs for _, _, needs in short]
    found += [f'{part.ids[i]} ({name}): {has:.2f} s' for i, has, _ in short]
  if not found:
    return
  text = (
    f'{" and ".join(of_split)} are shorter ({np.median(lengths):.2f} s in the '
    f'median) than the {recipe.frames} frames that are sampled, '
    f'{np.median(wanted):.2f} s: frames are shown more than once'
  )
  if recipe.views > 1:
    text += f', and the {recipe.views} views of a test are the same'
  yield findings.of(findings.NOTE, 'short', text, found)


def _lengths(part, recipe) -> Iterator[tuple[int, float, float]]:
  """Yields (clip, seconds that it has, seconds that a sample takes)."""
  for i, record in part.known():
    if not record.readable:
      continue
    length = part.end(i) - float(part.begins[i])
    if not np.isnan(part.moments[i]):  # The whole file may be shown.
      length = record.duration
    fps = recipe.fps or part.info.fps or record.fps
    # The last frame need not be shown for its whole time.
    needed = ((recipe.frames - 1) * recipe.stride + 1) / fps - 1e-3
    yield i, length, needed
