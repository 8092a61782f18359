"""Scores follow from quality, and quality shows in movement alone."""

import numpy as np
import pytest
from PIL import Image

from vidpetl.data import frames, sources
from vidpetl.metrics import rank
from vidpetl.world import (
  clinic,
  diving,
  legibility,
  performances,
  scene,
  surgery,
  video,
)
from vidpetl.world.datasets import finediving, jigsaws, mtl_aqa, pd4t

SEED = 3
TIMES = np.arange(600) / 100

SETTINGS = [
  (dataset, options)
  for dataset, parts in legibility.PARTS.items()
  for settings in parts.values()
  for options in settings
]


def opened(tiny, dataset, split, **options):
  return sources.open_source(
    {
      'source': 'raw',
      'dataset': dataset,
      'raw': str(tiny[dataset]),
      'split': split,
      **options,
    }
  )


@pytest.mark.parametrize('dataset, options', SETTINGS)
def test_sources_find_every_performance(tiny, dataset, options):
  train, val = (
    opened(tiny, dataset, split, **options) for split in ('train', 'val')
  )
  assert not train.info.dropped and not val.info.dropped
  ids = [{s[i].id for i in range(len(s))} for s in (train, val)]
  assert not ids[0] & ids[1]
  expected = {'mtl_aqa': (6, 3), 'finediving': (6, 3)}
  assert (len(train), len(val)) == expected.get(dataset, (6, 2))


def test_divers_appear_where_their_dive_begins(tiny):
  for split in ('train', 'val'):
    source = opened(tiny, 'mtl_aqa', split)
    for i in range(len(source)):
      dive = source[i]
      if dive.start == 0.0:
        continue
      with frames.open_video(source.video(i), dive.id) as film:
        assert dive.end <= film.duration + 1e-6
        frame = 1 / film.fps
        times = dive.start + frame * np.array([-1.5, -0.5, 0.5])
        before, empty, diver = film.read(times, (48, 64)).astype(float)
      # Light and noise change a little, the diver is dark before a light wall.
      assert np.abs(diver - empty).mean() > 2 * np.abs(empty - before).mean()


def test_steps_of_a_dive_are_labelled_frame_by_frame(tiny):
  source = opened(tiny, 'finediving', 'train')
  for i in range(len(source)):
    with frames.open_video(source.video(i), fps=source.info.fps) as film:
      second, last = source[i].steps
      assert 0 < second < last < film.duration


@pytest.mark.parametrize('module', [mtl_aqa, finediving])
def test_scores_of_dives_follow_from_quality_and_difficulty(tiny, module):
  films = module.films(SEED, 'tiny')
  truth = sorted(
    3 * 10 * quality * diving.DIVES[number]
    for film in films
    for number, quality, split in zip(film.actions, film.qualities, film.splits)
    if split == 'train'
  )
  table = opened(tiny, module.DATASET, 'train').info.table
  # Three judges, each off by 0.03 of 10 or so, times the difficulty.
  np.testing.assert_allclose(np.sort(table['scores']), truth, atol=4.0)


def test_sub_scores_follow_from_quality():
  for film in jigsaws.films(SEED, 'demo'):
    given = np.array(jigsaws.sub_scores(film))
    assert ((given >= 1) & (given <= 5)).all()
    assert abs(given.mean() - (1 + 4 * film.qualities[0])) < 0.8


def test_grades_follow_from_quality():
  films = pd4t.films(SEED, 'demo')
  grades = np.array([pd4t.updrs(film) for film in films])
  severity = np.array([1 - film.qualities[0] for film in films])
  assert set(grades) == {0, 1, 2, 3, 4}
  assert np.abs(grades + 0.5 - 5 * severity).max() < 1.0


@pytest.mark.parametrize('module', [mtl_aqa, finediving])
def test_every_tested_dive_number_is_trained_twice(module):
  for size in ('tiny', 'demo'):
    dealt = diving.deal(SEED, module.DATASET, size)
    trained = [number for number, split, _ in dealt if split == 'train']
    tested = {number for number, split, _ in dealt if split == 'test'}
    assert all(trained.count(number) >= 2 for number in tested)


