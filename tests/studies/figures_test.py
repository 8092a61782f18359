"""Pictures of runs, from what they left on file."""

import json

import numpy as np
import pytest
from etils import epath
from PIL import Image

from vidpetl import figures, mistakes
from vidpetl.metrics import ava_labels, confusion
from vidpetl.studies import (
  class_bars,
  clip_sheet,
  curves,
  flops,
  recorded,
  style,
)
from vidpetl.tasks import confusion_matrix
from vidpetl.training import predictions

NAMES = ('sit', 'run', 'jump, high')


def _log(folder, values, epoch=2):
  """Writes a run of 3 evaluations, and 4 logged steps of training."""
  lines = [
    {'step': s, 'learning_rate': 0.1, 'k/loss': 2.0 / s, 'k/accuracy': 0.1 * s}
    for s in range(1, 5)
  ]
  lines += [
    {'step': s, 'k/top1': value, 'k/top5': 1.0}
    for s, value in zip((2, 4, 6), values)
  ]
  text = ''.join(json.dumps(line) + '\n' for line in lines)
  (folder / 'metrics.jsonl').write_text(text)
  config = {'batch_size': 4, 'tasks': {'k': {'task': 'classification'}}}
  (folder / 'config.json').write_text(json.dumps(config))
  results = {
    'training_examples': {'k': 4 * epoch},
    'parameters': {'trained': 1000},
    'tasks': {'k': {'metrics': {'top1': values[-1]}}},
  }
  (folder / 'results.json').write_text(json.dumps(results))


def _predict(folder, truth, taken, sure):
  names = np.array(NAMES)
  scores = np.full((len(truth), 3), 0.01)
  scores[np.arange(len(truth)), taken] = sure
  files = folder / predictions.FOLDER
  predictions.write_csv(
    files / 'k.6.csv',
    {
      'id': [f'clip{i}' for i in range(len(truth))],
      'truth': names[truth],
      'truth_score': scores[np.arange(len(truth)), truth],
      'top1': names[taken],
      'score1': sure,
    },
  )
  np.savez(
    files / 'k.6.npz', labels=np.array(truth), scores=scores, classes=names
  )


def _classes(folder, values, names=NAMES):
  predictions.write_csv(
    folder / predictions.PER_CLASS / 'k.6.csv',
    {
      'index': range(len(names)),
      'class': names,
      'truth': [2] * len(names),
      'train': [10 * 3**i for i in range(len(names))],
      'recall': values,
    },
  )


@pytest.fixture
def runs(tmp_path):
  made = []
  for name, values in (('a', (0.2, 0.5, 0.4)), ('b', (0.3, 0.6, None))):
    folder = tmp_path / name
    folder.mkdir()
    _log(folder, values, epoch=2 if name == 'a' else 4)
    _predict(folder, [0, 0, 1, 2], [0, 1, 1, 0], [0.9, 0.8, 0.5, 0.6])
    made.append(recorded.Recorded(epath.Path(folder), name))
  _classes(tmp_path / 'a', [0.5, float('nan'), 0.25])
  _classes(tmp_path / 'b', [0.75, 1.0, 0.0])
  return made


def _lines(axes):
  return {line.get_label(): line.get_xydata().tolist() for line in axes.lines}


def test_curves_of_training_and_test(runs):
  losses, shares = curves.of_run(runs[0], 'k').axes
  assert _lines(losses)['training'] == [[s / 2, 2 / s] for s in range(1, 5)]
  lines = _lines(shares)
  assert lines['test: top1'] == [[1, 20], [2, 50], [3, 40]]
  np.testing.assert_allclose(
    lines['training: accuracy'], [[s / 2, 10 * s] for s in range(1, 5)]
  )
  assert shares.get_xlabel() == 'epoch'


def test_a_run_that_holds_examples_out_has_their_curve_too(runs):
  path = runs[0].workdir / 'metrics.jsonl'
  text = path.read_text().replace('"k/top', '"validation/k/top')
  path.write_text(text + '{"step": 4, "k/top1": 0.25, "k/top5": 0.5}\n')
  assert runs[0].tasks == ['k'] and runs[0].metrics('k') == ['top1', 'top5']
  _, shares = curves.of_run(runs[0], 'k').axes
  lines = _lines(shares)
  assert lines['held out: top1'] == [[1, 20], [2, 50], [3, 40]]
  assert lines['test: top1'] == [[2, 25]]
  (axes,) = curves.of_runs(runs, 'k', 'top1').axes
  lines = _lines(axes)
  assert lines['a'] == [[2, 25]] and len(lines['a, held out']) == 3
  drawn = dict(figures.of_one(runs[0], ['confusion', 'classes', 'curves']))
  assert set(drawn) == {'k_confusion', 'k_classes', 'k_curves'}


