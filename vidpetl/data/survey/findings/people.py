"""People at keyframes: their boxes and actions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vidpetl.data.kinds.localisation import Localisation
from vidpetl.data.survey import findings
from vidpetl.data.survey import subject as subject_lib

# Pixels of the model's input below which a side of a person shows nothing.
_TINY = 8
# What rounding may do.
_ROUNDING = 1e-6


def find(subject: subject_lib.Subject) -> Iterator[findings.Finding]:
  """Looks at the annotated boxes of each split."""
  for name, part in subject.parts.items():
    if isinstance(part.source, Localisation):
      yield from _of_part(name, part, subject.recipe)


def _of_part(name, part, recipe) -> Iterator[findings.Finding]:
  truth = part.source.table.truth
  counts = np.diff(truth.offsets)
  where = np.repeat(np.arange(len(counts)), counts)
  ids = lambda boxes: [
    f'{part.ids[where[k]]}: ' + ', '.join(f'{x:g}' for x in truth.box[k])
    for k in np.flatnonzero(boxes)
  ]
  if len(counts):
    text = (
      f'{name} has {np.median(counts):g} people at a keyframe (median), at '
      f'most {counts.max()}; nobody at {(counts == 0).sum():,} of '
      f'{len(counts):,}'
    )
    yield findings.of(findings.INFO, 'people', text, [])
  outside = ((truth.box < -_ROUNDING) | (truth.box > 1 + _ROUNDING)).any(axis=1)
  if outside.any():
    text = (
      f'{_boxes(name, outside.sum())} partly outside of the picture: boxes are '
      'fractions of width and height'
    )
    yield findings.of(findings.WRONG, 'boxes_outside', text, ids(outside))
  yield from _idle(name, part)
  if recipe is not None:
    yield from _for_recipe(name, part, recipe, truth, ids)


def _idle(name, part) -> Iterator[findings.Finding]:
  """People whom nobody said to do anything: annotated ones, and detected ones
  that no annotated box overlaps."""
  table = part.source.table
  for what, ragged in (
    ('annotated', table.truth),
    ('detected', table.detected),
  ):
    idle = np.flatnonzero(~ragged.actions.any(axis=1))
    if not len(idle):
      continue
    where = np.searchsorted(ragged.offsets, idle, side='right') - 1
    found = [
      f'{part.ids[i]}: ' + ', '.join(f'{x:g}' for x in ragged.box[k])
      for i, k in zip(where, idle)
    ]
    people = findings.plural(
      len(ragged.box), f'{what} person', f'{what} people'
    )
    text = (
      f'{len(idle):,} of {people} in {name} have no action, and are shown as '
      'doing nothing'
    )
    yield findings.of(findings.NOTE, 'no_action', text, found)


def _for_recipe(name, part, recipe, truth, ids) -> Iterator[findings.Finding]:
  """What depends on how clips are cut."""
  sides = truth.box[:, 2:] - truth.box[:, :2]
  tiny = (sides * recipe.resolution < _TINY).any(axis=1)
  if tiny.any():
    text = (
      f'{_boxes(name, tiny.sum())} less than {_TINY} pixels wide or high on '
      f"the model's input of {recipe.resolution}"
    )
    yield findings.of(findings.NOTE, 'boxes_tiny', text, ids(tiny))
  counts = np.diff(truth.offsets)
  full = np.flatnonzero(counts > (recipe.max_boxes or np.inf))
  if len(full) and name == subject_lib.TRAIN:
    text = (
      f'{findings.plural(len(full), "keyframe has", "keyframes have")} more '
      f'people than the {recipe.max_boxes} of a training clip: '
      f'{int((counts[full] - recipe.max_boxes).sum()):,} are left out; see '
      'clip.max_boxes'
    )
    found = [f'{part.ids[i]}: {counts[i]} people' for i in full]
    yield findings.of(findings.NOTE, 'boxes_many', text, found)


def _boxes(name, count) -> str:
  return findings.plural(int(count), f'{name} box is', f'{name} boxes are')