def test_qualities_fill_their_range():
  drawn = np.sort(performances.qualities((0, 'x'), 20))
  assert (np.floor(20 * drawn) == np.arange(20)).all()


def test_subjects_are_trained_or_tested_and_look_the_same():
  films = pd4t.films(SEED, 'demo')
  seen = {
    split: {film.subject for film in films if film.splits == (split,)}
    for split in ('train', 'test')
  }
  assert not seen['train'] & seen['test']
  assert [len(s) for s in seen.values()] == [9, 3]


def test_the_second_camera_is_there_and_not_read(tiny):
  folder = tiny['jigsaws']
  assert len(list(folder.rglob('*_capture2.avi'))) == 2 * len(surgery.TASKS)
  source = opened(tiny, 'jigsaws', 'train', task='suturing', fold=1)
  assert all(
    source.video(i).endswith('_capture1.avi') for i in range(len(source))
  )


def test_sway_tells_quality_by_its_rate_not_its_size():
  calm, shaky = (
    performances.sway(scene.generator('sway'), TIMES, quality, 50)
    for quality in (1.0, 0.0)
  )
  assert shaky.std() == pytest.approx(calm.std(), rel=0.1)
  speed = [np.abs(np.diff(s, axis=0)).mean() for s in (calm, shaky)]
  assert speed[1] > 8 * speed[0]


def test_halting_progress_ends_where_even_progress_does():
  even = np.linspace(0, 2, 201)
  halting = performances.halting(even, 0.0, 3)
  assert (np.diff(halting) > 0).all()
  np.testing.assert_allclose(halting[[0, 100, 200]], [0, 1, 2], atol=1e-9)
  np.testing.assert_allclose(performances.halting(even, 1.0, 3), even)
  assert np.diff(halting).min() < 0.1 * np.diff(even).mean()


@pytest.mark.parametrize(
  'severity, cycles, amplitude', [(0, 12, 1), (1, 1, 0.6)]
)
def test_the_severe_repeat_slowly_falter_and_shrink(
  severity, cycles, amplitude
):
  done, size = clinic.repetitions(scene.generator(0), TIMES, severity, 2.0)
  assert done[-1] - done[0] == pytest.approx(cycles, abs=0.8)
  assert size[-1] / size[0] == pytest.approx(amplitude, abs=0.01)
  assert (np.diff(done).min() == 0) == (severity == 1)


def dives(count, seed):
  """Grey frames and qualities of so many dives of random numbers."""
  clips, numbers = [], list(diving.DIVES)
  drawn = performances.qualities((seed, 'test'), count)
  for i, quality in enumerate(drawn):
    key = (seed, 'test', i)
    schedule = diving.Schedule.draw(scene.generator(*key))
    dive = (numbers[i % len(numbers)], quality)
    side = legibility.SIDE
    staged = diving.stage(key, [dive], [schedule], 0, (side, side), video.FPS)
    grey = [Image.fromarray(f).convert('L') for f in staged.frames()]
    clips.append(np.stack([np.asarray(f, float) for f in grey]))
  return clips, np.array(drawn)


def test_movement_tells_the_quality_of_dives_and_a_frame_does_not():
  train, scores = dives(60, 0)
  held_out, truth = dives(48, 1)
  found = legibility.correlations(train, scores, held_out, truth)
  assert found.pop('movement') > 0.7
  assert max(map(abs, found.values())) < 0.35


def test_ridge_finds_what_is_linear():
  rng = np.random.default_rng(0)
  x, z = rng.normal(size=(80, 5)), rng.normal(size=(40, 5))
  weights = np.array([3.0, -1.0, 0.0, 0.5, 2.0])
  predicted = legibility.ridge(x, x @ weights + 4, z)
  assert rank.spearman(predicted, z @ weights) > 0.99
  np.testing.assert_allclose(predicted, z @ weights + 4, atol=0.5)