def test_curves_of_several_runs_are_over_their_own_epochs(runs):
  (axes,) = curves.of_runs(runs, 'k', 'top1').axes
  lines = _lines(axes)
  assert lines['a'] == [[1, 20], [2, 50], [3, 40]]
  # What is not defined has no point.
  assert lines['b'] == [[0.5, 30], [1, 60]]
  with pytest.raises(ValueError, match='mAP was not measured; it has k/top1'):
    curves.of_runs(runs, 'k', 'mAP')


def test_a_run_under_way_is_drawn_over_steps(runs):
  (runs[1].workdir / 'results.json').unlink()
  (axes,) = curves.of_runs(runs, 'k', 'top1').axes
  assert axes.get_xlabel() == 'step'
  assert _lines(axes)['a'][0] == [2, 20]


def _bars(axes):
  names = [text.get_text() for text in axes.get_xticklabels()]
  return dict(zip(names, [bar.get_height() for bar in axes.patches]))


def test_classes_stand_in_the_order_of_their_frequency(runs):
  counts, axes = class_bars.of_run(runs[0].per_class('k'), 'a').axes
  # 'run' is shown by no test clip.
  assert list(_bars(axes).items()) == [('jump, high', 25), ('sit', 50)]
  assert counts.lines[0].get_ydata().tolist() == [90, 10]
  assert counts.get_title(loc='right') == 'mean over classes 37.5 (dotted)'


def test_gain_is_the_difference_to_the_first_run(runs):
  rows = [run.per_class('k') for run in runs]
  counts, axes = class_bars.gain(*rows, 'b over a').axes
  assert list(_bars(axes).items()) == [('jump, high', -25), ('sit', 25)]
  assert counts.get_title(loc='right') == 'mean over classes 0.0 (dotted)'
  rows[1][0]['class'] = 'stand'
  with pytest.raises(ValueError, match='the runs have other classes, e'):
    class_bars.gain(*rows, 'b over a')


def test_groups_and_types_of_ava_have_means():
  ids = sorted(i for group in ava_labels.GROUPS.values() for i in group)
  rows = [
    {'index': i - 1, 'class': f'class {i}', 'train': 99 - i, 'ap': i / 100}
    for i in ids
  ]
  panels = class_bars.of_run(rows, 'ava').axes
  (means,) = (axes for axes in panels if axes.texts)
  shown = [text.get_text() for text in means.get_yticklabels()]
  assert shown == [
    *('all classes (60)', 'head (8)', 'mid (23)', 'tail (29)'),
    *('person movement (13)', 'object manipulation (32)'),
    'person interaction (15)',
  ]
  head = f' {np.mean(ava_labels.HEAD):.1f} '
  assert means.texts[1].get_text() == head


def test_of_many_classes_those_that_do_worst_are_shown():
  rows = [
    {'index': i, 'class': f'c{i}', 'train': 5, 'recall': i / 100}
    for i in range(100)
  ]
  picture = class_bars.of_run(rows, 'many')
  counts, axes = picture.axes
  assert list(_bars(axes)) == [f'c{i}' for i in range(class_bars.MOST)]
  assert picture.get_suptitle() == 'many, the 70 lowest of 100 classes'
  # Over all of them.
  assert counts.get_title(loc='right') == 'mean over classes 49.5 (dotted)'


def test_confusions_are_shares_of_the_true_class():
  counts = confusion.counts(
    np.array([0, 0, 0, 1]), np.eye(3)[[0, 0, 2, 1]] * 0.5
  )
  assert counts.tolist() == [[2, 0, 1], [0, 1, 0], [0, 0, 0]]
  axes, _ = confusion_matrix.draw(counts, NAMES).axes
  shares = np.asarray(axes.images[0].get_array())
  np.testing.assert_allclose(shares[0], [200 / 3, 0, 100 / 3])
  assert [text.get_text() for text in axes.texts] == ['67', '33', '100']
  assert axes.get_yticklabels()[0].get_text() == 'sit (3)'


