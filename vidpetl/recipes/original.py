"""What a paper, or its authors' code, does: to be laid beside a config."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from vidpetl import options
from vidpetl.data import framing
from vidpetl.recipes import aspects

# Field of a config -> the aspect that it belongs to.
_ASPECTS = {
  'epochs': 'length',
  'batch_size': 'batch',
  'accumulate': 'batch',
  'mixture.mode': 'batch',
  'optimizer.learning_rate': 'rate',
  'optimizer.groups.backbone.lr_scale': 'rate',
  'optimizer.schedule': 'schedule',
  'optimizer.warmup_epochs': 'schedule',
  'optimizer.final': 'schedule',
  'optimizer.milestones': 'schedule',
  'optimizer.groups.*.weight_decay': 'weight decay',
  'dtype': 'precision',
  'report': 'reports',
  'eval_every_epochs': 'reports',
  'backbone.stochastic_depth': 'drop path',
  'petl.aim.drop_path': 'drop path',
  'backbone.norm_statistics': 'trains',
  'backbone.summary': 'head',
  'tasks.*.clip.exemplar': 'head',
  'tasks.*.starts': 'frames',
  'tasks.*.length': 'frames',
  'tasks.*.eval_clip.views': 'views',
  'tasks.*.average': 'views',
  **{
    f'tasks.*.clip.{name}': 'training crops'
    for name in options.fields(framing.Framing)
  },
}
# Beginning of others.
_BEGINNINGS = {
  'optimizer.': 'optimizer',
  'petl.': 'trains',
  'tasks.*.clip.': 'frames',
  'tasks.*.eval_clip.': 'test',
  'tasks.*.augment.': 'augmentation',
  'tasks.*.': 'head',
}
# Why recipes that had float16 have it not.
FLOAT16 = (
  "bfloat16 has float32's range and needs no scaled loss; "
  '`--config.dtype=float32` has more digits'
)


@dataclasses.dataclass(frozen=True)
class Original:
  """A recipe as published.

  Attributes:
    title: what is trained on what.
    source: of the words: the paper's section, or the code.
    config: the command's config with its argument, 'vpetl:method=bapat'.
    aspects: aspect, as `aspects.of_run` and `of_task` name them -> words.
    numbers: field of the config -> the original's value. '*' stands for its
      first task, or the first group of its optimizer that is used, and
      'petl.<technique>' for the first entry of that technique.
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

    Raises:
      ValueError: if it has no such field.
    """
    optimizer = {**config['optimizer'], 'groups': aspects.used_groups(config)}
    config = {**config, 'optimizer': optimizer}
    found: dict[str, list[str]] = {}
    for path, theirs in self.numbers.items():
      ours = _value(config, path)
      if not _equal(ours, theirs):
        said = f'{path} is {ours!r}, the original has {theirs!r}'
        found.setdefault(aspect_of(path), []).append(said)
    return found


def aspect_of(path: str) -> str:
  """Returns the aspect that a field of `Original.numbers` belongs to."""
  if path in _ASPECTS:
    return _ASPECTS[path]
  return next(a for front, a in _BEGINNINGS.items() if path.startswith(front))


def _value(config: Mapping[str, Any], path: str) -> Any:
  tree: Any = config
  for key in path.split('.'):
    if isinstance(tree, Sequence):
      tree = {entry['technique']: entry for entry in reversed(tree)}
    if key == '*':
      key = next(iter(tree))
    if key not in tree:
      raise ValueError(f'a config without {path}: {key} is none of {[*tree]}')
    tree = tree[key]
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
