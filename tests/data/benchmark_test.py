"""The benchmark compares like with like."""

import numpy as np

from vidpetl.data import benchmark, clips, examples
from vidpetl.data.kinds.classification import Classified


class One:
  """A source of one video."""

  info = examples.Info('one', 'train', 'classification', 1, {0: 'a'}, fps=15)

  def __init__(self, path):
    self._path = path

  def __len__(self):
    return 1

  def __getitem__(self, i):
    return Classified('one', 0)

  def video(self, i):
    return self._path


def test_the_bare_loop_reads_the_frames_of_the_pipeline(
  tmp_path, write_video, read_codes
):
  source = One(write_video(tmp_path / 'a.mp4', gop=30))
  spec = clips.ClipSpec.of(
    {'frames': 8, 'resolution': 64, 'train': True}, 'classification'
  )
  seen = set()
  for position, plan in enumerate(benchmark.make_plans(source, spec, 5)):
    seed = benchmark.index.example_seed(0, 'benchmark', position)
    clip = clips.load(source, 0, spec, seed)
    bare = read_codes(np.stack(benchmark.read_bare(plan)))
    np.testing.assert_array_equal(bare, read_codes(clip['video'][:, :48]))
    seen.add(tuple(bare))
  assert len(seen) > 1


def test_comparison_and_table(tmp_path, write_video):
  source = One(write_video(tmp_path / 'a.mp4'))
  spec = clips.ClipSpec.of(
    {'frames': 4, 'resolution': 32, 'train': True}, 'classification'
  )
  speeds = benchmark.compare(source, spec, count=4, workers=1, turns=1)
  assert list(speeds) == ['bare PyAV loop', 'pipeline']
  assert all(speed.per_core > 0 for (speed,) in speeds.values())
  lines = benchmark.table(speeds).splitlines()
  assert lines[1].split()[-1] == '1.00'
  assert len(lines) == 3
