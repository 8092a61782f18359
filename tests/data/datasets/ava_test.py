import pytest

from vidpetl.data.datasets import ava


@pytest.mark.parametrize(
  'stem, interval',
  [
    ('abc_000010_000020', ('abc', 10, 20)),
    ('-a_b__x_000010_000020', ('-a_b__x', 10, 20)),
    ('abc', None),
  ],
)
def test_clip_interval(stem, interval):
  assert ava.clip_interval(stem) == interval
