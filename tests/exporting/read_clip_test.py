"""The reader that an export brings along takes what the run takes."""

import drawn
import numpy as np
import pytest
import trained_models

from vidpetl.exporting import films, preprocessing
from vidpetl.exporting import subject as subject_lib
from vidpetl.exporting.colleague import read_clip

CLIPS = [
  {},
  {'stride': 3, 'short': 'loop'},
  {'stride': 3, 'short': 'hold'},
  {'stride': 3, 'short': 'stretch'},
  {'sampling': 'segments'},
  {'sampling': 'segments', 'rounded': True},
  {'sampling': 'spread', 'resize': 'pad', 'interpolation': 'bicubic'},
  {'resize': 'stretch', 'stretch': (40, 50)},
  {'short_side': 40, 'views': (2, 3)},
  {'places': 'centres', 'views': (3, 1), 'fps': 6.0},
]


@pytest.mark.parametrize('clip', CLIPS, ids=str)
@pytest.mark.parametrize('suffix', ['mp4', 'avi', 'mkv'])
def test_pixels_are_those_of_the_run(clip, suffix, tmp_path):
  film = drawn.clip(tmp_path / f'film.{suffix}', frames=17)
  clip = dict(clip)
  views = {'views': clip.pop('views', (1, 1))}
  spec = trained_models.describe('c3d', clip=clip, eval_clip=views)
  made = subject_lib.Subject(spec, {}, 'own', 'x')
  found = read_clip.read_clip(film, preprocessing.describe(made))
  wanted = films.take(made, '', [film]).arrays
  np.testing.assert_array_equal(found['video'], wanted['video'])
  np.testing.assert_array_equal(found['size'], wanted['size'])
