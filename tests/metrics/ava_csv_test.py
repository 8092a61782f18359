"""AVA's csv files: what is read, and which line is named when it cannot be."""

import numpy as np
import pytest

from vidpetl.metrics import ava_csv, columns

P2019, P2020, SLOWFAST = (
  columns.PROTOCOLS[name] for name in ('2019', '2020', 'slowfast')
)
GOOD = 'v,0902,0.1,0.2,0.3,0.4,7,0.5\n'


@pytest.fixture
def write(tmp_path):
  def write(text):
    path = tmp_path / 'rows.csv'
    path.write_text(text)
    return path

  return write


def test_columns_of_detections(write):
  dets = ava_csv.read_detections(
    write(GOOD + 'v,902,0.2,0.2,0.3,0.4,8\nw,1000,0,0,1,1,9,0.25\n'), P2019
  )
  assert dets.images == ['v,0902', 'w,1000']
  assert dets.image.tolist() == [0, 0, 1]
  assert dets.boxes[0].tolist() == [0.1, 0.2, 0.3, 0.4]
  assert dets.class_id.tolist() == [7, 8, 9]
  assert dets.score.tolist() == [0.5, 1.0, 0.25]


def test_an_image_without_actions_is_listed(write):
  gt = ava_csv.read_ground_truth(write('w,12.5\n' + GOOD), P2020)
  assert gt.images == ['w,12.500000', 'v,902.000000']
  assert gt.image.tolist() == [1]


def test_decimals_of_whole_seconds_are_whole_seconds(write):
  path = write(GOOD + 'v,902.0,0.1,0.1,0.2,0.2,1\n v , 902.000 ,0,0,1,1,2,0\n')
  gt = ava_csv.read_ground_truth(path, P2019)
  assert gt.images == ['v,0902'] and gt.lines.tolist() == [1, 2, 3]


def test_an_image_without_actions_is_listed_in_any_protocol(write):
  gt = ava_csv.read_ground_truth(write('w,12\n' + GOOD), P2019)
  assert gt.images == ['w,0012', 'v,0902']


@pytest.mark.parametrize(
  'encoding', ['utf-8-sig', 'utf-16', 'utf-16-le', 'utf-32']
)
def test_any_encoding(tmp_path, encoding):
  path = tmp_path / 'rows.csv'
  path.write_bytes(GOOD.replace('v', 'cafe\u0301').encode(encoding))
  for read in (
    ava_csv.read_ground_truth,
    ava_csv.read_detections,
  ):
    assert read(path, P2019).images == ['café,0902']
  path.write_bytes('v,0902\r\n\r\n'.encode(encoding))
  assert ava_csv.read_excluded(path, P2019) == {'v,0902'}


def test_any_delimiter_and_decimal_commas(write):
  path = write(GOOD.replace(',', ';').replace('.', ','))
  dets = ava_csv.read_detections(path, P2019)
  assert dets.boxes.tolist() == [[0.1, 0.2, 0.3, 0.4]]
  assert dets.score.tolist() == [0.5]


def test_the_eighth_column_of_ground_truth_is_not_read(write):
  text = 'v,0902,0.1,0.2,0.3,0.4,7,someone\n'
  assert len(ava_csv.read_ground_truth(write(text), P2019).image) == 1


@pytest.mark.parametrize(
  'read, protocol, row, message',
  [
    ('ground_truth', P2019, 'v,0902,1', r':2: 3 columns'),
    ('ground_truth', P2020, 'v,0902,1', r':2: 3 columns'),
    ('ground_truth', P2019, 'v,902.5,0,0,1,1,1,1', r':2: .*"902.5".*2020'),
    ('ground_truth', P2020, 'v,x,0,0,1,1,1,1', r':2: timestamp "x"'),
    ('ground_truth', P2019, 'v,902,0,0,1,1,a,1', r":2: .*'a'"),
    ('ground_truth', P2019, 'v,902,.5,0,.1,1,1,1', r':2: box ends before'),
    ('detections', SLOWFAST, 'v,902,0,0,1,1,1', r':2: 7 columns'),
    ('detections', P2019, 'v,902,0,0,one,1,1,.5', r":2: .*'one'"),
    ('detections', P2019, 'v,902,0,0,1,1,1,nan', r':2: score is nan'),
    ('detections', P2019, 'v,902,0,inf,1,1,1,1', r':2: y1 is inf'),
    ('excluded', P2019, 'v,902,1', r':2: 3 columns'),
  ],
)
def test_errors_name_file_and_line(write, read, protocol, row, message):
  path = write(('v,0902\n' if read == 'excluded' else GOOD) + row + '\n')
  with pytest.raises(ValueError, match=r'rows\.csv' + message):
    getattr(ava_csv, f'read_{read}')(path, protocol)


def test_excluded(write):
  path = write('v,0902\nv,902\nw,3\n')
  assert ava_csv.read_excluded(path, P2019) == {'v,0902', 'w,0003'}


def test_written_detections_read_back_the_same(tmp_path):
  rng = np.random.default_rng(0)
  dense = columns.DenseDetections(
    ['v,0902', 'a, "w",0903'],
    np.array([0, 1, 1]),
    rng.random((3, 4)),
    (rng.random((3, 5)) * 1e-5).astype(np.float32),
  )
  ava_csv.write_detections(tmp_path / 'mine.csv', dense, [2, 5])
  dets = ava_csv.read_detections(tmp_path / 'mine.csv', P2019)
  assert dets.images == dense.images
  np.testing.assert_array_equal(dets.boxes, dense.boxes.repeat(2, axis=0))
  np.testing.assert_array_equal(
    dets.score.astype(np.float32), dense.scores[:, [1, 4]].ravel()
  )
  assert dets.class_id.tolist() == [2, 5] * 3


def test_written_as_slowfast_does(tmp_path):
  dets = columns.Detections(
    ['v,0902'],
    np.array([0]),
    np.array([[0.12345, 0.2, 0.3, 0.9999]]),
    np.array([3]),
    np.array([0.98765]),
  )
  ava_csv.write_detections(tmp_path / 'x.csv', dets, [3], 3, 4)
  written = (tmp_path / 'x.csv').read_text()
  assert written == 'v,0902,0.123,0.200,0.300,1.000,3,0.9877\n'


def test_headers_and_clocks_are_read_as_in_training(write):
  rows = 'video,seconds,x1,y1,x2,y2,action,score\nv,15:02,0,0,1,1,7,0.5\n'
  dets = ava_csv.read_detections(write(rows), P2019)
  assert dets.images == ['v,0902'] and dets.lines.tolist() == [2]
  assert ava_csv.read_ground_truth(write(rows), P2020).images == [
    'v,902.000000'
  ]
  assert ava_csv.read_excluded(write('video,time\nv,902\n'), P2019) == {
    'v,0902'
  }
