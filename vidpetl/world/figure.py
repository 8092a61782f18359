"""One person of a scene: looks, what is done when, and the shapes of it all."""

from __future__ import annotations

import colorsys
import dataclasses
from collections.abc import Sequence

import numpy as np

from vidpetl.world import body, handling, motions
from vidpetl.world.canvas import Colour, Shape, darker
from vidpetl.world.motions import Style

# Seconds over which one action passes into the next.
_PASSING = 0.3
_SKINS = ((241, 198, 165), (224, 172, 130), (172, 118, 82), (110, 72, 50))
_HAIRS = ((40, 30, 25), (90, 60, 35), (190, 150, 80), (25, 25, 30))


@dataclasses.dataclass(frozen=True)
class Look:
  """Colours by name, and stoutness as a factor of all radii."""

  palette: dict[str, Colour]
  stout: float

  @classmethod
  def draw(cls, rng: np.random.Generator) -> Look:
    """Draws someone's looks."""
    palette = {
      'skin': _SKINS[rng.integers(len(_SKINS))],
      'hair': _HAIRS[rng.integers(len(_HAIRS))],
      'shirt': vivid(rng, light=(0.12, 0.38)),
      'trousers': vivid(rng, light=(0.08, 0.3)),
      'shoes': darker(vivid(rng), 0.4),
      'object': vivid(rng),
      'wood': darker((170, 125, 80), rng.uniform(0.7, 1.2)),
      'dark': (30, 28, 34),
      'light': (225, 220, 205),
      'mouth': (70, 15, 20),
    }
    sleeves = 'skin' if rng.uniform() < 0.2 else 'shirt'
    return cls({**palette, 'sleeve': palette[sleeves]}, rng.uniform(0.9, 1.2))


def vivid(
  rng: np.random.Generator, light: tuple[float, float] = (0.35, 0.7)
) -> Colour:
  """Draws a saturated colour with a lightness in the given range."""
  hls = rng.uniform(), rng.uniform(*light), rng.uniform(0.55, 0.95)
  red, green, blue = (int(255 * c) for c in colorsys.hls_to_rgb(*hls))
  return red, green, blue


@dataclasses.dataclass(frozen=True)
class Action:
  """What someone does for a while.

  Attributes:
    start: in seconds.
    end: in seconds.
    pose: a key of `motions.WHOLE_BODY`.
    acts: keys of `handling.ACTS`, applied in order.
    style: of the pose.
    act_style: of the acts; one that is held makes them stand still.
    facing: 1 looks right, -1 left; who walks faces where he goes.
  """

  start: float
  end: float
  pose: str
  acts: tuple[str, ...]
  style: Style
  act_style: Style
  facing: int = 1

  @property
  def backwards(self) -> bool:
    """Walks against the way he faces."""
    return 'pull' in self.acts


@dataclasses.dataclass(frozen=True)
class Person:
  """Someone in a scene.

  Attributes:
    actions: without gaps, in order.
    look: of body and clothes.
    x: where he begins, in frame heights from the left.
    ground: where he stands, in frame heights from the top.
    height: when standing, in frame heights.
    limits: x between which he turns round when walking.
  """

  actions: tuple[Action, ...]
  look: Look
  x: float
  ground: float
  height: float
  limits: tuple[float, float]

  def action_at(self, time: float) -> Action:
    """What is done at a time; the last action goes on for ever."""
    for action in self.actions:
      if time < action.end:
        return action
    return self.actions[-1]


def shapes(person: Person, times: np.ndarray) -> list[Shape]:
  """Builds a person with all that he handles.

  Args:
    person: whom.
    times: [t] in seconds, evenly spaced.

  Returns:
    The shapes in world coordinates; those of the body are marked as such.
  """
  place, facing = _travel(person, times)
  pose, props = _perform(person, times)
  # The farther up one stands in the frame, the farther back.
  layer = 10 * person.ground

  def to_world(points: np.ndarray) -> np.ndarray:
    flip = (facing * person.height)[:, None]
    x = place[:, None] + flip * points[..., 0]
    y = person.ground - person.height * points[..., 1]
    return np.stack([x, y], -1)

  found = [
    Shape(
      to_world(points),
      colour,
      layer + 0.1 * depth,
      outline=darker(colour, 0.45) if edge else None,
      body=True,
    )
    for points, colour, depth, edge in flesh(pose, person.look)
  ]
  for prop, during in props:
    colour = person.look.palette[prop.colour]
    visible = during if prop.visible is None else during & prop.visible
    found.append(
      Shape(
        to_world(prop.points),
        colour,
        layer + 0.1 * prop.layer,
        visible,
        darker(colour, 0.5),
      )
    )
  return found


