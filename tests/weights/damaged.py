"""Files that every family must refuse, each with an error that says why."""

import pytest

from vidpetl import convert
from vidpetl.weights.errors import WeightsError


def refuse(family, path, match):
  """Asserts that a file is refused, and nothing is written."""
  out = path.with_name('out.safetensors')
  with pytest.raises(WeightsError, match=match):
    convert.import_file(family, str(path), str(out))
  assert not out.exists()


def check(family, state, save, path, *, block, norm, other):
  """Damages a file in all the ways that there are.

  Args:
    family: that the file is of.
    state: its arrays by name, numpy's or PyTorch's.
    save: writes such a dict to `path`.
    path: of the file.
    block: how the names of its first block begin.
    norm: name of one array in the state.
    other: a family that it is not of.
  """
  save(state)
  refuse(other, path, rf'not of the family {other}.* looks like .*{family}')
  whole = path.read_bytes()
  path.write_bytes(whole[: len(whole) // 2])
  refuse(family, path, r'bytes\) begins as .*an incomplete download')
  save({k: v for k, v in state.items() if not k.startswith(block)})
  refuse(family, path, rf'(?s)missing +{block}.*Nothing was written')
  save({**state, 'another.weight': state[norm] * 1})
  refuse(family, path, r'unexpected +another.weight')
  save({**state, norm: state[norm] * float('nan')})
  refuse(family, path, rf'wrong +{norm}.*not all of it is finite')
