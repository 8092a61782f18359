"""What the backward pass computes again, to save memory."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated, Any

import flax.linen as nn
import jax
from jax.ad_checkpoint import checkpoint_name

from vidpetl import ranges
from vidpetl.backbones import devices

_policies = jax.checkpoint_policies
# Devices whose memory is not the host's.
_HOSTS = ('tpu', 'gpu')
_GIVEN = 'block_in'

# What is kept of a block, beside what it is given.
KEPT = {
  'nothing': None,
  'dots': _policies.dots_saveable,
  'dense': _policies.dots_with_no_batch_dims_saveable,
}
OFFLOAD = 'offload'

# Of convolutional networks: False, True or 'nothing', 'dots', 'dense'.
Simple = bool | Annotated[str, ranges.OneOf(KEPT)]
# Of transformers.
Remat = (
  bool
  | Annotated[int, ranges.Between(2)]
  | Annotated[str, ranges.OneOf((*KEPT, OFFLOAD))]
)


def applies(how: Any, number: int) -> bool:
  """Whether a block is computed again.

  Args:
    how: `Remat`; False is never, and a number n is each n-th block.
    number: of the block, from 0.
  """
  is_number = not isinstance(how, bool | str)
  return bool(how) and (not is_number or number % how == 0)


def policy(how: Any) -> Callable[..., Any] | None:
  """Returns what `jax.checkpoint` calls a policy."""
  return KEPT.get(how) if isinstance(how, str) else None


def wrap_module(how: Any, block: type[nn.Module]) -> Callable[..., nn.Module]:
  """Returns a class of blocks that are computed again; how: `Simple`."""
  return nn.remat(block, policy=policy(how)) if how else block


def check(how: Any) -> None:
  """Refuses what the device of a run cannot do.

  Args:
    how: `Remat`, of a config.

  Raises:
    ValueError: where there is no host memory to offload to.
  """
  platform = devices.current().platform
  if how == OFFLOAD and platform not in _HOSTS:
    raise ValueError(
      "config.backbone.remat='offload': what blocks are given is kept in the "
      f'memory of the host, which a {platform} does not have beside its own; '
      f'there is {", ".join(map(repr, KEPT))} instead'
    )


def wrap(how: Any, function: Callable, in_loop: bool) -> Callable:
  """Returns a function (parameters, tokens) that is computed again.

  Where there is no host memory, and a step is traced to be described and not
  to be run, what is offloaded stays where it is.

  Args:
    how: `Remat`.
    function: of a block.
    in_loop: whether a loop keeps it from being merged with its repetition.
  """
  again = functools.partial(jax.checkpoint, prevent_cse=not in_loop)
  if how != OFFLOAD or devices.current().platform not in _HOSTS:
    return again(function, policy=policy(how))

  def named(given, x):
    return function(given, checkpoint_name(x, _GIVEN))

  kept = _policies.save_and_offload_only_these_names(
    names_which_can_be_saved=[],
    names_which_can_be_offloaded=[_GIVEN],
    offload_src='device',
    offload_dst='pinned_host',
  )
  return again(named, policy=kept)
