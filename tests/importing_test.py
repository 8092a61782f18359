"""The door `vidpetl import`, from files of each tool to vidpetl's own."""

import annotated
import pytest
from absl import flags

from vidpetl import importing


def run(*words):
  """Returns the report of a command line."""
  values = flags.FlagValues()
  importing.define_flags(values)
  _, *paths = values(['import', *map(str, words)])
  return importing.from_flags(values, paths)


@pytest.mark.parametrize('write', annotated.WRITERS, ids=lambda w: w.__name__)
def test_each_format_of_one_truth_gives_the_same_csv(write, tmp_path):
  boxes = annotated.truth(several=annotated.WRITERS[write])
  words = write(tmp_path, boxes)
  out = tmp_path / 'out'
  report = run(*words, f'--out={out}', '--split=train')
  assert annotated.read(out / 'train.csv') == annotated.rows(boxes)
  assert report['left_out'] == []
