"""What configs take from the scores of one's own performances."""

import experiments
import numpy as np
import pytest

from vidpetl import mistakes
from vidpetl.recipes import data, scores

_SCORES = (5.38, 6.02, 6.7, 7.0, 7.25, 7.3, 7.75, 8.0, 8.1, 8.5)


def _sheet(tmp_path, more='', cells=lambda score: ''):
  lines = [f'video,score,split{more}']
  for i, score in enumerate(_SCORES):
    (tmp_path / f'{i}.mp4').touch()
    split = 'val' if i in (3, 4) else 'train'
    lines.append(f'{i}.mp4,{score},{split}{cells(score)}')
  path = tmp_path / 'coach.csv'
  path.write_text('\n'.join(lines))
  return path


def _task(path, head, config='pecop_aqa', more=''):
  loaded = experiments.load_config(config, f'csv={path},head={head}{more}')
  assert list(loaded.tasks) == ['coach']
  assert loaded.checkpoint.best == 'coach/spearman'
  return loaded.tasks.coach


def test_bins_are_those_of_the_training_scores_and_a_margin(tmp_path):
  task = _task(_sheet(tmp_path), 'usdl')
  assert (task.low, task.high) == pytest.approx((5.38 - 0.312, 8.5 + 0.312))
  assert (task.bins, task.std) == (101, 5.0)


@pytest.mark.parametrize('dataset', ['jigsaws', 'pd4t'])
def test_the_other_settings_are_a_datasets(tmp_path, dataset):
  task = _task(_sheet(tmp_path), 'usdl', more=f',dataset={dataset}')
  assert task.clip.frames == 160 and task.low == pytest.approx(5.068)


def test_adapt_leaves_a_margin(tmp_path):
  path = _sheet(tmp_path)
  loaded = experiments.load_config(
    'adapt', f'data={path},backbone=c3d,method=head'
  )
  assert (loaded.tasks.coach.low, loaded.tasks.coach.high) == pytest.approx(
    (5.068, 8.812)
  )


def test_judges_bins_are_those_of_their_scores(tmp_path):
  cells = lambda score: (
    f',{score / 2 - 1},{score / 2 + 1 if score > 6 else "-"}'
  )
  path = _sheet(tmp_path, ',judge_1,judge_2', cells)
  task = _task(path, 'musdl')
  assert (task.judges, task.keep, task.difficulty) == (2, 0, False)
  assert task.low < 1.69 and 5.25 < task.high < 6


def test_judges_whose_sum_is_not_the_score_are_noted(tmp_path):
  path = _sheet(tmp_path, ',j1,j2', lambda score: f',{score},{score}')
  with pytest.warns(
    mistakes.Note, match=r"score is not the sum of the judges'"
  ):
    _task(path, 'musdl')


def test_musdl_needs_judges(tmp_path):
  with pytest.raises(ValueError, match='needs the columns judge_1'):
    _task(_sheet(tmp_path), 'musdl')


def test_an_exemplar_is_any_where_difficulties_are_unknown(tmp_path):
  task = _task(_sheet(tmp_path), 'core')
  assert task.clip.exemplar == 'any' and not task.divide_by_difficulty
  assert task.score_range == pytest.approx(3.12 * 1.2)


def test_an_exemplar_is_of_the_same_difficulty_where_all_are_known(tmp_path):
  path = _sheet(tmp_path, ',DD', lambda score: f',{2 if score < 7.1 else 3}')
  task = _task(path, 'core')
  assert task.clip.exemplar == 'difficulty' and task.divide_by_difficulty


def test_equal_scores_have_no_range():
  with pytest.raises(ValueError, match='all scores of the training data are 3'):
    scores.span(np.array([3.0, 3.0]))


@pytest.mark.parametrize(
  'header', ['video,score', 'File;Total Score', 'Path\tFinal score\tJ1']
)
def test_a_sheet_is_known_by_its_columns_and_needs_no_split(tmp_path, header):
  path = tmp_path / 'coach.txt'
  path.write_bytes(f'{header}\n'.encode('utf-16'))
  found = data.find(str(path), roots=('', ''))
  assert (found.name, found.kind) == ('coach', 'quality')
  assert found.train == {
    'source': 'performances',
    'path': str(path),
    'split': 'train',
  }
  assert found.eval['split'] == 'val'
