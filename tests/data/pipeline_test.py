"""Batches are the same whatever the workers, the hosts and the first step."""

import gc
import itertools
import weakref

import numpy as np
import pytest

from vidpetl.data import clips, examples, pipeline, tensorflow_start
from vidpetl.data import quarantine as quarantine_lib
from vidpetl.data.kinds.classification import Classified

N = 11
SPEC = clips.ClipSpec.of(
  {'frames': 4, 'resolution': 32, 'train': True}, 'classification'
)
EVAL = clips.ClipSpec.of({'frames': 4, 'resolution': 32}, 'classification')


class Videos:
  """Eleven short videos, some of which may be broken."""

  def __init__(self, paths):
    self.info = examples.Info(
      'videos', 'train', 'classification', N, {i: str(i) for i in range(N)}
    )
    self._paths = paths

  def __len__(self):
    return len(self._paths)

  def __getitem__(self, i):
    return Classified(f'v{i}', i)

  def video(self, i):
    return self._paths[i]


@pytest.fixture(scope='module')
def source(tmp_path_factory, write_video):
  folder = tmp_path_factory.mktemp('videos')
  return Videos(
    [write_video(folder / f'{k}.mp4', frames=20 + k) for k in range(N)]
  )


@pytest.fixture(autouse=True)
def _loaded():
  tensorflow_start.load()


def train(source, count, **options):
  options = {'name': 'task', 'batch_size': 4, 'seed': 0, 'workers': 2} | options
  batches = pipeline.train_batches(source, SPEC, **options)
  return list(itertools.islice(batches, count))


def assert_equal(one, other):
  assert len(one) == len(other)
  for left, right in zip(one, other):
    assert left.keys() == right.keys()
    for key in left:
      np.testing.assert_array_equal(left[key], right[key], err_msg=key)


def test_workers_do_not_change_batches(source):
  assert_equal(
    train(source, 6, workers=1), train(source, 6, workers=5, prefetch=4)
  )


def test_starting_later_continues_the_same_stream(source):
  assert_equal(train(source, 7)[4:], train(source, 3, start=4))


def test_ending_earlier_changes_nothing_before(source):
  assert_equal(train(source, 9, start=2, stop=5), train(source, 5)[2:])


@pytest.mark.parametrize('taken', [1, 3])
def test_batches_do_not_change_while_tensorflow_loads(
  source, taken, monkeypatch
):
  expected = train(source, 5)
  looks = iter([False] * taken)
  monkeypatch.setattr(tensorflow_start, 'was_tried', lambda: next(looks, True))
  assert_equal(train(source, 5), expected)


def test_a_single_batch_waits_for_no_tensorflow(source, monkeypatch):
  begun = []
  monkeypatch.setattr(tensorflow_start, 'was_tried', lambda: False)
  monkeypatch.setattr(tensorflow_start, 'begin', lambda: begun.append(1))
  for batch_size, loads in ((N, 0), (4, 2)):
    begun.clear()
    list(pipeline.eval_batches(source, EVAL, batch_size=batch_size))
    assert len(begun) == loads


@pytest.mark.parametrize('hosts', [2, 4])
def test_rows_of_hosts_make_up_the_batch(source, hosts):
  whole = train(source, 4)
  parts = [
    train(source, 4, process_index=host, process_count=hosts)
    for host in range(hosts)
  ]
  joined = [
    {key: np.concatenate([part[k][key] for part in parts]) for key in whole[k]}
    for k in range(4)
  ]
  assert_equal(whole, joined)


def test_each_example_once_per_epoch(source):
  indices = np.concatenate([batch['index'] for batch in train(source, 11)])
  for epoch in range(4):
    part = indices[epoch * N : (epoch + 1) * N]
    np.testing.assert_array_equal(np.sort(part), np.arange(N))
  assert (indices[:N] != indices[N : 2 * N]).any()


def test_an_example_has_another_seed_in_each_epoch(source):
  batches = train(source, 11)
  seeds = {tuple(seed) for batch in batches for seed in batch['seed']}
  assert len(seeds) == 44


def test_seeds_and_names_shuffle_differently(source):
  first = np.concatenate([batch['index'] for batch in train(source, 5)])
  for options in ({'seed': 1}, {'name': 'other'}):
    other = np.concatenate(
      [batch['index'] for batch in train(source, 5, **options)]
    )
    assert (first != other).any()


def test_labels_belong_to_their_videos(source):
  for batch in train(source, 5):
    np.testing.assert_array_equal(batch['label'], batch['index'])


def test_videos_stay_bytes(source):
  assert train(source, 1)[0]['video'].dtype == np.uint8


@pytest.mark.parametrize('hosts', [1, 2])
@pytest.mark.parametrize('batch_size', [4, 22])
def test_evaluation_shows_every_example_once(source, hosts, batch_size):
  parts = [
    list(
      pipeline.eval_batches(
        source, EVAL, batch_size=batch_size, process_index=host,
        process_count=hosts, workers=2,
      )
    )
    for host in range(hosts)
  ]  # fmt: skip
  assert {len(part) for part in parts} == {-(-N // batch_size)}
  rows = list(itertools.chain.from_iterable(zip(*parts)))
  index = np.concatenate([batch['index'] for batch in rows])
  valid = np.concatenate([batch['valid'] for batch in rows])
  assert index[valid].tolist() == list(range(N))
  assert (index[~valid] == -1).all()


def test_a_broken_video_is_listed_and_the_rest_goes_on(source, tmp_path):
  (tmp_path / 'cut.mp4').write_bytes(b'cut')
  paths = [source.video(i) for i in range(N)]
  paths[3] = str(tmp_path / 'cut.mp4')
  quarantine = quarantine_lib.Quarantine()
  batches = list(
    pipeline.eval_batches(
      Videos(paths), EVAL, batch_size=4, workers=2, quarantine=quarantine
    )
  )
  valid = np.concatenate([batch['valid'] for batch in batches])
  assert valid.tolist() == [k != 3 and k < N for k in range(12)]
  assert [row[2] for row in quarantine.rows()] == ['v3']


@pytest.mark.parametrize('loaded', [True, False])
def test_other_errors_surface_as_themselves(source, loaded, monkeypatch):
  monkeypatch.setattr(tensorflow_start, 'was_tried', lambda: loaded)

  class Forgetful(Videos):
    def __getitem__(self, i):
      raise LookupError(f'annotation {i} is gone')

  broken = Forgetful([source.video(i) for i in range(N)])
  with pytest.raises(LookupError, match=r'annotation \d is gone'):
    list(
      pipeline.eval_batches(
        broken,
        EVAL,
        batch_size=4,
        workers=1,
        quarantine=quarantine_lib.Quarantine(),
      )
    )


def test_a_batch_must_divide_over_the_hosts(source):
  with pytest.raises(ValueError, match='batch of 4 cannot be split'):
    train(source, 1, process_count=3)


def test_training_clips_are_not_for_evaluation(source):
  with pytest.raises(ValueError, match='train=False'):
    pipeline.eval_batches(source, SPEC, batch_size=4)
  with pytest.raises(ValueError, match='train=True'):
    pipeline.train_batches(source, EVAL, name='t', batch_size=4, seed=0)


def test_nothing_is_kept_of_batches_that_were_read(source):
  """TensorFlow keeps the functions that it is given."""
  kept = weakref.WeakSet()
  threads = pipeline.concurrent.futures.ThreadPoolExecutor

  def pool(*args):
    made = threads(*args)
    kept.add(made)
    return made

  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(pipeline.concurrent.futures, 'ThreadPoolExecutor', pool)
    train(source, 2)
  gc.collect()
  assert not kept
