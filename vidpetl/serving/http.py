"""The routes of a server.

  GET  /            the page
  GET  /health      whether it is there, and how many requests it has
  GET  /models      what can be asked, and the bounds of a request
  POST /predict     a form with `film`, and `run`, `task`, `overlay` if wanted
  GET  /example     a film that a run brings along, if it does
  GET  /drawn/NAME  a film with its answer drawn in

Whatever is refused has a status of 400 or more and {"error": "..."}.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib import parse

from absl import logging
from etils import epath
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message

from vidpetl.data import streams
from vidpetl.serving import drawn as drawn_lib
from vidpetl.serving import lanes as lanes_lib
from vidpetl.serving import shelf as shelf_lib
from vidpetl.serving.asked import Desk
from vidpetl.serving.limits import Limits, Refusal

_PAGE = epath.Path(__file__).parent / 'page'
# A page may load from this server alone, and be in no other page's frame.
_HEADERS = {
  'Content-Security-Policy': "default-src 'self'; img-src 'self' data:; "
  "frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cache-Control': 'no-store',
}
# Decoders count the edges that they put around a frame: as much again, and
# more where frames are small.
_EDGES = 1 << 20
_SWEEP = 10.0  # seconds
# Of a body that is refused: what is read of it, in bytes and seconds, so that
# the client comes to read the answer.
_REST, _PATIENCE = 1_000_000_000, 10.0


def build(
  runs: shelf_lib.Shelf,
  limits: Limits,
  hosts: Sequence[str] = ('*',),
  people: Any = None,
) -> Starlette:
  """Returns the server, which makes its folder when it starts.

  Args:
    runs: that can be asked.
    limits: of each request.
    hosts: names that the server may be called by; other pages of a browser
      cannot have it answer to theirs.
    people: see `question.Options`.
  """
  streams.bound_pixels(2 * limits.pixels + _EDGES)

  @contextlib.asynccontextmanager
  async def life(app: Starlette) -> AsyncIterator[None]:
    root = epath.Path(tempfile.mkdtemp(prefix='vidpetl-serve-'))  # 0700
    for name in ('uploads', 'drawn'):
      (root / name).mkdir(mode=0o700)
    films = drawn_lib.Drawn(root / 'drawn', limits)
    lanes = lanes_lib.Lanes(limits.waiting)
    app.state.root = root
    uploads = root / 'uploads'
    app.state.desk = Desk(runs, limits, lanes, uploads, films, people)
    sweeping = asyncio.create_task(_sweep(films))
    try:
      yield
    finally:
      sweeping.cancel()
      lanes.close()
      shutil.rmtree(root, ignore_errors=True)

  routes = [
    Route('/', _file('index.html')),
    *(Route(f'/{name}', _file(name)) for name in ('page.css', 'page.js')),
    Route('/health', _health),
    Route('/models', _models),
    Route('/example', _example),
    Route('/predict', _predict, methods=['POST']),
    Route('/drawn/{name}', _drawn),
  ]
  return Starlette(
    routes=routes,
    lifespan=life,
    middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))],
    exception_handlers={HTTPException: _http_error, Refusal: _refused},
  )


async def _sweep(films: drawn_lib.Drawn) -> None:
  while True:
    await asyncio.sleep(_SWEEP)
    films.sweep()


def _file(name: str):
  async def send(request: Request) -> Response:
    del request
    return FileResponse(_PAGE / name, headers=_HEADERS)

  return send


async def _health(request: Request) -> Response:
  taken = request.app.state.desk.lanes.taken
  return _json({'status': 'ok', 'requests': taken})


async def _models(request: Request) -> Response:
  desk = request.app.state.desk
  return _json(
    {
      'models': desk.runs.describe(),
      'limits': dataclasses.asdict(desk.limits),
    }
  )


async def _example(request: Request) -> Response:
  runs = request.app.state.desk.runs
  run, _ = runs.choose(request.query_params.get('run', ''))
  if run.example is None:
    raise Refusal(404, f'{run.name} brings no film along: send your own.')
  return FileResponse(run.example, headers=_HEADERS)


async def _predict(request: Request) -> Response:
  body = _Body(request)
  try:
    _check_origin(request)
    return _json(
      await request.app.state.desk.answer(Request(request.scope, body.receive))
    )
  except Refusal:
    await body.drain()
    raise
  except Exception:
    logging.exception('A request failed.')
    return _json(
      {
        'error': 'The server failed at this film; its log says where. Try '
        'another film, and report this one.'
      },
      500,
    )


class _Body:
  """What a client sends."""

  def __init__(self, request: Request):
    self._request, self._ended = request, False

  async def receive(self) -> Message:
    """Returns the next message of ASGI."""
    message = await self._request.receive()
    self._ended |= not message.get('more_body', False)
    return message

  async def drain(self) -> None:
    """Reads on for a while, as clients read no answer while they send."""
    read = 0
    with contextlib.suppress(TimeoutError):
      async with asyncio.timeout(_PATIENCE):
        while not self._ended and read < _REST:
          read += len((await self.receive()).get('body', b''))


def _check_origin(request: Request) -> None:
  """Refuses what pages of other servers send through a user's browser."""
  origin = request.headers.get('origin')
  if origin and parse.urlsplit(origin).netloc != request.headers.get('host'):
    raise Refusal(403, 'Another page sent this: use the page of this server.')


async def _drawn(request: Request) -> Response:
  path = request.app.state.desk.drawn.find(request.path_params['name'])
  if path is None:
    raise Refusal(404, 'This film is no longer kept: ask again.')
  return FileResponse(path, media_type='video/mp4', headers=_HEADERS)


async def _refused(request: Request, error: Exception) -> Response:
  del request
  response = _json({'error': error.reason}, error.status)
  if error.retry_after:
    response.headers['Retry-After'] = str(error.retry_after)
  return response


async def _http_error(request: Request, error: Exception) -> Response:
  del request
  return _json({'error': f'{error.detail}.'}, error.status_code)


def _json(content, status: int = 200) -> JSONResponse:
  return JSONResponse(content, status, headers=_HEADERS)
