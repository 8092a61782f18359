"""MTL-AQA of the demo world: events of several dives, each judged by seven."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from etils import epath

from vidpetl.world import diving, performances, scene, video
from vidpetl.world import film as film_lib
from vidpetl.world.performances import Performed

DATASET = 'mtl_aqa'

_DIVES_OF_AN_EVENT = {'demo': 6, 'tiny': 3}
# Seconds between two dives.
_PAUSE = 0.6
_POSITIONS = {'A': 0, 'B': 1, 'C': 2}


def films(seed: int, size: str) -> list[Performed]:
  """Plans all events; dives of both splits are at the same events."""
  dealt = diving.deal(seed, DATASET, size)
  several = _DIVES_OF_AN_EVENT[size]
  planned = []
  for number, first in enumerate(range(0, len(dealt), several)):
    dives, splits, qualities = zip(*dealt[first : first + several])
    key = film_lib.key(seed, DATASET, 'all', number)
    schedules = _schedules(key, len(dives), size)
    starts = diving.starts(schedules, _PAUSE, video.FPS)
    frames = starts[-1] + len(schedules[-1].steps(video.FPS))
    planned.append(
      Performed(
        dataset=DATASET,
        split='all',
        number=number,
        seed=seed,
        id=f'{number + 1:02d}',
        path=f'whole_videos/{number + 1:02d}.mp4',
        casts=(),
        seconds=frames / video.FPS,
        size=film_lib.FRAMES[size],
        label=size,
        qualities=qualities,
        actions=dives,
        splits=splits,
      )
    )
  return planned


def _schedules(key: tuple, dives: int, size: str) -> list[diving.Schedule]:
  rng = scene.generator(*key, 'schedules')
  hurry = diving.HURRY[size]
  return [diving.Schedule.draw(rng, hurry) for _ in range(dives)]


def shoot(film: Performed, folder: epath.Path) -> None:
  """Makes the video of one event."""
  staged = diving.stage(
    film.key,
    list(zip(film.actions, film.qualities)),
    _schedules(film.key, len(film.actions), film.label),
    _PAUSE,
    film.size,
    video.FPS,
  )
  video.write(folder / film.path, staged.frames())


def annotate(
  folder: epath.Path, films: Sequence[Performed], records: Sequence[None]
) -> None:
  """Writes info/{final_annotations_dict_with_dive_number,*_split_0}.pkl."""
  del records
  rows, splits = {}, {'train': [], 'test': []}
  for film in films:
    schedules = _schedules(film.key, len(film.actions), film.label)
    starts = diving.starts(schedules, _PAUSE, video.FPS)
    for i, (schedule, start) in enumerate(zip(schedules, starts)):
      key = (int(film.id), i + 1)
      end = start + len(schedule.steps(video.FPS))
      rows[key] = _row(film, i, start, end)
      splits[film.splits[i]].append(key)
  out = folder / 'info'
  out.mkdir(parents=True, exist_ok=True)
  performances.write_pickle(
    out / 'final_annotations_dict_with_dive_number.pkl', rows
  )
  for split, keys in splits.items():
    performances.write_pickle(out / f'{split}_split_0.pkl', keys)


def _row(film: Performed, i: int, start: int, end: int) -> dict:
  """The annotation of one dive; it ends before the frame `end`."""
  number = film.actions[i]
  difficulty = diving.DIVES[number]
  given, total = diving.scores((*film.key, i), film.qualities[i], difficulty)
  return {
    'primary_view': 0,
    'start_frame': start,
    'end_frame': end,
    'position': _POSITIONS[number[3]],
    'armstand': 0,
    'rotation_type': int(number[0]) - 1,
    'ss_no': diving.halves(number),
    'tw_no': 0,
    'difficulty': difficulty,
    'final_score': total,
    'judge_scores': np.array(given),
    'dive_number': number,
  }
