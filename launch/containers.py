"""Video files of every kind, read by vidpetl and by ffmpeg's command line.

  python -m launch.containers --out=containers [--only=h264]

Draws short films whose every frame shows its number, in many containers, codecs
and structures. Each is read all at once and at single random times, and held
against what ffmpeg shows then. Leaves the films and containers.md, a table. It
takes half a minute of a core, and needs `pip install imageio-ffmpeg`;
--only=WORD takes the films that have the word in their name.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Mapping

import numpy as np
import tqdm
from absl import app, flags
from etils import epath

from launch import films
from launch.films import FPS, HEIGHT, WIDTH, Film
from vidpetl import tables
from vidpetl.data import decode

# Largest mean difference of pixels between the readers. That of two numbers
# that differ is 32 or more.
TOLERANCE = 8.0
# Random times at which a film is opened and read once.
SINGLES = 10

# What ffmpeg is to be told to read the film.
_CHOICE = {'still first': '-map 0:v:1'}


@dataclasses.dataclass(frozen=True)
class Agreement:
  """How many of a film's frames are those that ffmpeg shows.

  Attributes:
    frames: of the film.
    at_once: that agree when all are read at once.
    singles: single times that were read.
    alone: of those, how many agree.
    late: seconds by which the film ends later than ffmpeg's last frame.
  """

  frames: int
  at_once: int
  singles: int
  alone: int
  late: float

  @property
  def complete(self) -> bool:
    return self.frames == self.at_once and self.singles == self.alone


def shown_by_ffmpeg(
  film: Film, path: epath.Path
) -> tuple[np.ndarray, np.ndarray]:
  """Returns when frames begin, seconds [n], and uint8 [n, h, w, 3]."""
  # A stream that is not used would have no say in where the file begins.
  heard = re.search('sound|AAC|Opus', film.structure)
  pixels, said = films.ffmpeg(
    f'-i {{path}} -an {_CHOICE.get(film.structure, "")} -vf '
    f'scale={WIDTH}:{HEIGHT}:flags=bilinear,format=rgb24,showinfo '
    f'-fps_mode passthrough -f rawvideo - {"-vn -f null -" if heard else ""}',
    path=path,
  )
  times = np.array([float(t) for t in re.findall(r' pts_time:\s*(\S+)', said)])
  frames = np.frombuffer(pixels, np.uint8).reshape(-1, HEIGHT, WIDTH, 3)
  if len(times) != len(frames) or (np.diff(times) <= 0).any():
    raise RuntimeError(f'{film}: ffmpeg shows {len(frames)} frames at {times}')
  return times, frames


def compare(film: Film, path: epath.Path, seed: int = 0) -> Agreement:
  """Reads a film as ffmpeg and as vidpetl do, in the middle of each frame."""
  begins, frames = shown_by_ffmpeg(film, path)
  if film.container in ('avi', 'asf'):
    # ffmpeg adds the decoder's delay, as the file has no presentation times.
    with decode.Video(str(path)) as video:
      begins += video.time_of(next(video.frames_from(0))) - begins[0]
  end = begins[-1] + 1 / FPS
  times = (begins + np.append(begins[1:], end)) / 2
  size = HEIGHT, WIDTH
  with decode.Video(str(path)) as video:
    read = video.read(times, size)
    late = video.duration - end
  chosen = np.random.default_rng(seed).permutation(len(times))[:SINGLES]
  single = [decode.read_frames(str(path), times[[i]], size)[0] for i in chosen]
  return Agreement(
    frames=len(frames),
    at_once=_count_equal(read, frames),
    singles=len(single),
    alone=_count_equal(np.stack(single), frames[chosen]),
    late=late,
  )


def _count_equal(some: np.ndarray, others: np.ndarray) -> int:
  difference = np.abs(some.astype(int) - others).mean(axis=(1, 2, 3))
  return int((difference <= TOLERANCE).sum())


def table(found: Mapping[Film, Agreement]) -> str:
  """Returns Markdown: a row for every codec in every container."""
  rows = []
  for pair, _ in itertools.groupby(sorted(found, key=_pair), _pair):
    group = {film: found[film] for film in found if _pair(film) == pair}
    count = lambda name, g=group: sum(getattr(a, name) for a in g.values())
    named = [f.structure or 'plain' for f in group]
    at_once = f'{count("at_once")} of {count("frames")}'
    alone = f'{count("alone")} of {count("singles")}'
    rows.append((*pair, '; '.join(named), at_once, alone))
  head = ('container', 'codec', 'structures', 'frames at once', 'single reads')
  agreed = sum(agreement.complete for agreement in found.values())
  frames = sum(a.frames for a in found.values())
  singles = sum(a.singles for a in found.values())
  return (
    f'{len(found)} kinds of files, {frames} frames read at once and {singles} '
    f'singly: {agreed} kinds agree in all.\n\n{tables.markdown(head, rows)}'
  )


def _pair(film: Film) -> tuple[str, str]:
  return film.container, film.codec


def main(argv: list[str]) -> None:
  del argv
  out = epath.Path(flags.FLAGS.out)
  out.mkdir(parents=True, exist_ok=True)
  chosen = [film for film in films.films() if flags.FLAGS.only in str(film)]
  found = {
    film: compare(film, films.draw(film, out)) for film in tqdm.tqdm(chosen)
  }
  text = table(found)
  (out / 'containers.md').write_text(f'{text}\n')
  print(text)


if __name__ == '__main__':
  flags.DEFINE_string('out', 'containers', 'Folder of the films.')
  flags.DEFINE_string('only', '', 'Word of the films that are tried.')
  app.run(main)
