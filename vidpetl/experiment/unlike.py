"""How a model differs from the one that its weights were trained in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vidpetl import backbones
from vidpetl.experiment import experiment as experiment_lib
from vidpetl.experiment import provenance

# Fields of backbones that leave the arrays as they are and change what they do.
_SETTINGS = (
  'activation',
  'epsilon',
  'padding',
  'stem_pool',
  'order',
  'periods',
)


def notes(
  experiment: experiment_lib.Experiment,
  said: Mapping[str, Any],
  with_head: bool,
) -> list[str]:
  """Returns a sentence for each setting and each task's pixels that differ.

  Args:
    experiment: that starts.
    said: what is known of the weights.
    with_head: whether a head comes along, so that what is read counts.
  """
  return [
    *_settings(experiment, said, with_head),
    *_normalisation(experiment, said),
  ]


def _settings(experiment, said, with_head: bool) -> list[str]:
  """Returns a note for each setting with which the weights mean less."""
  if 'backbone' not in said:
    return []
  theirs = backbones.build(said['backbone'])
  ours = provenance.plain_backbone(experiment)
  return [
    f'note: {field} of the backbone is {now!r}, and the weights were trained '
    f'with {then!r}'
    for field in (*_SETTINGS, *(('summary',) if with_head else ()))
    if (now := getattr(ours, field, None)) is not None
    and (then := getattr(theirs, field, None)) is not None
    and now != then
  ]


def _normalisation(experiment, said) -> list[str]:
  """Returns a note for each task whose pixels are not those of the weights."""
  if said.get('mean') is None:
    return []
  notes = []
  for name, task in experiment.tasks.items():
    for field in ('mean', 'std'):
      ours = getattr(task.augment, field)
      if not np.allclose(ours, said[field], atol=1e-3):
        notes.append(
          f'note: config.tasks.{name}.augment.{field} is {tuple(ours)}, and '
          f'the weights were trained with {said[field]}'
        )
  return notes
