"""What evaluations leave on file, and which of it stays."""

import csv
import json
import types

import numpy as np
import pytest

from vidpetl import mistakes
from vidpetl.data import examples
from vidpetl.metrics import predictions as columns_lib
from vidpetl.tasks import classification
from vidpetl.training import predictions, reporting

NAMES = ('sit', 'run, fast', 'say "no"')
ODD = (
  'a,b.mp4',
  'two\nlines',
  'quo"te',
  ' blank ',
  "it's;\ttabs",
  'Straße\r\n',
)


class Source:
  info = examples.Info(
    'clips', 'val', 'classification', 4, dict(enumerate(NAMES))
  )

  def __getitem__(self, i):
    return types.SimpleNamespace(id=ODD[i])

  def shown(self):
    return np.arange(5), np.array([0, 0, 1, 2, 2])


SCORES = np.array(
  [[0.1, 0.2, 0.3, 0.4], [0.25, 0.25, 0.25, 0.25], [1, 0, 0, 0],
   [0, 1, 0, 0], [0, 0, 1, 0], [0.5, 0.125, 0.25, 0.125]], np.float32,
)  # fmt: skip
LABELS = np.array([2, 0, 0, 1, 1, 2])


@pytest.fixture
def metric():
  """Of batches in another order than the source's."""
  metric = classification.Accuracy((1, 4), Source(), 'softmax')
  for rows in ([4, 5], [1, 0], [3, 2]):
    metric.update(
      {
        'index': np.array(rows),
        'label': LABELS[rows],
        'scores': SCORES[rows],
        'logits': np.log(SCORES[rows] + 1e-6),
      }
    )
  return metric


@pytest.fixture
def files(tmp_path):
  return predictions.Files(tmp_path, {'clips': Source()})


def test_ids_of_any_kind_come_back(files, metric, tmp_path):
  files.write('clips', 7, metric)
  rows = predictions.read_csv(tmp_path / 'predictions' / 'clips.7.csv')
  assert tuple(row['id'] for row in rows) == ODD
  with open(tmp_path / 'predictions' / 'clips.7.csv', newline='') as file:
    assert [row['id'] for row in csv.DictReader(file)] == list(ODD)


def test_truth_and_the_best_classes_with_scores(files, metric, tmp_path):
  files.write('clips', 7, metric)
  rows = predictions.read_csv(tmp_path / 'predictions' / 'clips.7.csv')
  assert list(rows[0]) == [
    *('id', 'truth', 'truth_score'),
    *(f'{word}{k}' for k in range(1, 5) for word in ('top', 'score')),
  ]
  first = rows[0]
  assert first['truth'] == 'say "no"' and first['truth_score'] == '0.3'
  assert (first['top1'], first['score1']) == ('class 3', '0.4')
  # Of equal scores the smaller index comes first, as top-1 counts it.
  assert [rows[1][f'top{k}'] for k in (1, 2, 3, 4)] == [*NAMES, 'class 3']
  right = np.mean([row['top1'] == row['truth'] for row in rows])
  assert right == metric.result()['top1']


def test_arrays_hold_what_a_table_does_not(files, metric, tmp_path):
  files.write('clips', 7, metric)
  with np.load(tmp_path / 'predictions' / 'clips.7.npz') as arrays:
    assert arrays['ids'].tolist() == list(ODD)
    assert arrays['classes'].tolist() == [*NAMES, 'class 3']
    assert arrays['logits'].dtype == np.float32
    np.testing.assert_array_equal(arrays['scores'], SCORES)
    np.testing.assert_array_equal(arrays['labels'], LABELS)
    np.testing.assert_allclose(arrays['logits'], np.log(SCORES + 1e-6))


def test_averaged_logits_are_shown_as_probabilities(tmp_path, files):
  metric = classification.Accuracy((1, 4), Source(), 'logits')
  logits = np.array([[2.0, 0, 0, 0]], np.float32)
  row = {'index': np.array([0]), 'label': np.array([1])}
  metric.update({**row, 'scores': logits, 'logits': logits})
  files.write('clips', 1, metric)
  (row,) = predictions.read_csv(tmp_path / 'predictions' / 'clips.1.csv')
  p = np.exp(2) / (np.exp(2) + 3)
  assert float(row['score1']) == pytest.approx(p, rel=1e-6)
  assert float(row['truth_score']) == pytest.approx((1 - p) / 3, rel=1e-6)


