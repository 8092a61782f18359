"""What the evaluator says of files that cannot be meant for each other."""

import itertools
import warnings

import pytest

from vidpetl import frame_map, mistakes
from vidpetl.metrics import ava_csv, columns, frame_map_result, oddities

_GT = 'film_a,0902,0.1,0.1,0.5,0.9,1,0\nfilm_b,0902,0.2,0.2,0.6,0.8,1,0\n'
_DETS = 'film_a,902,0.1,0.1,0.5,0.9,1,0.9\nfilm_b,902,0.2,0.2,0.6,0.8,1,0.8\n'
_PIXELS = 'film_a,902,64,36,320,324,1,0.9\nfilm_b,902,128,72,384,288,1,0.8\n'
_NUMBERS = itertools.count()


@pytest.fixture
def evaluate(tmp_path, capsys):
  """Returns what the command prints, and what it notes."""
  lines = mistakes.as_lines(warnings.showwarning)

  def evaluate(gt, dets, labelmap='item { name: "walk" id: 1 }'):
    # Each note is said once, so that each file has a name of its own.
    folder = tmp_path / str(next(_NUMBERS))
    folder.mkdir()
    files = {'gt.csv': gt, 'det.csv': dets, 'map.pbtxt': labelmap}
    for name, content in files.items():
      (folder / name).write_text(content)
    with warnings.catch_warnings():
      warnings.showwarning = lines
      result, classes = frame_map.evaluate(
        *(f'{folder}/{name}' for name in files)
      )
    print(frame_map_result.table(result, classes))
    printed = capsys.readouterr()
    return printed.out, printed.err

  return evaluate


def test_files_that_belong_together_are_not_odd(evaluate):
  assert evaluate(_GT, _DETS)[1] == ''
  out, notes = evaluate('\ufeff' + _GT, '\ufeff' + _DETS)
  assert 'overall  100.00' in out and notes == ''


def test_pixels_are_named_and_the_number_stays(evaluate):
  out, notes = evaluate(_GT, _PIXELS)
  assert 'overall  0.00' in out
  assert notes.startswith('note: ') and notes.count('\n') == 1
  assert 'det.csv:1: box 64.0,36.0,320.0,324.0 leaves [0, 1]' in notes
  assert 'as all detections do, while no ground truth does: pixels?' in notes


def test_some_pixels_and_pixels_in_both_files(evaluate):
  first, second = (content.splitlines()[0] for content in (_DETS, _PIXELS))
  _, notes = evaluate(_GT, f'{first}\n{second}\n')
  assert 'det.csv:2: ' in notes and 'as 1 of 2 detections do' in notes
  out, notes = evaluate(_PIXELS, _PIXELS)
  assert 'overall  100.00' in out
  assert 'gt.csv:1: ' in notes and 'do, detections too' in notes
  assert 'do, ground truth too' in notes


def test_a_detectors_margin_is_not_odd(evaluate):
  assert evaluate(_GT, _DETS.replace('0.9,1', '1.08,1'))[1] == ''


@pytest.mark.parametrize(
  'change, cause',
  [
    (('film', 'val/film'), 'two ways: a folder'),
    (('_a,', '_a.mp4,'), 'two ways: a suffix'),
    (('film', 'Film'), 'two ways: capitals'),
    (('film', '00film'), 'two ways: zeros in front'),
    (('film', 'movie'), 'other names'),
    (('902', '2'), '"film_a" begins at 902 s there, at 2 s here'),
  ],
)
def test_no_image_in_common_is_named_with_its_cause(evaluate, change, cause):
  dets = _DETS.splitlines()[0].replace(*change) + '\n'
  out, notes = evaluate(_GT, dets)
  assert 'overall  0.00' in out
  assert 'det.csv: none of its 1 images is in' in notes
  assert '"film_a,0902" there' in notes and cause in notes


def test_one_image_in_common_is_not_odd(tmp_path):
  (tmp_path / 'gt.csv').write_text(_GT)
  (tmp_path / 'det.csv').write_text(_DETS.replace('film_b', 'film_c'))
  protocol = columns.PROTOCOLS['2019']
  paths = (tmp_path / 'gt.csv', tmp_path / 'det.csv')
  gt = ava_csv.read_ground_truth(paths[0], protocol)
  dets = ava_csv.read_detections(paths[1], protocol)
  assert list(oddities.find(gt, dets, *paths)) == []


def test_the_command_reads_names_in_every_quoting(evaluate):
  labelmap = (
    '# item { name: "old" id: 1 }\n'
    'item {\n  name: "shake a person\'s {left} hand"\n  id: 1\n}\n'
  )
  out, _ = evaluate(_GT, _DETS, labelmap)
  assert "1 shake a person's {left} hand" in out
