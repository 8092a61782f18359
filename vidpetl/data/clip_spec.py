"""How clips are cut from videos: settings, and what does not go together."""

from __future__ import annotations

import dataclasses

from vidpetl.data import examples

BOXES = ('detected', 'ground_truth', 'both')
RESIZES = ('pad', 'crop')
EXEMPLARS = ('', 'any', 'difficulty', 'action')

# Clips that are drawn for a question of their own, instead of the source's.
PRETEXTS = ('vspp', 'pace', 'pair')
SAMPLINGS = ('stride', 'spread', 'tail', *PRETEXTS)


@dataclasses.dataclass(frozen=True)
class ClipSpec:
  """How clips are cut from videos.

  Attributes:
    frames: of a clip.
    stride: between its frames, counted in frames of `fps`; for 'stride' and
      'pair'.
    fps: frame rate in which strides and frames count; None takes the source's
      nominal rate, and each file's own where the source names none.
    sampling: which frames of what is annotated (see `sampling`): 'stride',
      evenly from a random place or the middle; 'spread', evenly from its first
      frame to its last; 'tail', the last ones; for pretext tasks 'vspp' (one
      part of the clip is played at another speed), 'pace' (all of it is) and
      'pair' (two clips of 'stride' from two random places).
    shift: of 'tail', in training: by up to so many frames, to either side.
    rates: of 'vspp' and 'pace': speeds are 1 to `rates` times the video's.
    parts: of 'vspp': into how many parts the clip is divided.
    natural: of 'vspp': speed of the other parts, and none of the speeds that
      are drawn.
    natural_drawn: of 'vspp': whether `natural` may be drawn all the same.
    exemplar: 'any', 'difficulty' or 'action': in training a clip of a
      performance holds that of another one too, of the same difficulty or
      action; '' for none.
    resolution: R, side of the square that the model sees.
    resize: 'pad' makes the longer side R; 'crop' makes the shorter side R
      and cuts out R x R.
    views: (clips, crops) at evaluation: clips spread evenly over the video,
      each with 1 (centred) or 3 crops along the longer side.
    max_boxes: boxes of an example, the best-scoring first.
    boxes: 'detected', 'ground_truth', or 'both'.
    min_score: detections scoring less are left out.
    train: random in time and, with 'crop', in place.
  """

  frames: int = 32
  stride: float = 2
  fps: float | None = None
  resolution: int = 224
  resize: str = 'pad'
  views: tuple[int, int] = (1, 1)
  max_boxes: int = 32
  boxes: str = 'detected'
  min_score: float = 0.8
  train: bool = False
  sampling: str = 'stride'
  shift: int = 0
  rates: int = 4
  parts: int = 4
  natural: int = 1
  natural_drawn: bool = False
  exemplar: str = ''

  def __post_init__(self):
    # A config's list, so that equal specs stay equal and hashable.
    object.__setattr__(self, 'views', tuple(self.views))
    positive = ('frames', 'stride', 'resolution', 'max_boxes')
    for field in (*positive, 'rates', 'parts', 'natural'):
      if getattr(self, field) <= 0:
        raise ValueError(f'{field} must be positive, not {self}')
    if self.fps is not None and self.fps <= 0:
      raise ValueError(f'fps must be positive or None, not {self.fps}')
    for field, choices in (
      ('resize', RESIZES),
      ('boxes', BOXES),
      ('sampling', SAMPLINGS),
      ('exemplar', EXEMPLARS),
    ):
      if getattr(self, field) not in choices:
        raise ValueError(
          f'{field} is {getattr(self, field)!r}, none of {choices}'
        )
    self._check_views()
    self._check_sampling()

  def _check_views(self) -> None:
    if len(self.views) != 2 or self.views[0] < 1 or self.views[1] not in (1, 3):
      raise ValueError(
        f'views is {self.views}: (clips, crops) with clips >= 1, crops 1 or 3'
      )
    if self.train and self.views != (1, 1):
      raise ValueError(f'views {self.views} are for evaluation, not training')
    if self.views[1] > 1 and self.resize != 'crop':
      raise ValueError(f"{self.views[1]} crops need resize='crop'")
    if self.views[0] > 1 and self.sampling != 'stride':
      raise ValueError(
        f"views {self.views} are several clips: they need sampling='stride', "
        f'not {self.sampling!r}'
      )

  def _check_sampling(self) -> None:
    if self.is_pretext and self.views != (1, 1):
      raise ValueError(
        f'views {self.views} do not go with sampling={self.sampling!r}'
      )
    if self.shift < 0 or (self.shift and self.sampling != 'tail'):
      raise ValueError(
        f"shift is {self.shift}: frames >= 0, and 0 unless sampling='tail'"
      )
    if self.sampling == 'vspp' and not self.speeds:
      raise ValueError(
        f'rates={self.rates} leaves no speed but natural={self.natural}'
      )
    if self.exemplar and self.is_pretext:
      raise ValueError(
        f'exemplar={self.exemplar!r} does not go with '
        f'sampling={self.sampling!r}'
      )

  @property
  def num_views(self) -> int:
    return self.views[0] * self.views[1]

  @property
  def is_pretext(self) -> bool:
    """Whether clips come with a pretext task's labels, not the source's."""
    return self.sampling in PRETEXTS

  @property
  def has_exemplar(self) -> bool:
    """Whether clips hold a second performance."""
    return bool(self.exemplar) and self.train

  @property
  def lead(self) -> tuple[int, ...]:
    """Axes of a video before its frames: two clips of an example, or none."""
    return (2,) if self.has_exemplar or self.sampling == 'pair' else ()

  @property
  def speeds(self) -> tuple[int, ...]:
    """What the speed of 'vspp' or 'pace' is drawn of."""
    speeds = range(1, self.rates + 1)
    if self.sampling == 'vspp' and not self.natural_drawn:
      return tuple(speed for speed in speeds if speed != self.natural)
    return tuple(speeds)

  def check(self, info: examples.Info) -> None:
    """Raises ValueError if clips of such a source cannot be cut like this."""
    if self.exemplar and info.kind != 'quality':
      raise ValueError(
        f'exemplar={self.exemplar!r} is for performances; {info.name} is for '
        f'{info.kind}'
      )
    if self.exemplar and self.resize != 'crop':
      raise ValueError(
        f"exemplar={self.exemplar!r} needs resize='crop', so that both videos "
        'fill the square'
      )
    if self.is_pretext:
      return
    if info.kind == 'localisation' and (
      self.resize != 'pad' or self.num_views > 1 or self.sampling != 'stride'
    ):
      raise ValueError(
        f'{info.name} has boxes: they need resize="pad", views (1, 1) and '
        f'sampling="stride", not {self.resize!r}, {self.views} and '
        f'{self.sampling!r}'
      )
    if info.kind == 'quality' and self.num_views > 1:
      raise ValueError(
        f'{info.name} has performances: they need views (1, 1), not '
        f'{self.views}'
      )
