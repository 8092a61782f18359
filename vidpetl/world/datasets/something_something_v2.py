"""Something-Something v2 of the demo world: hands that do things to objects.

Labels are templates of the original. They come in pairs that differ by the
movement's direction alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from etils import epath

from vidpetl.world import closeup, scene, video
from vidpetl.world import film as film_lib
from vidpetl.world.film import Film

DATASET = 'something_something_v2'
_VIDEOS = '20bn-something-something-v2'

# Template -> action of `closeup`. The index of a class is its place here.
CLASSES = {
  'Closing [something]': 'relid',
  'Lifting [something] up completely without letting it drop down': 'raise',
  'Opening [something]': 'unlid',
  'Pulling [something] from left to right': 'pull_right',
  'Pulling [something] from right to left': 'pull_left',
  'Pushing [something] from left to right': 'push_right',
  'Pushing [something] from right to left': 'push_left',
  'Putting [something] on a surface': 'lower',
}

# Clips by split, and their seconds.
COUNTS = {
  'demo': {'train': 120, 'validation': 40},
  'tiny': {'train': 6, 'validation': 4},
}
SECONDS = 2.5


def films(seed: int, size: str) -> list[Film]:
  """Plans all clips; ids count up over both splits."""
  templates = list(CLASSES)
  planned = []
  for split, count in COUNTS[size].items():
    for number in range(count):
      template = templates[number % len(templates)]
      id_ = str(len(planned) + 1)
      planned.append(
        Film(
          dataset=DATASET,
          split=split,
          number=number,
          seed=seed,
          id=id_,
          path=f'{_VIDEOS}/{id_}.webm',
          casts=((CLASSES[template],),),
          seconds=SECONDS,
          size=film_lib.FRAMES[size],
          label=template,
        )
      )
  return planned


def shoot(film: Film, folder: epath.Path) -> str:
  """Makes the video of one clip; returns the name of its object."""
  action = film.casts[0][0]
  staged = closeup.stage(film.key, action, film.seconds, film.size, video.FPS)
  video.write(folder / film.path, staged.frames())
  return _object(film, action)


def _object(film: Film, action: str) -> str:
  """What annotators would write for [something]."""
  name = closeup.drawn_object(film.key, action)
  rng = scene.generator(*film.key, 'words')
  article = ('a', 'the', 'my')[rng.integers(3)]
  return f'{article} {name}'


def annotate(
  folder: epath.Path, films: Sequence[Film], records: Sequence[str]
) -> None:
  """Writes labels/{train,validation,labels}.json."""
  (folder / 'labels').mkdir(parents=True, exist_ok=True)
  for split in ('train', 'validation'):
    rows = [
      {
        'id': film.id,
        'label': film.label.replace('[something]', words).lower(),
        'template': film.label,
        'placeholders': [words],
      }
      for film, words in zip(films, records)
      if film.split == split
    ]
    _write(folder / 'labels' / f'{split}.json', rows)
  # There, keys have no brackets and indices are strings.
  indices = {
    template.replace('[', '').replace(']', ''): str(i)
    for i, template in enumerate(CLASSES)
  }
  _write(folder / 'labels' / 'labels.json', indices)


def _write(path: epath.Path, value: object) -> None:
  path.write_text(json.dumps(value, indent=1) + '\n', encoding='utf-8')
