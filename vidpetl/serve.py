"""Serves a page that answers films which are dropped on it, and HTTP.

  python -m vidpetl.serve --run=RUN [--run=RUN …] [--port=8000]

Each RUN is one that `vidpetl predict` takes. Packages that were trained on the
same backbone share it in memory. The page is at http://127.0.0.1:8000; other
machines see it with --host=0.0.0.0, which asks no one for a password.

  curl -F film=@clip.mp4 http://127.0.0.1:8000/predict

Uploads lie in a private temporary folder until they are answered.
"""

from __future__ import annotations

import importlib.util
from typing import Annotated

from absl import app, flags, logging
from etils import epy

from vidpetl import bounded, cli, ranges

with epy.lazy_imports():
  import uvicorn

  from vidpetl.inference import question
  from vidpetl.serving import http, limits, shelf

_NEEDED = ('starlette', 'uvicorn', 'python_multipart')
_LOCAL = ('127.0.0.1', 'localhost', '[::1]')
# Seconds that answers have to be sent when the server is ended.
_GRACE = 3


def define_flags() -> None:
  """Defines the command line."""
  flags.DEFINE_multi_string('run', None, 'A trained model; may be repeated.')
  flags.DEFINE_string('backbone', '', 'Of packages: a run or a file.')
  flags.DEFINE_string(
    'detector', '', 'Finds people, as that of predict; one is built in.'
  )
  flags.DEFINE_string('host', '127.0.0.1', 'Address that is listened on.')
  bounded.define(
    'port',
    8000,
    Annotated[int, ranges.Between(0, 65535)],
    'Port; 0 takes a free one.',
  )
  flags.DEFINE_bool('warm', True, 'Compiles everything before it listens.')
  bounded.define('max_megabytes', 200.0, ranges.Positive, 'Of an upload.')
  bounded.define('max_seconds', 600.0, ranges.Positive, 'Of a film.')
  bounded.define('max_pixels', 4096 * 4096, ranges.Count, 'Of a frame.')
  bounded.define('timeout', 300.0, ranges.Positive, 'Seconds for a request.')
  bounded.define(
    'waiting', 16, ranges.Count, 'Requests that wait; more are refused.'
  )
  bounded.define(
    'short', 30.0, ranges.Positive, 'Seconds of films that overtake longer.'
  )
  bounded.define(
    'keep', 600.0, ranges.Positive, 'Seconds that drawn films are kept.'
  )
  flags.mark_flag_as_required('run')


def main(argv: list[str]) -> None:
  """Runs the command line."""
  args = flags.FLAGS
  if len(argv) > 1:
    raise app.UsageError('Films are sent to the server; give runs by --run.')
  check_installed()
  logging.set_verbosity(logging.ERROR)
  bounds = limits.Limits(
    megabytes=args.max_megabytes,
    seconds=args.max_seconds,
    pixels=args.max_pixels,
    timeout=args.timeout,
    waiting=args.waiting,
    short=args.short,
    keep=args.keep,
  )
  runs = shelf.Shelf(args.run, args.backbone)
  for what in runs.warm() if args.warm else ():
    print(f'compiled {what}', flush=True)
  local = args.host in ('127.0.0.1', 'localhost', '::1')
  hosts = _LOCAL if local else ('*',)
  # A detector is read once.
  people = question.Options(people=args.detector or None).people
  server = http.build(runs, bounds, hosts, people)
  _listen(server, args.host, args.port)


def check_installed() -> None:
  """Raises ValueError if the extra is missing."""
  missing = [name for name in _NEEDED if not importlib.util.find_spec(name)]
  if missing:
    raise ValueError(
      f'serve needs {", ".join(missing)}: pip install "vidpetl[serve]".'
    )


def _listen(server, host: str, port: int) -> None:
  config = uvicorn.Config(
    server,
    host=host,
    port=port,
    log_level='warning',
    timeout_graceful_shutdown=_GRACE,
    server_header=False,
  )
  socket = config.bind_socket()
  place = f'[{host}]' if ':' in host else host
  print(f'http://{place}:{socket.getsockname()[1]}', flush=True)
  uvicorn.Server(config).run(sockets=[socket])


if __name__ == '__main__':
  cli.run(define_flags, main)
