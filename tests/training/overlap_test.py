"""What a compiler is told of collectives: by devices, and by what it knows."""

import types

import jax
import numpy as np
import pytest

from vidpetl.training import overlap


def mesh_of(kind, count=4):
  """A mesh of devices that are not there."""
  devices = [types.SimpleNamespace(device_kind=kind) for _ in range(count)]
  return types.SimpleNamespace(devices=np.array(devices), size=count)


@pytest.mark.parametrize(
  'mesh, wanted',
  [
    (mesh_of('TPU v5 lite'), True),
    (mesh_of('TPU v6 lite', 256), True),
    (mesh_of('TPU v5 lite', 1), False),  # It sends nothing.
    (mesh_of('TPU v4'), False),
    (mesh_of('NVIDIA H100 80GB HBM3'), False),
    (mesh_of('cpu'), False),
  ],
)
def test_tpus_that_can_send_beside_computing_are_told_to(mesh, wanted):
  assert bool(overlap.options(mesh)) == wanted
  assert not overlap.options(mesh, wanted=False)


def test_a_compiler_that_does_not_know_the_options_is_not_given_them(
  monkeypatch, caplog
):
  """This CPU's compiler knows none that TPUs have."""
  mesh = types.SimpleNamespace(devices=np.array(jax.devices()[:1]), size=4)
  monkeypatch.setattr(overlap, '_KINDS', (jax.devices()[0].device_kind,))
  assert not overlap.options(mesh)
  assert 'No such compile option' in caplog.text
