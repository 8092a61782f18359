"""What may be odd about boxes and scores."""

import drawn
import pytest

from vidpetl.data.survey import cache, findings, opening, reading
from vidpetl.recipes import defaults

_OTHER = 'other,1,0.1,0.1,0.5,0.9,1,0\n'


def _find(source, train, val, **task):
  fields = {'train': source | train, 'eval': source | val, **task}
  config = {'tasks': {'own': fields}, 'input': defaults.get_config().input}
  (subject,) = opening.open_config(config)
  records = reading.read_all(subject.paths(), cache.Cache(''))
  found = findings.find_all(subject.with_records(records))
  return {finding.code: finding for finding in found}


@pytest.fixture
def people(tmp_path):
  for name in ('film', 'other'):
    drawn.clip(tmp_path / f'{name}.mp4', len(name), frames=48)

  def find(train, val=_OTHER, train_detections=None, **clip):
    (tmp_path / 'train.csv').write_text(train)
    (tmp_path / 'val.csv').write_text(val)
    shared = {'source': 'ava_csv', 'videos': str(tmp_path), 'num_classes': 2}
    options = {'frames': 4, 'stride': 1, 'resolution': 64, 'resize': 'pad'}
    return _find(
      shared,
      {
        'annotations': str(tmp_path / 'train.csv'),
        'split': 'train',
        'detections': train_detections,
      },
      {'annotations': str(tmp_path / 'val.csv'), 'split': 'val'},
      task='localisation',
      clip={**options, 'max_boxes': 2, **clip},
    )

  return find


def test_people_at_keyframes_are_counted(people):
  found = people(
    'film,1,0.1,0.1,0.5,0.9,1,0\nfilm,1,0.5,0.1,0.9,0.9,2,1\nfilm,2\n'
  )['people']
  assert found.level == findings.INFO
  found = people('film,1,0.1,0.1,0.5,0.9,1,0\nfilm,2\n', 'other,1\n')['people']
  assert 'nobody at 1 of 1' in found.text


def test_a_val_without_people_measures_nothing(people):
  truth = 'film,1,0.1,0.1,0.5,0.9,1,0\n'
  assert 'useless' not in people(truth)
  found = people(truth, 'other,1\n')['useless']
  assert found.level == findings.WRONG
  assert found.text.startswith('val: none of its keyframes has a detected')


def test_more_people_than_a_clip_holds(people):
  rows = [f'film,1,0.{i},0.1,0.9,0.9,1,{i}\n' for i in range(1, 5)]
  found = people(''.join(rows))['boxes_many']
  assert found.examples == ('film,1: 4 people',)
  assert 'the 2 of a training clip: 2 are left out' in found.text
  assert 'boxes_many' not in people(''.join(rows), max_boxes=4)


def test_tiny_boxes(people):
  # 0.1 of 64 pixels, and 0.2 of them.
  rows = 'film,1,0.1,0.1,0.2,0.9,1,0\nfilm,1,0.1,0.1,0.3,0.9,1,1\n'
  assert people(rows)['boxes_tiny'].count == 1


def test_people_without_actions(people, tmp_path):
  truth = 'film,1,0.1,0.1,0.5,0.9,1,0\n'
  assert 'no_action' not in people(truth)
  detected = tmp_path / 'detected.csv'
  detected.write_text(
    'film,1,0.1,0.1,0.5,0.9,,0.9\nfilm,1,0.6,0.1,0.9,0.9,,0.9\n'
  )
  found = people(truth, train_detections=str(detected))['no_action']
  assert (found.level, found.count) == (findings.NOTE, 1)
  assert found.examples == ('film,1: 0.6, 0.1, 0.9, 0.9',)
  assert '1 of 2 detected people in train' in found.text


def test_keyframes_behind_their_film(people):
  rows = 'film,1,0.1,0.1,0.5,0.9,1,0\nfilm,5,0.1,0.1,0.5,0.9,1,0\n'
  found = people(rows + 'film,2,0.1,0.1,0.5,0.9,1,0\n')
  assert found['outside'].level == findings.WRONG
  assert found['outside'].examples[0].startswith('film,5')


def test_one_film_in_both_splits(people):
  rows = 'film,1,0.1,0.1,0.5,0.9,1,0\n'
  assert people(rows, rows)['leak'].level == findings.WRONG


@pytest.fixture
def scores(tmp_path):
  def find(train, val=(5,), **task):
    rows = [('train', score) for score in train]
    rows += [('val', score) for score in val]
    lines = ['video,score,split']
    for i, (split, score) in enumerate(rows):
      drawn.clip(tmp_path / f'{i}.mp4', i)
      lines.append(f'{i}.mp4,{score},{split}')
    table = tmp_path / 'scores.csv'
    table.write_text('\n'.join(lines) + '\n')
    shared = {'source': 'performances', 'path': str(table)}
    clip = {'sampling': 'spread', 'frames': 8, 'resolution': 32}
    task = {'task': 'quality.usdl', 'clip': clip, **task}
    return _find(shared, {'split': 'train'}, {'split': 'val'}, **task)

  return find


def test_scores_that_fill_a_sliver_of_the_head(scores):
  found = scores([5.4, 8.5], low=0.0, high=104.5)['scores_fill_little']
  assert found.level == findings.WRONG
  assert 'fill 3.0 % of the range of the head, 0 to 104.5' in found.text
  found = scores([5.4, 8.5], low=0.0, high=10.0)['scores_fill_little']
  assert found.level == findings.NOTE
  assert 'scores_fill_little' not in scores([0, 8], low=0.0, high=10.0)


def test_scores_that_a_head_cannot_say(scores):
  found = scores([1, 9], [12], low=0.0, high=10.0)['scores_outside']
  assert (found.level, found.count) == (findings.WRONG, 1)
  assert found.examples[0] == '2.mp4: 12.'
  # Heads that have no range only meet what they did not see.
  assert scores([1, 9], [12])['scores_outside'].level == findings.NOTE


def test_equal_scores_teach_nothing(scores):
  assert 'nothing to learn' in scores([3, 3], [3])['scores_equal'].text


def test_equal_scores_of_val_have_no_order(scores):
  found = scores([1, 9], [3, 3])['scores_equal']
  assert found.level == findings.WRONG
  assert '2 val scores are 3: a rank correlation is not defined' in found.text
  assert 'scores_equal' not in scores([1, 9], [3, 4])