def test_figures_of_each_class(files, metric, tmp_path):
  files.write('clips', 7, metric)
  rows = predictions.read_csv(tmp_path / 'per_class' / 'clips.7.csv')
  found = {row.pop('class'): row for row in rows}
  assert found['sit'] == {
    'index': '0', 'truth': '2', 'train': '2', 'predicted': '3',
    'recall': '1.0', 'precision': str(2 / 3),
  }  # fmt: skip
  assert found['say "no"']['recall'] == '0.0'
  assert found['class 3'] == {
    'index': '3', 'truth': '0', 'train': '0', 'predicted': '1',
    'recall': 'nan', 'precision': '0.0',
  }  # fmt: skip
  read = files.read_per_class('clips', 7)
  assert read[0] == {
    'index': 0, 'class': 'sit', 'truth': 2, 'train': 2, 'predicted': 3,
    'recall': 1.0, 'precision': 2 / 3,
  }  # fmt: skip
  assert read[3]['recall'] is None
  assert files.read_per_class('clips', 8) == []


def test_classes_are_named_in_the_run(files, tmp_path):
  files.write_classes()
  named = json.loads((tmp_path / 'classes.json').read_text())
  assert named == {'clips': {str(i): name for i, name in enumerate(NAMES)}}


def _steps(tmp_path):
  paths = (tmp_path / 'predictions').glob('*')
  return sorted({int(path.name.split('.')[1]) for path in paths})


@pytest.mark.parametrize(
  'how, used',
  [('last', [12]), ('best', [5]), ('mean10', list(range(3, 13)))],
)
def test_what_no_number_is_of_is_removed(files, metric, tmp_path, how, used):
  tops = [0.1, 0.2, 0.9, None, 0.9] + 7 * [0.5]
  evaluations = reporting.Evaluations(tmp_path, 0, write=False)
  for step, top in enumerate(tops, 1):
    files.write('clips', step, metric)
    evaluations.add(step, {'clips': {'metrics': {'top1': top}}})
  choice = evaluations.choose(how, 'clips/top1', reporting.TEST)
  files.prune({12, *choice.used})
  assert _steps(tmp_path) == sorted({12, *used})
  # Figures of classes are small, and stay.
  assert len(list((tmp_path / 'per_class').glob('*'))) == len(tops)


def test_predictions_on_held_out_examples_are_files_of_their_own(
  files, metric, tmp_path
):
  files.write('clips', 1, metric)
  files.write('clips', 1, metric, 'validation/')
  names = {path.name for path in (tmp_path / 'predictions').glob('*.csv')}
  assert names == {'clips.1.csv', 'validation_clips.1.csv'}


def test_files_of_others_stay(files, tmp_path):
  folder = tmp_path / 'predictions'
  folder.mkdir()
  for name in ('mine.csv', 'clips.csv', 'notes.1.txt'):
    (folder / name).write_text('x')
  files.prune({2})
  assert len(list(folder.glob('*'))) == 3


def test_a_file_is_there_as_a_whole_or_as_it_was(tmp_path):
  path = tmp_path / 'a.csv'
  predictions.write_csv(path, {'id': [1, 2]})

  def broken():
    yield 3
    raise RuntimeError('full')

  with pytest.raises(RuntimeError):
    predictions.write_csv(path, {'id': broken()})
  assert path.read_text() == 'id\n1\n2\n'
  assert list(tmp_path.iterdir()) == [path]
  with pytest.raises(ValueError):
    predictions.write_csv(path, {'id': [1], 'truth': [1, 2]})
  assert path.read_text() == 'id\n1\n2\n'


def test_names_that_are_no_utf8_are_escaped(tmp_path):
  predictions.write_csv(tmp_path / 'a.csv', {'id': ['caf\udce9', 'café']})
  rows = predictions.read_csv(tmp_path / 'a.csv')
  assert [row['id'] for row in rows] == [r'caf\xe9', 'café']


@pytest.mark.parametrize(
  'data',
  (
    b'class,index\n\xff,1\n',
    b'class,index\na\n',
    b'class,index\na,1,2\n',
    b'class,index\na,x\n',
    b'class,index\n"a"b,1\n',
  ),
)
def test_a_damaged_table_is_named(tmp_path, data):
  path = tmp_path / 'clips.7.csv'
  path.write_bytes(data)
  with pytest.raises(ValueError, match=r'clips\.7\.csv is damaged') as caught:
    predictions.read_per_class(path)
  assert mistakes.is_mistake(caught.value)


def test_nothing_evaluated_leaves_nothing_but_a_header(files, tmp_path):
  metric = classification.Accuracy((1,), Source(), 'softmax')
  files.write('clips', 1, metric)
  assert (tmp_path / 'predictions' / 'clips.1.csv').read_text() == 'id\n'
  assert not (tmp_path / 'per_class').exists()


def test_rows_are_in_the_order_of_the_source():
  rows = columns_lib.Rows()
  for index in ([3, 0], [2], [1]):
    rows.add({'index': np.array(index), 'x': 10 * np.array(index)})
  assert rows['x'].tolist() == [0, 10, 20, 30]
