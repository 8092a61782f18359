"""Where a killed run goes on: at its last checkpoint, or it has lost steps."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from etils import epath

_GOES_ON = re.compile(r'Resuming at step (\d+) of \d+ from (\S+)/checkpoints ')


def saved(folder: epath.Path) -> dict[str, int]:
  """Returns the newest checkpoint of each run in or below a folder."""
  found = {}
  for root, names, _ in os.walk(folder):
    steps = [int(name) for name in names if name.isdigit()]
    if os.path.basename(root) == 'checkpoints' and steps:
      found[os.path.dirname(root)] = max(steps)
  return found


def lost(
  before: Mapping[str, int], said: str, ended: bool, steps: int
) -> list[str]:
  """Returns the runs that did not go on at their newest checkpoint.

  Args:
    before: what `saved` returned before the start.
    said: what the command said since.
    ended: whether it ended; one that was killed may not have come to a run.
    steps: of a whole run, behind which nothing goes on.
  """
  at = {folder: int(step) for step, folder in _GOES_ON.findall(said)}
  found = []
  for folder, step in before.items():
    if folder in at and at[folder] != step:
      found.append(f'{folder} went on at step {at[folder]}, not {step}')
    elif ended and step < steps and folder not in at:
      found.append(f'{folder} did not go on at step {step}')
  return found
