"""What launch/augment_speed.py measures runs, on clips of 16 pixels."""

import pathlib
import runpy

from vidpetl.backbones import vit

PATH = pathlib.Path(__file__).parents[2] / 'launch' / 'augment_speed.py'
TINY = {'width': 8, 'depth': 1, 'heads': 2, 'mlp': 16, 'patch': 8}


def test_rows():
  run = runpy.run_path(str(PATH))
  shape = (2, 2, 16, 16, 3)
  model = vit.build(kind='videomae', **TINY)
  lines = run['rows'](
    run['encoding'](model, shape, 1), run['augmenting'](shape, 1, 1)
  )
  assert [line.split(' | ')[0][2:] for line in lines[2:]] == [*run['SETTINGS']]
  assert all(line.count('%') == 2 for line in lines[2:])
