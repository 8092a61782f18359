"""FineDiving of the demo world: a folder of frames per dive, three steps."""

from __future__ import annotations

from collections.abc import Sequence

from etils import epath

from vidpetl.world import diving, performances, scene, video
from vidpetl.world import film as film_lib
from vidpetl.world.performances import Performed

DATASET = 'finediving'

_DIVES_OF_AN_EVENT = 6


def films(seed: int, size: str) -> list[Performed]:
  """Plans all dives."""
  planned = []
  for number, (dive, split, quality) in enumerate(
    diving.deal(seed, DATASET, size)
  ):
    event, index = divmod(number, _DIVES_OF_AN_EVENT)
    key = film_lib.key(seed, DATASET, 'all', number)
    frames = len(_schedule(key, size).steps(video.FPS))
    name = f'DemoCup_Platform_r{event + 1}'
    planned.append(
      Performed(
        dataset=DATASET,
        split='all',
        number=number,
        seed=seed,
        id=f'{name},{index + 1}',
        path=f'FineDiving/{name}/{index + 1}',
        casts=(),
        seconds=frames / video.FPS,
        size=film_lib.FRAMES[size],
        label=size,
        qualities=(quality,),
        actions=(dive,),
        splits=(split,),
      )
    )
  return planned


def _schedule(key: tuple, size: str) -> diving.Schedule:
  rng = scene.generator(*key, 'schedule')
  return diving.Schedule.draw(rng, diving.HURRY[size])


def shoot(film: Performed, folder: epath.Path) -> None:
  """Makes the frames of one dive."""
  staged = diving.stage(
    film.key,
    [(film.actions[0], film.qualities[0])],
    [_schedule(film.key, film.label)],
    0.0,
    film.size,
    video.FPS,
  )
  video.write_frames(folder / film.path, staged.frames())


def annotate(
  folder: epath.Path, films: Sequence[Performed], records: Sequence[None]
) -> None:
  """Writes Annotations/{fine-grained_annotation_aqa,*_split}.pkl."""
  del records
  rows, splits = {}, {'train': [], 'test': []}
  for film in films:
    name, index = film.id.split(',')
    key = (name, int(index))
    rows[key] = _row(film)
    splits[film.splits[0]].append(key)
  out = folder / 'Annotations'
  out.mkdir(parents=True, exist_ok=True)
  performances.write_pickle(out / 'fine-grained_annotation_aqa.pkl', rows)
  for split, keys in splits.items():
    performances.write_pickle(out / f'{split}_split.pkl', keys)


def _row(film: Performed) -> list:
  """Dive number, score, difficulty, names of the steps, each frame's step."""
  number = film.actions[0]
  difficulty = diving.DIVES[number]
  _, total = diving.scores(film.key, film.qualities[0], difficulty)
  turns = f'{diving.halves(number) / 2} Soms.{number[3]}'
  steps = _schedule(film.key, film.label).steps(video.FPS).tolist()
  return [number, total, difficulty, ['Take-off', turns, 'Entry'], steps]
