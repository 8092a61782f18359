"""One request: a form is read, its film is looked at, and its run is asked."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import math
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from etils import epath
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from vidpetl import mistakes
from vidpetl.data import decode
from vidpetl.data.kinds import localisation
from vidpetl.inference.overlay import film as film_lib
from vidpetl.inference.question import Options
from vidpetl.serving import drawn as drawn_lib
from vidpetl.serving import lanes as lanes_lib
from vidpetl.serving import opening, shelf, uploads
from vidpetl.serving.limits import Limits, Refusal

# Seconds between looks at whether the client is still there.
_LOOK = 0.25
_FILM = 'upload'
_FIELDS = ('run', 'task', 'overlay', 'difficulty', 'action')


@dataclasses.dataclass(frozen=True)
class Desk:
  """What requests are answered with.

  Attributes:
    runs: that can be asked.
    limits: of each request.
    lanes: where requests wait.
    folder: private, of uploads.
    drawn: films to be fetched.
    people: finds people, where a task asks for them; see `Options`.
  """

  runs: shelf.Shelf
  limits: Limits
  lanes: lanes_lib.Lanes
  folder: epath.Path
  drawn: drawn_lib.Drawn
  people: Any

  async def answer(self, request: Request) -> dict[str, Any]:
    """Returns what is said of an uploaded film, in json's types.

    Raises:
      Refusal: if it cannot be answered.
    """
    deadline = time.monotonic() + self.limits.timeout
    with self.lanes.seat():
      async with self._private_folder() as folder:
        path = folder / _FILM
        try:
          form = await self._received(request, path, deadline)
          return await self._answered(request, form, deadline)
        except Refusal as error:
          # Where uploads lie is nobody's business.
          reason = error.reason.replace(str(path), 'the film')
          raise Refusal(error.status, reason, error.retry_after) from error

  @contextlib.asynccontextmanager
  async def _private_folder(self) -> AsyncIterator[epath.Path]:
    folder = tempfile.mkdtemp(dir=self.folder)  # of mode 0700
    try:
      yield epath.Path(folder)
    finally:
      # A thread that still reads what is dropped finds that the file ends.
      with contextlib.suppress(FileNotFoundError):
        os.truncate(epath.Path(folder) / _FILM, 0)
      shutil.rmtree(folder, ignore_errors=True)

  async def _received(
    self, request: Request, path: epath.Path, deadline: float
  ) -> uploads.Form:
    try:
      async with asyncio.timeout(deadline - time.monotonic()):
        return await uploads.receive(request, path, self.limits)
    except TimeoutError:
      raise Refusal(
        408,
        f'The upload took longer than {self.limits.timeout:g} s: send the '
        'film smaller.',
      ) from None
    except ClientDisconnect:
      raise Refusal(499, 'The client has gone.') from None

  async def _answered(
    self, request: Request, form: uploads.Form, deadline: float
  ) -> dict[str, Any]:
    if unknown := sorted(form.fields.keys() - set(_FIELDS)):
      raise Refusal(
        400,
        f'No field {", ".join(unknown)[:80]!r}; there are: film, '
        f'{", ".join(_FIELDS)}.',
      )
    fields = form.fields
    run, task = self.runs.choose(fields.get('run', ''), fields.get('task', ''))
    options = Options(people=self._people(run, task), **_chosen(fields))
    draws = _is_true(fields.get('overlay', ''))
    effort = await run_in_threadpool(
      opening.check,
      str(form.path),
      form.label,
      self.runs.fps(run, task),
      self.limits,
    )
    job = lanes_lib.Job(
      lambda check: self._work(form, run, task, options, draws, check), deadline
    )
    self.lanes.submit(job, effort <= self.limits.short)
    return await self._waited(request, job)

  def _people(self, run: shelf.Run, task: str) -> Any:
    asks = self.runs.kind(run, task) == localisation.KIND.name
    return self.people if asks else None

  async def _waited(self, request: Request, job: lanes_lib.Job) -> Any:
    result = asyncio.wrap_future(job.future)
    try:
      while not result.done():
        await asyncio.wait({result}, timeout=_LOOK)
        if not result.done() and time.monotonic() > job.deadline:
          raise self._late()
        if not result.done() and await request.is_disconnected():
          raise Refusal(499, 'The client has gone.')
      return result.result()
    except lanes_lib.Dropped:
      raise self._late() from None
    except ValueError as error:
      if mistakes.is_mistake(error):
        raise Refusal(422, str(error)) from error
      raise
    finally:
      self.lanes.drop(job)
      # Nobody else asks for what a dropped job ends with.
      result.add_done_callback(lambda r: r.cancelled() or r.exception())

  def _late(self) -> Refusal:
    return Refusal(
      504,
      f'No answer within {self.limits.timeout:g} s; the work is dropped. Send '
      'a shorter film, or try again when the server is less busy.',
    )

  def _work(
    self,
    form: uploads.Form,
    run: shelf.Run,
    task: str,
    options: Options,
    draws: bool,
    check: Callable[[], None],
  ) -> dict[str, Any]:
    """Returns the answer of a film, on a thread of the lanes."""
    film = str(form.path)
    answer = self.runs.answer(run, task, film, options, check)
    said = finite(answer.to_json())
    said |= {'film': form.label, 'run': run.name, 'adapter': run.adapter}
    if draws:
      said['overlay'] = f'/drawn/{self._draw(film, answer.painter(), check)}'
    return said

  def _draw(self, film: str, paint: Any, check: Callable[[], None]) -> str:
    def painted(frame, seconds):
      check()
      return paint(frame, seconds)

    out = self.drawn.new()
    try:
      film_lib.write(film, out, painted)
    except decode.DecodeError as error:
      raise opening.unreadable(error) from None
    return self.drawn.keep(out)


def _is_true(word: str) -> bool:
  if word.lower() not in ('', '0', 'false', 'off', '1', 'true', 'on'):
    raise Refusal(400, f'overlay is {word[:20]!r}; it is 0 or 1.')
  return word.lower() in ('1', 'true', 'on')


def _chosen(fields: dict[str, str]) -> dict[str, Any]:
  """Returns what a form chooses of `Options`."""
  difficulty = fields.get('difficulty')
  try:
    number = float(difficulty) if difficulty else None
  except ValueError:
    number = math.nan
  if number is not None and not math.isfinite(number):
    raise Refusal(400, f'difficulty is {difficulty[:20]!r}; it is a number.')
  return {'difficulty': number, 'action': fields.get('action', '')}


def finite(value: Any) -> Any:
  """Returns a value of json's types in which what is no number is null."""
  if isinstance(value, dict):
    return {key: finite(each) for key, each in value.items()}
  if isinstance(value, list | tuple):
    return [finite(each) for each in value]
  if isinstance(value, float) and not math.isfinite(value):
    return None
  return value
