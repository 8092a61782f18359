"""Makes the small models that vidpetl brings along, of runs of the demo.

  python -m launch.demo_model clips RUN    # a run on hmdb51
  python -m launch.demo_model people RUN   # a run on ava

Into vidpetl/models/NAME: model.json, the parameters in half precision, and a
film to try it on: clips of the test set, which no model has trained on. Films
of the demo world must be in demo/raw. What half precision changes of the
film's answers is printed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
from etils import epath

from vidpetl.data import decode, sources
from vidpetl.experiment import trained
from vidpetl.inference import model as model_lib
from vidpetl.inference import models
from vidpetl.world import video

_CLIPS = 4  # Of a film.


def write(name: str, run: str) -> None:
  """Writes the model and its film, and says what they are."""
  folder = models.FOLDER / name
  read = trained.read(run)
  half = {k: v.astype(np.float16) for k, v in read.arrays.items()}
  trained.write(folder, read.spec, half)
  film = folder / models.FILM
  _FILMS[name](folder, film)
  whole, stored = (model_lib.load(path) for path in (run, str(folder)))
  for path in sorted(folder.iterdir()):
    print(f'{path}: {path.stat().length / 1e3:.0f} kB')
  if name == 'clips':
    answers = [model(film).logits for model in (whole, stored)]
    print(f'logits differ by at most {abs(answers[0] - answers[1]).max():.2g}')


def _film_of_clips(folder: epath.Path, film: epath.Path) -> None:
  """Writes test clips of several classes, one behind the other."""
  del folder
  source = sources.open_source(
    {
      'source': 'raw',
      'dataset': 'hmdb51_1',
      'raw': 'demo/raw/hmdb51',
      'split': 'val',
    }
  )
  first = {source[i].label: i for i in reversed(range(len(source)))}
  chosen = [source.video(first[label]) for label in sorted(first)[::2]]
  frames = (frame for path in chosen[:_CLIPS] for frame in _frames(path))
  video.write(film, frames, gop=150)


def _film_of_people(folder: epath.Path, film: epath.Path) -> None:
  """Writes validation films one behind the other, and their detections."""
  source = sources.open_source(
    {
      'source': 'raw',
      'dataset': 'ava',
      'raw': 'demo/raw/ava',
      'split': 'val',
      'video_start': 900,
    }
  )
  films = list(dict.fromkeys(map(source.video, range(len(source)))))[:_CLIPS]
  video.write(film, (f for path in films for f in _frames(path)), gop=150)
  begins, begin = {}, 0.0
  for path in films:
    begins[path] = begin
    begin += decode.probe(path).duration
  rows = ['video,second,x1,y1,x2,y2,score']
  for i in range(len(source)):
    if source.video(i) not in begins:
      continue
    keyframe, begin = source[i], begins[source.video(i)]
    for box, score in zip(keyframe.detections, keyframe.scores):
      cells = ','.join(f'{x:.3f}' for x in (*box, score))
      rows.append(f'film,{keyframe.time + begin:g},{cells}')
  (folder / models.BOXES).write_text('\n'.join(rows) + '\n')


def _frames(path: str) -> Iterator[np.ndarray]:
  with decode.Video(path) as opened:
    times = np.arange(0.5 / video.FPS, opened.duration, 1 / video.FPS)
    yield from opened.read(times, lambda h, w: (h // 2 * 2, w // 2 * 2))


_FILMS = {'clips': _film_of_clips, 'people': _film_of_people}

if __name__ == '__main__':
  write(*sys.argv[1:])
