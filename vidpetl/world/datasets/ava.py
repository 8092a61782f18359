"""AVA v2.2 of the demo world: several people who do several things at once.

The files are cuts of films that begin at the film's second 900, with a keyframe
per second from 902 on. How often training shows each action has AVA's shape: a
few actions are everywhere, most are rare. Validation shows the same motions by
other people, but its rare actions are enriched until each has boxes enough for
its average precision to be measured; frequencies there mean nothing.
"""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from etils import epath

from vidpetl.world import behaviours, detector, scene, video
from vidpetl.world import film as film_lib
from vidpetl.world.ava_labels import NAMES
from vidpetl.world.film import Film

DATASET = 'ava'
VIDEO_START = 900
_FIRST_KEYFRAME = 902
# A detected box has the actions of a true one that it overlaps by this IoU.
_MATCH_IOU = 0.9

ACTIONS = {
  'bend': 1,
  'crouch': 3,
  'dance': 4,
  'fall': 5,
  'get_up': 6,
  'jump': 7,
  'lie': 8,
  'martial_art': 9,
  'run': 10,
  'sit': 11,
  'stand': 12,
  'walk': 14,
  'carry': 17,
  'climb': 20,
  'close': 22,
  'lift': 36,
  'open': 38,
  'pull': 45,
  'push': 46,
  'put_down': 47,
  'throw': 58,
  'clap': 67,
  'wave': 69,
  'talk': 79,
  'watch': 80,
}

_COMMON = {
  'stand': 23,
  'sit': 21,
  'walk': 9,
  'stand_carry': 8,
  'walk_carry': 4,
  'sit_carry': 4,
}
_MIDDLING = {
  'bend': 3.5,
  'crouch': 3.5,
  'dance': 3,
  'get_up': 3,
  'lie': 3.5,
  'martial_art': 3,
  'run': 3.5,
  'open': 3,
  'stand_clap': 2.2,
  'sit_clap': 0.8,
}
_RARE = {
  'fall': 1,
  'jump': 1,
  'climb': 1,
  'close': 1,
  'lift': 1,
  'pull': 1,
  'push': 1,
  'put_down': 1,
  'throw': 1,
  'stand_wave': 0.7,
  'sit_wave': 0.3,
}
# How many people in a hundred do what, by split.
SHARES: Mapping[str, Mapping[str, float]] = {
  'train': _COMMON | _MIDDLING | _RARE,
  'val': (
    {name: share / 2 for name, share in _COMMON.items()}
    | _MIDDLING
    | {name: 3.2 * share for name, share in _RARE.items()}
  ),
}

# Videos by split.
COUNTS = {
  'demo': {'train': 320, 'val': 110},
  'tiny': {'train': 3, 'val': 2},
}
SECONDS = {'demo': 4.0, 'tiny': 6.0}
# Between these, in seconds of the file, each person does one thing; in the
# middle between two keyframes, so that most of each keyframe's clip shows it.
CUTS = {'demo': (0.0, 4.0), 'tiny': (0.0, 3.5, 6.0)}
_CAST_SIZES = (1, 1, 2, 2)


@dataclasses.dataclass(frozen=True)
class Annotated:
  """One person at one keyframe."""

  second: int
  person: int
  box: tuple[float, float, float, float]
  actions: tuple[int, ...]


def films(seed: int, size: str) -> list[Film]:
  """Plans all videos: who does what is dealt over a whole split."""
  planned = []
  turns = len(CUTS[size]) - 1
  for split, count in COUNTS[size].items():
    keys = [film_lib.key(seed, DATASET, split, n) for n in range(count)]
    casts = [
      int(scene.generator(*key, 'cast').choice(_CAST_SIZES)) for key in keys
    ]
    rng = scene.generator(seed, DATASET, split, 'deal')
    deck = behaviours.deal(rng, SHARES[split], sum(casts) * turns)
    for number, (key, people) in enumerate(zip(keys, casts)):
      id_ = film_lib.youtube_id(key)
      hands = [deck[i * turns : (i + 1) * turns] for i in range(people)]
      del deck[: people * turns]
      planned.append(
        Film(
          dataset=DATASET,
          split=split,
          number=number,
          seed=seed,
          id=id_,
          path=f'videos/{id_}.mp4',
          casts=tuple(tuple(hand) for hand in hands),
          seconds=SECONDS[size],
          size=film_lib.FRAMES[size],
        )
      )
  return planned


