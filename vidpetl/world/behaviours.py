"""What people do in terms of poses and acts, and how scripts are drawn."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from vidpetl.world.figure import Action
from vidpetl.world.motions import Style

# Those with a free mouth and no other business, who may talk or watch.
_SOCIABLE = ('stand', 'sit', 'walk')
# Without these one cannot do that.
_FURNISHING = {'sit': ('seat',), 'climb': ('ladder',)}
# Gestures that, held still, show nothing.
_HELD = ('wave', 'clap', 'throw')
_HELD_SHARE = 0.15


@dataclasses.dataclass(frozen=True)
class Behaviour:
  """A pose, what the hands do, and the actions that are thereby shown."""

  pose: str
  act: str | None = None

  @property
  def shows(self) -> frozenset[str]:
    """Names of actions; someone on a ladder stands, as far as poses go."""
    pose = {'stand', 'climb'} if self.pose == 'climb' else {self.pose}
    return frozenset(pose | ({self.act} if self.act else set()))


BEHAVIOURS: Mapping[str, Behaviour] = {
  'stand': Behaviour('stand'),
  'sit': Behaviour('sit'),
  'walk': Behaviour('walk'),
  'run': Behaviour('run'),
  'bend': Behaviour('bend'),
  'crouch': Behaviour('crouch'),
  'dance': Behaviour('dance'),
  'get_up': Behaviour('get_up'),
  'fall': Behaviour('fall'),
  'lie': Behaviour('lie'),
  'martial_art': Behaviour('martial_art'),
  'jump': Behaviour('jump'),
  'climb': Behaviour('climb'),
  'stand_carry': Behaviour('stand', 'carry'),
  'walk_carry': Behaviour('walk', 'carry'),
  'sit_carry': Behaviour('sit', 'carry'),
  'stand_clap': Behaviour('stand', 'clap'),
  'sit_clap': Behaviour('sit', 'clap'),
  'stand_wave': Behaviour('stand', 'wave'),
  'sit_wave': Behaviour('sit', 'wave'),
  'throw': Behaviour('stand', 'throw'),
  'lift': Behaviour('stand', 'lift'),
  'put_down': Behaviour('stand', 'put_down'),
  'push': Behaviour('walk', 'push'),
  'pull': Behaviour('walk', 'pull'),
  'open': Behaviour('stand', 'open'),
  'close': Behaviour('stand', 'close'),
}


def shown(action: Action) -> frozenset[str]:
  """Names of what someone shows: his pose, what he does, talk and watch."""
  act = next((a for a in action.acts if a in _ACTS), None)
  if action.act_style.held:
    act = 'carry' if act == 'throw' else None
  names = set(Behaviour(action.pose, act).shows)
  if 'talk' in action.acts or 'speak' in action.acts:
    names.add('talk')
  if 'watch' in action.acts:
    names.add('watch')
  return frozenset(names)


_ACTS = frozenset(b.act for b in BEHAVIOURS.values() if b.act)


def script(
  rng: np.random.Generator,
  names: Sequence[str],
  cuts: Sequence[float],
  sociable: bool,
) -> tuple[Action, ...]:
  """Draws what someone does, one behaviour after the other.

  Args:
    rng: of styles, gestures and company.
    names: of behaviours.
    cuts: when each begins and, last, when the last one ends, in seconds.
    sociable: others are there to be talked to or watched.

  Returns:
    One action per name.
  """
  return tuple(
    _action(rng, BEHAVIOURS[name], start, end, sociable)
    for name, start, end in zip(names, cuts[:-1], cuts[1:])
  )


def _action(
  rng: np.random.Generator,
  behaviour: Behaviour,
  start: float,
  end: float,
  sociable: bool,
) -> Action:
  """Draws style, company and, for idle hands, a gesture held still."""
  style = Style.draw(rng)
  idle = behaviour.pose in ('stand', 'sit') and behaviour.act is None
  held = idle and rng.uniform() < _HELD_SHARE
  acts = list(_FURNISHING.get(behaviour.pose, ()))
  if behaviour.act:
    acts.append(behaviour.act)
  elif held:
    acts.append(_HELD[rng.integers(len(_HELD))])
  if sociable and behaviour.pose in _SOCIABLE:
    acts += _company(rng, busy=bool(behaviour.act or held))
  return Action(
    start=start,
    end=end,
    pose=behaviour.pose,
    acts=tuple(acts),
    style=style,
    act_style=Style.draw(rng, held),
    facing=int(rng.choice([-1, 1])),
  )


def _company(rng: np.random.Generator, busy: bool) -> list[str]:
  """Talks and watches, does one of them, or hangs the head."""
  acts = []
  if rng.uniform() < 0.42:
    acts.append('speak' if busy else 'talk')
  if rng.uniform() < 0.55:
    acts.append('watch')
  return acts or ['ignore']


def deal(
  rng: np.random.Generator, shares: Mapping[str, float], count: int
) -> list[str]:
  """Deals behaviours in fixed numbers, shuffled.

  Numbers go by largest remainder, so that a rare behaviour is as frequent as
  its share says and not by luck.

  Args:
    rng: of the order.
    shares: name -> relative frequency.
    count: how many to deal.

  Returns:
    `count` names.
  """
  names = list(shares)
  exact = np.array([shares[n] for n in names]) * count / sum(shares.values())
  numbers = np.floor(exact).astype(int)
  most = np.argsort(-(exact - numbers), kind='stable')
  numbers[most[: count - numbers.sum()]] += 1
  dealt = [n for n, k in zip(names, numbers.tolist()) for _ in range(k)]
  return [dealt[i] for i in rng.permutation(count)]
