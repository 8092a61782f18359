"""The nets that launch/convolution_speed.py compares are the same."""

import pathlib
import runpy

import pytest

pytest.importorskip('torch')
pytestmark = pytest.mark.torch

PATH = pathlib.Path(__file__).parents[2] / 'launch' / 'convolution_speed.py'


@pytest.mark.parametrize(
  'net, frames, size', [('R3D-18', 4, 20), ('I3D', 9, 40)]
)
def test_rows(net, frames, size):
  rows = runpy.run_path(str(PATH))['rows']
  lines = rows(net, (1, frames, size, size, 3), ['ours'], 1)
  assert [line.split(' | ')[2] for line in lines] == [
    'forward',
    'training step',
  ]