def shoot(film: Film, folder: epath.Path) -> list[Annotated]:
  """Makes one video; returns who does what at its keyframes."""
  cuts = next(c for c in CUTS.values() if c[-1] == film.seconds)
  scripts = film_lib.scripts(film, cuts)
  staged = scene.stage(film.key, scripts, film.seconds, film.size, video.FPS)
  video.write(folder / film.path, staged.frames())
  found = []
  for person, actor in enumerate(staged.people):
    boxes, seen = staged.boxes(person)
    for second in keyframes(film.seconds):
      time = second - VIDEO_START
      frame = time * video.FPS
      if seen[frame] < scene.MIN_SEEN:
        continue
      names = behaviours.shown(actor.action_at(time))
      found.append(
        Annotated(
          second=second,
          person=person,
          box=tuple(boxes[frame].round(3).tolist()),
          actions=tuple(sorted(ACTIONS[name] for name in names)),
        )
      )
  return sorted(found, key=lambda a: (a.second, a.person))


def keyframes(seconds: float) -> range:
  """Annotated seconds of the film; each has a second of video on both sides."""
  return range(_FIRST_KEYFRAME, VIDEO_START + int(seconds))


def annotate(
  folder: epath.Path,
  films: Sequence[Film],
  records: Sequence[Sequence[Annotated]],
) -> None:
  """Writes the annotation files and the person detector's boxes."""
  notes, detections = folder / 'annotations', folder / 'person_boxes'
  notes.mkdir(parents=True, exist_ok=True)
  detections.mkdir(parents=True, exist_ok=True)
  entries = ''.join(
    f'item {{\n  name: "{name}"\n  id: {id_}\n}}\n'
    for id_, name in NAMES.items()
  )
  label_map = notes / 'ava_action_list_v2.2_for_activitynet_2019.pbtxt'
  label_map.write_text(entries, encoding='utf-8')
  for split in ('train', 'val'):
    made = [(f, r) for f, r in zip(films, records) if f.split == split]
    made.sort(key=lambda pair: pair[0].id)
    _rows(notes / f'ava_{split}_v2.2.csv', _truth(made))
    _rows(notes / f'ava_{split}_excluded_timestamps_v2.2.csv', _excluded(made))
    _rows(detections / f'ava_{split}_predicted_boxes.csv', _detections(made))


Made = Sequence[tuple[Film, Sequence[Annotated]]]


def _rows(path: epath.Path, rows: Iterable[Sequence[object]]) -> None:
  with open(path, 'w', newline='', encoding='utf-8') as file:
    csv.writer(file, lineterminator='\n').writerows(rows)


def _box(box: Sequence[float]) -> list[str]:
  return [f'{edge:.3f}' for edge in box]


def _truth(made: Made) -> Iterable[list[object]]:
  """video, second, box, action, person: a row per person and action."""
  for film, people in made:
    for one in people:
      for action in one.actions:
        yield [
          film.id, f'{one.second:04d}', *_box(one.box), action, one.person
        ]  # fmt: skip


def _excluded(made: Made) -> Iterable[list[object]]:
  """video, second: every tenth video excludes one keyframe."""
  for i, (film, _) in enumerate(made):
    if i % 10 == 0:
      rng = scene.generator(*film.key, 'excluded')
      yield [film.id, f'{int(rng.choice(keyframes(film.seconds))):04d}']


def _detections(made: Made) -> Iterable[list[object]]:
  """video, second, box, label, score, as the LFB files have them.

  Labels are those of a matching true box, a row for each, or -1; in validation
  they are empty.
  """
  for film, people in made:
    rng = scene.generator(*film.key, 'detector')
    for second in keyframes(film.seconds):
      present = [one for one in people if one.second == second]
      truth = np.array([one.box for one in present]).reshape(-1, 4)
      for box, score in zip(*detector.detect(rng, truth)):
        labels = ['']
        if film.split == 'train':
          labels = _inherited(box, truth, present)
        for label in labels:
          yield [
            film.id, f'{second:04d}', *_box(box), label, f'{score:.6f}'
          ]  # fmt: skip


def _inherited(
  box: np.ndarray, truth: np.ndarray, present: Sequence[Annotated]
) -> Sequence[int]:
  """Actions of the true box that a detected one lies on, or -1."""
  if not present:
    return [-1]
  overlaps = detector.iou(box[None], truth)[0]
  best = int(np.argmax(overlaps))
  return present[best].actions if overlaps[best] >= _MATCH_IOU else [-1]
