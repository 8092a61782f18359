"""Commands that are killed at random moments, and go on."""

from __future__ import annotations

import dataclasses
import random
import shutil
import signal
from collections.abc import Callable, Sequence

from etils import epath

from launch.chaos import commands, left, resumption, small, tally

_EVERY = 6
_STEPS = 4 * _EVERY
# One in so many is asked to stop, which a cluster does, or a user.
_SIGNALS = (*[signal.SIGKILL] * 6, signal.SIGTERM, signal.SIGINT)
# With what a process may end that gets a signal: it had just finished; it
# saved; or the signal itself, before there was anything to save.
_CODES = {
  signal.SIGKILL: {0, -signal.SIGKILL},
  signal.SIGTERM: {0, 75, -signal.SIGTERM},
  signal.SIGINT: {0, 75, 130, -signal.SIGINT},
}
# Kills before a command is left alone.
_IN_A_ROW = 3
# One in so many is killed while it starts; all others when it has begun.
_AT_START = 4


@dataclasses.dataclass(frozen=True)
class Killed:
  """A command, and what it is to leave.

  Attributes:
    name: of it.
    words: (folder of inputs, folder to write) -> behind `python -m`.
    left: folder -> what is compared.
    before: makes the folder, if it does not begin without one.
  """

  name: str
  words: Callable[[epath.Path, epath.Path], list[str]]
  left: Callable[[epath.Path], left.Left]
  before: Callable[[epath.Path, epath.Path], None] | None = None


def _train(inputs: epath.Path, folder: epath.Path) -> list[str]:
  config = f'--config={inputs / "config.py"}'
  return ['vidpetl.main', config, f'--workdir={folder}']


def _evaluate(inputs: epath.Path, folder: epath.Path) -> list[str]:
  return [*_train(inputs, folder), '--config.mode=eval']


def _trained(inputs: epath.Path, folder: epath.Path) -> None:
  whole = inputs / 'trained'
  if not whole.exists():
    done = commands.run(_train(inputs, whole), whole, inputs / 'trained.log')
    if done.code:
      raise RuntimeError(f'training: {done.output}')
  shutil.copytree(whole, folder)


def _prepare(inputs: epath.Path, folder: epath.Path) -> list[str]:
  raw = f'--raw={inputs / "films" / "hmdb51"}'
  return ['vidpetl.prepare', '--dataset=hmdb51_1', raw, f'--out={folder}']


_RATES = 'config.optimizer.learning_rate=0.001|0.002'
_METRIC = f'--metric={small.TASK}/top1'


def _sweep(inputs: epath.Path, folder: epath.Path) -> list[str]:
  _, *rest = _train(inputs, folder)
  return ['vidpetl.sweep', *rest, f'--over={_RATES}', _METRIC]


def _folds(inputs: epath.Path, folder: epath.Path) -> list[str]:
  _, *rest = _train(inputs, folder)
  average = '--average=arithmetic'
  return ['vidpetl.folds', *rest, f'--folds={_RATES}', _METRIC, average]


COMMANDS = (
  Killed('training', _train, left.by_run),
  Killed('evaluation', _evaluate, left.by_run, _trained),
  Killed('prepare', _prepare, left.by_prepare),
  Killed('sweep', _sweep, left.by_runs),
  Killed('folds', _folds, left.by_runs),
)


def run(
  count: int,
  seed: int,
  out: epath.Path,
  counts: tally.Tally,
  killed: Sequence[Killed] = COMMANDS,
) -> None:
  """Kills each command `count` times.

  Args:
    count: of kills.
    seed: of the moments.
    out: folder for films and runs.
    counts: gets the outcomes.
    killed: the commands.
  """
  inputs = out / 'kills'
  small.films(inputs)
  made = small.config(
    inputs / 'films', every=_EVERY, steps=_STEPS, checkpoint__every=4
  )
  small.write(made, inputs / 'config.py')
  for command in killed:
    rng = random.Random(f'{seed} {command.name}')
    _Series(command, inputs, rng).run(count, counts)


