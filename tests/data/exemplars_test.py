"""Clips of performances, and of two performances at once."""

import dataclasses

import numpy as np
import pytest
from listed import SEED, Performances, performance, scored

from vidpetl.data import clips
from vidpetl.data import quarantine as quarantine_lib


def test_performances(video, codes):
  dive = performance(3, start=1.0, end=3.0, steps=(1.5,), judge_scores=(8.0,))
  source = Performances([(dive, video)])
  clip = clips.load(source, 0, scored(sampling='spread', frames=4), SEED)
  # 30 frames at 15 fps, from number 15.
  assert codes(clip) == [15, 24, 34, 44]
  assert clip['score'] == 30 and clip['difficulty'] == 5
  np.testing.assert_array_equal(clip['judge_scores'], [8, np.nan])
  # 1.5 s is frame 22.5 on the clock that shows frame 15 at (15.5) / 15 s.
  np.testing.assert_allclose(clip['steps'], [7 / 9, np.nan], rtol=1e-5)


def test_a_difficulty_may_be_unknown(video):
  source = Performances([(performance(1, difficulty=float('nan')), video)])
  assert np.isnan(
    clips.load(
      source,
      0,
      scored(),
      SEED,
    )['difficulty']
  )


def test_training_clips_hold_an_exemplar(video, short):
  numbers = range(4)
  paths = [video, video, short, video]
  source = Performances(
    [(performance(k), path) for k, path in zip(numbers, paths)]
  )
  how = scored(
    exemplar='difficulty', resize='crop', resolution=32, sampling='tail',
    train=True,
  )  # fmt: skip
  how.check(source.info)
  clip = clips.load(source, 0, how, SEED)
  assert clip['video'].shape == (2, 8, 32, 32, 3)
  assert clip['score'].shape == (2,) and clip['steps'].shape == (2, 2)
  drawn = [
    clips.load(source, 0, how, np.array([k, 0], np.uint32)) for k in range(30)
  ]
  assert {tuple(c['score']) for c in drawn} == {(0, 10), (0, 20), (0, 30)}
  assert set(source.asked) == {'difficulty'}
  for found in drawn:
    query, exemplar = found['score'] / 10
    assert found['judge_scores'].tolist() == [[7.5, query], [7.5, exemplar]]
    assert found['difficulty'].tolist() == [2 + query, 2 + exemplar]
    # The short video is another one than the others, so that its last frames
    # are.
    other = (found['video'][0] != found['video'][1]).any((1, 2, 3)).all()
    assert other or exemplar != 2
  single = clips.load(source, 0, dataclasses.replace(how, train=False), SEED)
  assert single['video'].ndim == 4 and single['score'].shape == ()


@pytest.mark.parametrize('bad', [0, 1])
def test_an_undecodable_exemplar_spoils_its_clip(tmp_path, video, bad):
  paths = [video, video]
  paths[bad] = str(tmp_path / 'bad.mp4')
  (tmp_path / 'bad.mp4').write_bytes(b'nothing')
  source = Performances([(performance(k), paths[k]) for k in range(2)])
  quarantine = quarantine_lib.Quarantine()
  how = scored(exemplar='any', resize='crop', resolution=32, train=True)
  clip = clips.load(source, 0, how, SEED, quarantine)
  assert not clip['valid'] and not clip['video'].any()
  assert not clip['size'].any()
  assert [(row[0], row[2]) for row in quarantine.rows()] == [
    (paths[bad], f'dive {bad}')
  ]
