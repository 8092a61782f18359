"""The nets that launch/convolution_speed.py compares are the same.

Of the two, the one that compiles in less than a minute: the command holds its
own outputs against PyTorch's whenever it runs.
"""

import pathlib
import runpy

import pytest

pytest.importorskip('torch')
pytestmark = pytest.mark.torch

PATH = pathlib.Path(__file__).parents[2] / 'launch' / 'convolution_speed.py'


def test_rows():
  rows = runpy.run_path(str(PATH))['rows']
  lines = rows('R3D-18', (1, 4, 20, 20, 3), ['ours'], 1)
  assert [line.split(' | ')[2] for line in lines] == [
    'forward',
    'training step',
  ]
