"""What a paper, or its authors' code, does: to be laid beside a config."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from vidpetl.recipes import aspects

# Field of a config, '*' for any task -> the aspect that it belongs to.
_ASPECTS = {
  'epochs': 'length',
  'batch_size': 'batch',
  'accumulate': 'batch',
  'optimizer.name': 'optimizer',
  'optimizer.momentum': 'optimizer',
  'optimizer.learning_rate': 'rate',
  'optimizer.schedule': 'schedule',
  'optimizer.warmup_epochs': 'schedule',
  'optimizer.groups.*.weight_decay': 'weight decay',
  'dtype': 'precision',
  'report': 'reports',
  'tasks.*.clip.frames': 'frames',
  'tasks.*.clip.stride': 'frames',
  'tasks.*.clip.sampling': 'frames',
  'tasks.*.clip.area': 'training crops',
  'tasks.*.clip.scale': 'training crops',
  'tasks.*.clip.sizes': 'training crops',
  'tasks.*.clip.stretch': 'training crops',
  'tasks.*.clip.interpolation': 'training crops',
  'tasks.*.augment.flip': 'augmentation',
  'tasks.*.augment.rand_augment': 'augmentation',
  'tasks.*.augment.erasing': 'augmentation',
  'tasks.*.eval_clip.short_side': 'test',
  'tasks.*.eval_clip.views': 'views',
  'tasks.*.average': 'views',
  'tasks.*.norm': 'head',
  'tasks.*.dropout': 'head',
  'tasks.*.label_smoothing': 'head',
}


@dataclasses.dataclass(frozen=True)
class Original:
  """A recipe as published.

  Attributes:
    title: what is trained on what.
    source: of the words: the paper's section, or the code.
    config: the command's config with its argument, 'vpetl:method=bapat'.
    aspects: aspect, as `aspects.of_run` and `of_task` name them -> words.
    numbers: field of the config, with '*' for its first task or group that is
      used -> the original's value.
    chosen: aspect -> why it is another here, and how to have the original's.
  """

  title: str
  source: str
  config: str
  aspects: Mapping[str, str]
  numbers: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  chosen: Mapping[str, str] = dataclasses.field(default_factory=dict)

  def differences(self, config: Mapping[str, Any]) -> dict[str, list[str]]:
    """Returns aspect -> fields of a config whose value is not the original's.

    Args:
      config: a completed one, as nested dicts.
    """
    optimizer = {**config['optimizer'], 'groups': aspects.used_groups(config)}
    config = {**config, 'optimizer': optimizer}
    found: dict[str, list[str]] = {}
    for path, theirs in self.numbers.items():
      ours = _value(config, path.split('.'))
      if not _equal(ours, theirs):
        said = f'{path} is {ours!r}, the original has {theirs!r}'
        found.setdefault(_ASPECTS[path], []).append(said)
    return found


def _value(tree: Any, keys: list[str]) -> Any:
  for key in keys:
    if not isinstance(tree, Mapping):
      return None
    tree = next(iter(tree.values())) if key == '*' else tree.get(key)
  return tree


def _equal(ours: Any, theirs: Any) -> bool:
  if isinstance(theirs, tuple):
    return (
      ours is not None
      and len(ours) == len(theirs)
      and all(map(_equal, ours, theirs))
    )
  if isinstance(theirs, float) and isinstance(ours, int | float):
    return abs(ours - theirs) <= 1e-9 * max(1.0, abs(theirs))
  return ours == theirs