class _Series:
  """The kills of one command."""

  def __init__(self, command: Killed, inputs: epath.Path, rng: random.Random):
    self.command, self.inputs, self.rng = command, inputs, rng
    self.part = f'kills: {command.name}'
    self.folder = inputs / command.name
    shutil.rmtree(self.folder, ignore_errors=True)
    self.folder.mkdir(parents=True)

  def run(self, count: int, counts: tally.Tally) -> None:
    for _ in range(2):  # The first one compiles.
      unbroken = self._begin('unbroken')
      done = self._once(unbroken)
      if done.code:
        raise RuntimeError(f'{self.command.name}: {done.output}')
    self.seconds, self.appeared = done.seconds, done.appeared
    wanted = self.command.left(unbroken)
    done = 0
    for trial in range(2 * count):  # Some are too late for any kill.
      kills = min(_IN_A_ROW, count - done)
      if not kills:
        break
      done += self._trial(f'trial{trial}', kills, wanted, counts)
      counts.say(self.part)

  def _begin(self, name: str) -> epath.Path:
    # All are called alike: what a run leaves has its name in it.
    folder = self.folder / name / 'run'
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(exist_ok=True)
    if self.command.before:
      self.command.before(self.inputs, folder)
    return folder

  def _once(self, folder: epath.Path, kill=None) -> commands.Ended:
    words = self.command.words(self.inputs, folder)
    return commands.run(words, folder, folder.parent / 'log', kill)

  def _trial(self, name: str, kills: int, wanted, counts: tally.Tally) -> int:
    """Kills it up to `kills` times, lets it end, and compares.

    Returns:
      How often it was killed: it may end before a signal comes.
    """
    folder, moments, wrong, ended = self._begin(name), [], [], False
    while len(moments) < kills and not ended:
      moment = self._moment(len(moments))
      done, lost = self._watched(folder, moment)
      wrong += lost
      ended = not done.signalled or done.code is None
      if done.signalled:
        moments.append(f'{moment.told} ended with {done.code}')
        wrong += _unruly(moment, done)
    if not ended:
      done, lost = self._watched(folder)
      wrong += lost
    outcome = self._outcome(folder, done, wrong, wanted)
    for _ in moments:
      counts.add(self.part, outcome, moments=moments, folder=str(folder))
    return len(moments)

  def _watched(
    self, folder: epath.Path, kill: _Moment | None = None
  ) -> tuple[commands.Ended, list[str]]:
    """Runs it once; returns also where it did not go on as it should."""
    before = resumption.saved(folder)
    done = self._once(folder, kill)
    said = (folder.parent / 'log').read_bytes().decode(errors='replace')
    ended = not done.signalled
    return done, resumption.lost(before, said, ended, _STEPS)

  def _outcome(
    self, folder: epath.Path, done: commands.Ended, wrong: list[str], wanted
  ) -> tally.Outcome:
    if done.code is None:
      return tally.Outcome('hang', done.output)
    if done.code:
      wrong = [*wrong, f'exit {done.code}: {done.output}']
    if wrong:
      return tally.Outcome('differs', '; '.join(wrong))
    return self._compared(folder, wanted)

  def _compared(self, folder: epath.Path, wanted) -> tally.Outcome:
    try:
      found = left.differences(self.command.left(folder), wanted)
    except Exception as error:
      return tally.Outcome('differs', f'{type(error).__name__}: {error}')
    return tally.Outcome('differs' if found else 'same', '; '.join(found))

  def _moment(self, earlier: int) -> _Moment:
    """Draws when it is killed, after so many earlier kills."""
    number = self.rng.choice(_SIGNALS)
    if not self.rng.randrange(_AT_START):
      return _Moment(number, self.rng.uniform(0, self.appeared), False)
    # The more often it went on, the less there is left to do.
    least = (self.seconds - self.appeared) / (1 + earlier)
    return _Moment(number, self.rng.uniform(0, least), True)


def _unruly(moment: _Moment, done: commands.Ended) -> list[str]:
  """Returns what is wrong with how a process ended that got a signal."""
  if done.code in _CODES[moment.number]:
    return []
  return [f'{moment.told} ended with {done.code}: {done.output}']


class _Moment:
  """When a process is killed."""

  def __init__(self, number: int, seconds: float, begun: bool):
    """Sets the moment.

    Args:
      number: of the signal.
      seconds: from the start, or from the first file that it writes.
      begun: which of the two.
    """
    self.number, self._seconds, self._begun = number, seconds, begun
    self._since = None
    behind = 'its first file' if begun else 'its start'
    name = signal.Signals(number).name
    self.told = f'{name} {seconds:.2f} s behind {behind}'

  def __call__(self, passed: float, appeared: bool) -> int | None:
    if not self._begun:
      return self.number if passed >= self._seconds else None
    if appeared and self._since is None:
      self._since = passed
    if self._since is None or passed - self._since < self._seconds:
      return None
    return self.number
