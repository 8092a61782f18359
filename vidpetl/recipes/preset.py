"""What is known of a published backbone, in one record.

A module of `vidpetl.recipes.presets` has `PRESETS`, name -> `Preset`. Recipes,
configs, the demo and the tests read a backbone's fields, pixel statistics and
small sizes there and nowhere else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from vidpetl.weights import family as family_lib

Channels = tuple[float, float, float]


# Twins of ViTs, for the demo and for tests.
VIT_SMALL = {
  'variant': None,
  'width': 64,
  'depth': 3,
  'heads': 2,
  'mlp': 256,
  'patch': 8,
}
VIT_TINY = {
  'variant': None,
  'width': 8,
  'depth': 1,
  'heads': 2,
  'mlp': 16,
  'patch': 16,
}


@dataclasses.dataclass(frozen=True)
class Published:
  """What a backbone's authors say of it, to hold what is built against.

  Attributes:
    source: the table or page that says so.
    parameters: of the backbone, in millions, as printed.
    gflops: of one clip, in 10^9 multiply-adds, as printed.
    frozen: dataset -> top-1 in %, of a probe on the frozen backbone.
  """

  source: str
  parameters: float | None = None
  gflops: float | None = None
  frozen: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Preset:
  """A published backbone.

  Attributes:
    title: for people, 'VideoMAE, ViT-B'.
    fields: `config.backbone`.
    clip: frames, stride and resolution that it was trained on, and how frames
      were resized (with `interpolation` where that is not bilinear), as fields
      of a task's `clip`.
    family: of its published weights, a module of `vidpetl.weights.families`.
    files: names of published files, as their authors call them.
    licence: of those weights, as far as it is known.
    pixels: (mean, std) per channel, for pixels in [0, 1], where they are not
      the family's own.
    sites: technique -> where it sits in this backbone, for techniques whose
      methods have another place by default.
    small: fields for the demo: a twin that learns on a laptop in minutes.
    small_clip: the demo's frames and resolution.
    tiny: fields for tests: a twin that compiles in seconds.
    tiny_frames: fewest frames that the twin takes.
    published: what its authors say of it.
  """

  title: str
  fields: Mapping[str, Any]
  clip: Mapping[str, Any]
  family: str
  files: tuple[str, ...]
  licence: str
  small: Mapping[str, Any]
  tiny: Mapping[str, Any]
  small_clip: Mapping[str, Any] = dataclasses.field(
    default_factory=lambda: {'frames': 16, 'resolution': 64}
  )
  tiny_frames: int = 4
  pixels: tuple[Channels, Channels] | None = None
  sites: Mapping[str, str] = dataclasses.field(default_factory=dict)
  published: Published | None = None

  @property
  def mean(self) -> Channels:
    return _channels(self._pixels()[0])

  @property
  def std(self) -> Channels:
    return _channels(self._pixels()[1])

  @property
  def interpolation(self) -> str:
    """How the frames that it was trained on were resized."""
    return self.clip.get('interpolation', 'bilinear')

  @property
  def source(self) -> str:
    """Where the weights are published."""
    return family_lib.load(self.family).source

  def _pixels(self) -> tuple[Any, Any]:
    return self.pixels or family_lib.load(self.family).normalisation


def _channels(value: Any) -> Channels:
  """Returns a value per channel."""
  return (value,) * 3 if isinstance(value, float) else tuple(value)
