"""How clips are cut from videos: settings, and what does not go together.

A config's `clip` is flat: `{'frames': 32, 'sampling': 'vspp', 'parts': 4}`.
`ClipSpec.of` gives each option to whom it belongs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

from vidpetl import options as options_lib
from vidpetl import parts, ranges
from vidpetl.data import examples, framing, kinds, samplers


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipSpec:
  """How clips are cut from videos.

  Attributes:
    sampler: which frames of what is annotated, with its own options.
    kind: what clips show of the annotation, with its own options.
    framing: which pixels of a frame, with its own options.
    frames: of a clip.
    stride: between its frames, counted in frames of `fps`; for samplers with
      even steps.
    fps: frame rate in which strides and frames count; None takes the source's
      nominal rate, and each file's own where the source names none.
    views: (clips, crops) at evaluation: clips spread evenly over the video,
      each with 1 (centred) or 3 crops along the longer side.
    train: random in time, and in place where frames are cropped.
  """

  sampler: samplers.Sampler
  kind: kinds.Kind
  framing: framing.Framing
  frames: ranges.Count = 32
  stride: ranges.Positive = 2
  fps: ranges.Positive | None = None
  views: tuple[ranges.Count, Annotated[int, ranges.OneOf((1, 3))]] = (1, 1)
  train: bool = False

  def __post_init__(self):
    # A config's list, so that equal specs stay equal and hashable.
    object.__setattr__(self, 'views', tuple(self.views))
    options_lib.hold_fields(self, '', 'sampler', 'kind', 'framing')
    self._check_views()
    self.kind.check(self)

  @classmethod
  def of(
    cls, options: Mapping[str, Any], kind: str, owner: str = 'clip'
  ) -> ClipSpec:
    """Returns the settings of a config.

    Args:
      options: flat: `sampling`, the name of a sampler, fields of this class,
        of the sampler, of the kind and of the framing.
      kind: of annotation that clips show.
      owner: what errors call the options.

    Raises:
      ValueError: for an unknown option, with those there are, and for those
        that do not go together.
    """
    sampling = options.get('sampling')
    known = defaults(sampling, kind)
    if unknown := sorted(set(options) - {*known, 'train'}):
      raise ValueError(
        f'{owner} has no field {", ".join(unknown)}; with '
        f'sampling={known["sampling"]!r} and annotations for {kind} its fields '
        f'are {", ".join(known)}'
      )
    sampler, shown = _parts(sampling, kind)
    of = lambda part: {k: v for k, v in options.items() if k in _fields(part)}
    try:
      return cls(
        sampler=sampler(**of(sampler)),
        kind=type(shown)(**of(type(shown))),
        framing=framing.Framing(**of(framing.Framing)),
        **of(cls),
      )
    except ValueError as error:
      raise ValueError(f'{owner}: {error}') from None

  @property
  def sampling(self) -> str:
    """Name of the sampler."""
    return self.sampler.name

  @property
  def resolution(self) -> int:
    """R, side of the square that the model sees."""
    return self.framing.resolution

  @property
  def resize(self) -> str:
    """How frames become squares."""
    return self.framing.resize

  @property
  def num_views(self) -> int:
    return self.views[0] * self.views[1]

  @property
  def paired(self) -> bool:
    """Whether clips hold a second example."""
    return self.kind.paired(self.train)

  @property
  def lead(self) -> tuple[int, ...]:
    """Axes of a video before its frames: two clips of an example, or none."""
    return (*self.sampler.lead, *((2,) if self.paired else ()))

  def check(self, info: examples.Info) -> None:
    """Raises ValueError if such clips cannot be cut from a source."""
    if not self.kind.accepts(info.kind):
      raise ValueError(
        f'clips show annotations for {self.kind.name}, but {info.name} is for '
        f'{info.kind}'
      )

  def _check_views(self) -> None:
    if self.train and self.views != (1, 1):
      raise ValueError(f'views {self.views} are for evaluation, not training')
    if self.views[1] > 1 and self.resize == 'pad':
      raise ValueError(f"{self.views[1]} crops need resize='crop' or 'stretch'")
    if self.views[0] > 1 and not self.sampler.several:
      raise ValueError(
        f'views {self.views} are several clips: sampling={self.sampling!r} '
        'has one'
      )
    if self.num_views > 1 and self.sampler.pretext:
      raise ValueError(
        f'views {self.views} do not go with sampling={self.sampling!r}'
      )


def owners(
  sampling: str | None, kind: str, where: str = 'sampling'
) -> tuple[type, ...]:
  """Returns the classes whose fields are the options of a config's `clip`.

  Args:
    sampling: name of a sampler; None is the one that the kind has by default.
    kind: of annotation.
    where: what errors call the sampling.
  """
  sampler, shown = _parts(sampling, kind, where)
  return ClipSpec, sampler, framing.Framing, type(shown)


def defaults(
  sampling: str | None, kind: str, where: str = 'sampling'
) -> dict[str, Any]:
  """Returns every option of a config's `clip`, with its default.

  Args:
    sampling: see `owners`.
    kind: see `owners`.
    where: see `owners`.
  """
  sampler, shown = _parts(sampling, kind, where)
  shared = _fields(ClipSpec)
  return {
    **{name: shared[name] for name in shared if name != 'train'},
    'sampling': _name(sampler),
    **_fields(sampler),
    **_fields(framing.Framing),
    **_fields(type(shown)),
  }


def fitting(
  options: Mapping[str, Any],
  kind: str,
  sampling: str | None = None,
  where: str = 'sampling',
) -> dict[str, Any]:
  """Returns a config's `clip` without options of other samplers and kinds.

  Options that nobody has stay, so that `ClipSpec.of` names them.

  Args:
    options: flat, see `ClipSpec.of`.
    kind: of annotation that clips show.
    sampling: name of the sampler; that of the options by default.
    where: what errors call the sampling.
  """
  sampling = sampling or options.get('sampling')
  foreign = set().union(
    *(_fields(samplers.load(n)) for n in parts.names(samplers, 'SAMPLER')),
    *(_fields(type(kinds.load(n))) for n in parts.names(kinds, 'KIND')),
  ) - set(defaults(sampling, kind, where))
  kept = {k: v for k, v in options.items() if k not in foreign}
  return kept | ({'sampling': sampling} if sampling else {})


def _parts(
  sampling: str | None, kind: str, where: str = 'sampling'
) -> tuple[type[samplers.Sampler], kinds.Kind]:
  """Returns the sampler, and the kind with its defaults."""
  shown = kinds.load(kind)
  return samplers.load(shown.sampling(sampling), where), shown


def _name(sampler: type[samplers.Sampler]) -> str:
  return sampler.__module__.rpartition('.')[2]


def _fields(cls: type) -> dict[str, Any]:
  """Returns the options of a class, but for nested ones, with defaults."""
  nested = ('sampler', 'kind', 'framing')
  known = options_lib.fields(cls)
  return {name: value for name, value in known.items() if name not in nested}