def _travel(person: Person, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Where someone is and which way he faces, [t] each.

  Walking goes to and fro between the limits.
  """
  low, high = person.limits
  step = times[1] - times[0] if len(times) > 1 else 0.0
  place = np.empty(len(times))
  facing = np.empty(len(times))
  x, heading, previous = person.x, 0, None
  for t, time in enumerate(times):
    action = person.action_at(time)
    if action is not previous:
      back = -1 if action.backwards else 1
      heading, previous = action.facing * back, action
    speed = motions.SPEED.get(action.pose, 0.0) * action.style.tempo
    if speed and not low <= x + heading * speed * step * person.height <= high:
      heading = 1 if x < (low + high) / 2 else -1
    x += heading * speed * step * person.height
    place[t] = x
    facing[t] = heading * (-1 if action.backwards else 1)
  return place, facing


def _perform(
  person: Person, times: np.ndarray
) -> tuple[body.Pose, list[tuple[handling.Prop, np.ndarray]]]:
  """Mixes the poses of all actions; props come with when they are there."""
  poses, weights, props = [], [], []
  last = len(person.actions) - 1
  for i, action in enumerate(person.actions):
    clock = -times if action.backwards else times
    pose = motions.WHOLE_BODY[action.pose](clock, action.style)
    begun = times >= action.start if i else np.full(len(times), True)
    ended = times >= action.end if i < last else np.full(len(times), False)
    for act in action.acts:
      # `pull` reverses its own clock.
      for prop in handling.ACTS[act](times, action.act_style, pose):
        props.append((prop, begun & ~ended))
    rising = _passing(times, action.start) if i else np.ones(len(times))
    falling = _passing(times, action.end) if i < last else np.zeros(len(times))
    poses.append(pose)
    weights.append(rising - falling)
  return body.blend(poses, np.stack(weights)), props


def _passing(times: np.ndarray, moment: float) -> np.ndarray:
  return motions.ease((times - moment) / _PASSING + 0.5)


def flesh(
  pose: body.Pose, look: Look
) -> Sequence[tuple[np.ndarray, Colour, float, bool]]:
  """Outlines, colours, depths and edges of a body's parts."""
  j = body.joints(pose)
  k = look.stout
  parts = []

  def limb(start, end, first, last, colour, depth, shade=1.0):
    outline = body.capsule(start, end, first * k, last * k)
    parts.append((outline, darker(look.palette[colour], shade), depth, True))

  # The far side lies behind the torso and in its shade, the near side before.
  for side, leg, shade in ((1, -0.8, 0.72), (0, 0.4, 1.12)):
    arm = leg + (0.3 if side == 0 else -0.1)
    shoulder, elbow, hand = (
      p[:, side] for p in (j.shoulders, j.elbows, j.hands)
    )
    hip, knee, ankle = (p[:, side] for p in (j.hips, j.knees, j.ankles))
    limb(shoulder, elbow, 0.05, 0.044, 'shirt', arm, shade)
    limb(elbow, hand, 0.042, 0.036, 'sleeve', arm, shade)
    limb(hand, hand, 0.046, 0.046, 'skin', arm + 0.05)
    limb(hip, knee, 0.07, 0.055, 'trousers', leg, shade)
    limb(knee, ankle, 0.052, 0.042, 'trousers', leg, shade)
    limb(ankle, j.toes[:, side], 0.04, 0.034, 'shoes', leg)
  limb(j.hip, j.neck, 0.085, 0.1, 'shirt', 0.0)
  mouth = 0.006 + 0.04 * pose.mouth
  for outline, colour, depth in (
    (body.disc(j.head, body.HEAD), 'hair', 0.1),
    (body.disc(j.face, 0.066), 'skin', 0.15),
    (body.disc(j.mouth, mouth), 'mouth', 0.2),
  ):
    parts.append((outline, look.palette[colour], depth, colour == 'hair'))
  return parts
