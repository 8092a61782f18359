"""A whole scene: people, things, camera and light, filmed."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from vidpetl.world import backdrop, canvas, figure
from vidpetl.world.figure import Action, Look, Person

# Of its figure, someone must show this share to be annotated.
MIN_SEEN = 0.35
# Of people when standing, in frame heights.
_HEIGHTS = (0.58, 0.86)


def generator(*key: object) -> np.random.Generator:
  """A random generator that depends on the key alone.

  Whatever is drawn for one video is thus the same in any process and order.
  """
  digest = hashlib.sha256(repr(key).encode()).digest()
  return np.random.Generator(
    np.random.Philox(key=np.frombuffer(digest[:16], np.uint64))
  )


@dataclasses.dataclass(frozen=True)
class Scene:
  """What a camera films.

  Attributes:
    times: [t] of the frames, in seconds.
    size: (width, height) in pixels.
    people: [n], in no particular order.
    moving: shapes of everything that moves, people included.
    bodies: the shapes of each person's body, [n] lists.
    camera: over the times.
    light: over the times.
    key: of the generator that paints the background and makes the noise.
  """

  times: np.ndarray
  size: tuple[int, int]
  people: tuple[Person, ...]
  moving: tuple[canvas.Shape, ...]
  bodies: tuple[tuple[canvas.Shape, ...], ...]
  camera: canvas.Camera
  light: canvas.Light
  key: tuple

  def frames(self) -> Iterator[np.ndarray]:
    """Films: yields uint8 [h, w, 3]."""
    rng = generator(*self.key, 'paint')
    background = backdrop.paint(rng, self.size)
    return canvas.render(
      background, self.moving, self.camera, self.light, self.size, rng
    )

  def boxes(self, person: int) -> tuple[np.ndarray, np.ndarray]:
    """Boxes [t, 4] around a person and what share of him is seen [t].

    A box is the extent of the limbs, clipped to the frame, as x1, y1, x2, y2
    in fractions of the frame.
    """
    return canvas.extents(self.bodies[person], self.camera)


def things(
  rng: np.random.Generator,
  key: tuple,
  times: np.ndarray,
  size: tuple[int, int],
  moving: Sequence[canvas.Shape],
) -> Scene:
  """Returns a scene of things alone, or of people whom nobody annotates.

  Args:
    rng: draws camera and light, in this order.
    key: of the generator that paints the background and makes the noise.
    times: [t] of the frames, in seconds.
    size: (width, height) of the frames in pixels.
    moving: shapes of everything that moves.
  """
  return Scene(
    times=times,
    size=size,
    people=(),
    moving=tuple(moving),
    bodies=(),
    camera=canvas.moving_camera(rng, times, size[0] / size[1]),
    light=canvas.changing_light(rng, times),
    key=key,
  )


def stage(
  key: tuple,
  scripts: Sequence[Sequence[Action]],
  seconds: float,
  size: tuple[int, int],
  fps: int,
) -> Scene:
  """Puts people who follow scripts into a scene.

  Args:
    key: of the generator of everything that the scripts leave open.
    scripts: one per person: what is done when.
    seconds: duration.
    size: (width, height) of the frames in pixels.
    fps: frames per second.

  Returns:
    The scene.
  """
  rng = generator(*key, 'stage')
  times = np.arange(round(seconds * fps)) / fps
  aspect = size[0] / size[1]
  people = tuple(
    _place(rng, script, i, len(scripts), aspect)
    for i, script in enumerate(scripts)
  )
  moving = backdrop.bystanders(rng, times, aspect)
  bodies = []
  for person in people:
    shapes = figure.shapes(person, times)
    moving += shapes
    bodies.append(tuple(s for s in shapes if s.body))
  return Scene(
    times=times,
    size=size,
    people=people,
    moving=tuple(moving),
    bodies=tuple(bodies),
    camera=canvas.moving_camera(rng, times, aspect),
    light=canvas.changing_light(rng, times),
    key=key,
  )


def _place(
  rng: np.random.Generator,
  script: Sequence[Action],
  index: int,
  count: int,
  aspect: float,
) -> Person:
  """Gives a person a spot, a size and looks."""
  # The taller in the frame, the nearer, the lower the feet.
  height = rng.uniform(*_HEIGHTS)
  near = (height - _HEIGHTS[0]) / (_HEIGHTS[1] - _HEIGHTS[0])
  ground = 0.84 + 0.09 * near + rng.uniform(-0.01, 0.01)
  room = aspect - 0.3
  spot = 0.15 + room * (index + 0.5 + rng.uniform(-0.3, 0.3)) / count
  return Person(
    actions=tuple(script),
    look=Look.draw(rng),
    x=float(np.clip(spot, 0.25, aspect - 0.25)),
    ground=ground,
    height=height,
    limits=(0.22, aspect - 0.22),
  )
