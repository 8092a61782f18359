"""A run that trains with others, as what writes its folder sees it."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax

from vidpetl.experiment import state as state_lib
from vidpetl.training import identity
from vidpetl.training import run as run_lib

State = state_lib.TrainState


@dataclasses.dataclass
class Member(run_lib.Run):
  """A run that trains with others.

  Attributes:
    lead: whose devices, parameters and, where they are the same, data it has.
    memory: state before step 0 of the latest seed, of all members.
  """

  lead: Any = None
  memory: dict[Any, Any] = dataclasses.field(default_factory=dict, repr=False)

  @property
  def has_own_data(self) -> bool:
    return self.train is not self.lead.train

  @property
  def data(self) -> dict[str, Any]:
    return identity.data_of(self) if self.has_own_data else self.lead.data

  def init_state(
    self,
    resuming: bool = False,
    evaluation: bool = False,
    seed: int | None = None,
  ) -> tuple[State, str]:
    """See `Run.init_state`: that of the lead, made once for each seed."""
    seed = self.config.seed if seed is None else seed
    key = resuming, evaluation, seed
    if key not in self.memory:
      self.memory.clear()
      before = len(self.lead.notes)
      made = self.lead.init_state(*key)
      self.memory[key] = *made, self.lead.report, self.lead.notes[before:]
    state, origin, self.report, notes = self.memory[key]
    self.notes += notes
    self.source = self.lead.source
    return self.own(state), origin

  def hash_frozen(self, state: State) -> str:
    if 'hash' not in self.memory:
      self.memory['hash'] = self.lead.hash_frozen(state)
    return self.memory['hash']

  def own(self, state: State) -> State:
    """Returns a state of the lead with the optimizer's state as it is here.

    They hold the same arrays, but not the same empty places.
    """
    like = jax.eval_shape(self.tx.init, state.params)
    return state.replace(opt_state=put_in(like, state.opt_state))


def put_in(like: Any, tree: Any) -> Any:
  """Returns the leaves of a tree in the places of another."""
  return jax.tree.unflatten(jax.tree.structure(like), jax.tree.leaves(tree))