def test_of_many_classes_the_most_confused_are_shown():
  counts = 9 * np.eye(30, dtype=int)
  counts[3, 7], counts[20, 3], counts[11, 12] = 5, 4, 1
  assert confusion.most_confused(counts, 3).tolist() == [3, 7, 20]
  picture = confusion_matrix.draw(counts, [f'c{i}' for i in range(30)])
  axes = picture.axes[0]
  assert [text.get_text() for text in axes.get_xticklabels()] == [
    *('c3', 'c7', 'c11', 'c12', 'c20'),
  ]
  # Shares are of the whole class.
  assert np.asarray(axes.images[0].get_array())[0, 1] == 100 * 5 / 14
  assert '5 most confused of 30 classes' in axes.get_title()


def test_scores_that_are_no_numbers_are_taken_for_nothing():
  scores = np.array([[np.nan, 1], [0, 1]])
  assert confusion.counts(np.array([0, 1]), scores).tolist() == [[0, 0], [0, 1]]


def test_worst_clips_are_those_whose_truth_is_least_probable(runs):
  found = clip_sheet.rank(runs[0], 'k')
  assert [clip.id for clip in found] == ['clip1', 'clip3', 'clip2', 'clip0']
  assert found[0].title == 'sit 0.01, taken for run 0.80'
  assert found[-1].title == 'sit 0.90, right'


def test_clips_of_other_tasks_have_no_order(runs):
  config = {'tasks': {'k': {'task': 'localisation'}}}
  (runs[0].workdir / 'config.json').write_text(json.dumps(config))
  with pytest.raises(ValueError, match='k is for localisation, whose examples'):
    clip_sheet.rank(runs[0], 'k')


def test_bubbles_are_as_large_as_what_trains():
  points = [
    flops.Point('lora', 2e9, 50_000, (0.5, 0.6)),
    flops.Point('full', 1e9, 200_000, (0.7,)),
  ]
  picture = flops.draw(points, 'k/top1')
  (axes,) = picture.axes
  bubbles = [c for c in axes.collections if hasattr(c, 'get_sizes')]
  small, large = (bubble.get_sizes()[0] for bubble in bubbles)
  assert large == pytest.approx(4 * small)
  places = [bubble.get_offsets()[0] for bubble in bubbles]
  np.testing.assert_allclose(places, [[2, 55], [1, 70]])
  texts = [text.get_text() for text in picture.legends[0].get_texts()]
  assert texts == ['lora: 50.0 k', 'full: 0.2 M']


def test_pictures_are_png_and_svg(runs, tmp_path):
  drawn = dict(figures.of_one(runs[0], ['confusion', 'classes', 'curves']))
  assert list(drawn) == ['k_confusion', 'k_classes', 'k_curves']
  paths = style.save(drawn['k_curves'], epath.Path(tmp_path / 'x'), 'c')
  assert [path.name for path in paths] == ['c.png', 'c.svg']
  with Image.open(paths[0]) as picture:
    assert picture.width > 900
  assert paths[1].read_text().startswith('<?xml')


def test_several_runs_are_compared(runs):
  drawn = dict(figures.of_several(runs, ['compare', 'gain']))
  assert list(drawn) == ['k_compare', 'k_gain_b']


def test_what_cannot_be_drawn_is_noted_or_an_error_if_asked_for(runs):
  (runs[0].workdir / 'per_class' / 'k.6.csv').unlink()
  with pytest.warns(mistakes.Note, match=r'not drawn: .*has no csv of k; it'):
    assert dict(figures.of_one(runs[0], ['classes'])) == {}
  with pytest.raises(ValueError, match='Evaluate the run again'):
    dict(figures.of_one(runs[0], ['classes'], task='k'))
  with pytest.raises(ValueError, match='has no csv of k of step 3; it has'):
    runs[0].predictions('k', 3)
  with pytest.raises(ValueError, match='--task=ava is none that was'):
    dict(figures.of_one(runs[0], ['curves'], task='ava'))


def test_a_folder_that_is_no_run_is_refused(tmp_path):
  with pytest.raises(
    ValueError, match=r'no working directory .* metrics\.jsonl'
  ):
    recorded.Recorded(epath.Path(tmp_path), 'x')


def test_runs_of_one_name_are_told_apart(tmp_path):
  paths = []
  for parent in ('lora', 'full'):
    (tmp_path / parent / 'seed0').mkdir(parents=True)
    (tmp_path / parent / 'seed0' / 'metrics.jsonl').write_text('')
    paths.append(epath.Path(tmp_path / parent / 'seed0'))
  named = [run.name for run in recorded.named(paths, None)]
  assert named == ['lora/seed0', 'full/seed0']
  with pytest.raises(ValueError, match='1 --names of 2 runs'):
    recorded.named(paths, ['x'])
