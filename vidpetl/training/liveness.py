"""Tells every process of a run at once when one of them is lost, and which.

JAX hears of a lost process when its heartbeats have stayed away for long, and
then aborts the others with a C++ stack. Here each process keeps a connection to
process 0. The kernel closes that of a process that ends, however it ends, and
gives up that of a host that is gone; process 0 passes on what it hears.

A message is a line of JSON, [event, text, status]: 'hello' (token and name,
once), 'alive', 'done', and 'ended', after which all end.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import secrets
import socket
import sys
import threading
from collections.abc import Callable

_BEAT = 5.0  # Seconds between two signs of life.
# A process may keep its interpreter busy for long: loading TensorFlow from a
# cold disk, for example. It is then alive, and so is its host's kernel.
_SILENCE = 60.0
_UNANSWERED = 10.0  # Seconds after which a host whose kernel is mute is gone.
_LONGEST = 1 << 16  # characters of a message
_LOST = 1  # Exit status of those that lost another.
_AGAIN = 'The same command goes on from the last checkpoint.'


def name(number: int) -> str:
  """Returns how sentences call this process."""
  return f'process {number} ({socket.gethostname()}, pid {os.getpid()})'


def leave(sentence: str, status: int) -> None:
  """Ends this process, although its main thread waits for those that are gone.

  Args:
    sentence: to print.
    status: of the process.
  """
  print(f'error: {sentence}', file=sys.stderr, flush=True)
  sys.stdout.flush()
  os._exit(status)


def show(sentence: str, status: int) -> None:
  """Prints what happened and where all threads are, and leaves the end to JAX.

  Args:
    sentence: to print.
    status: not used; JAX aborts.
  """
  del status
  print(f'error: {sentence}', file=sys.stderr, flush=True)
  faulthandler.dump_traceback(all_threads=True)


class Line:
  """A connection to another process."""

  def __init__(self, connection: socket.socket, silence: float):
    _have_kernel_watch(connection)
    connection.settimeout(silence)
    self._connection, self._silence = connection, silence
    self._lock = threading.Lock()
    self._file = connection.makefile('r', encoding='utf-8')

  def send(self, event: str, text: str = '', status: int = 0) -> None:
    """Sends a message; one who cannot hear it is reported by `hear`."""
    data = json.dumps([event, text, status]).encode() + b'\n'
    with self._lock, contextlib.suppress(OSError):
      self._connection.sendall(data)

  def close(self) -> None:
    """Lets the connection go."""
    self._file.close()
    self._connection.close()

  def hear(self) -> tuple[str, str, int] | str:
    """Returns the next message, or why there is none any more."""
    try:
      event, text, status = json.loads(self._file.readline(_LONGEST) or '[]')
      return str(event), str(text), int(status)
    except TimeoutError as error:
      if error.errno:  # of the kernel
        return 'its host does not answer'
      return f'it has not answered for {self._silence:g} s'
    except OSError as error:
      return error.strerror or str(error)
    except (TypeError, ValueError):  # nothing, half a line, or another's words
      return 'its connection was closed'


def _have_kernel_watch(connection: socket.socket) -> None:
  """Has the kernel give up a connection to a host that does not answer."""
  options = {
    'SO_KEEPALIVE': (socket.SOL_SOCKET, 1),
    'TCP_KEEPIDLE': (socket.IPPROTO_TCP, 4),
    'TCP_KEEPINTVL': (socket.IPPROTO_TCP, 2),
    'TCP_KEEPCNT': (socket.IPPROTO_TCP, 3),
    # What was sent and not acknowledged stops the probes.
    'TCP_USER_TIMEOUT': (socket.IPPROTO_TCP, int(1000 * _UNANSWERED)),
  }
  for option, (level, value) in options.items():
    if hasattr(socket, option):  # Not every system has all of them.
      connection.setsockopt(level, getattr(socket, option), value)


class Watch:
  """The connections of this process to others, and what it does if one ends."""

  def __init__(
    self,
    number: int,
    end: Callable[[str, int], None] = leave,
    silence: float = _SILENCE,
  ):
    """Watches nobody yet.

    Args:
      number: of this process.
      end: is told why this process has to end, and with which status; from
        another thread, and once.
      silence: seconds after which one who says nothing is lost.
    """
    self._me, self._end, self._silence = name(number), end, silence
    self._lines: list[Line] = []
    self._lock = threading.Lock()
    self._ending = False
    self._beat = threading.Event()
    _start(self._send_signs)

  def serve(self) -> tuple[int, str]:
    """Lets the others connect: of process 0.

    Returns:
      A port of this host, and a token that only the others know.
    """
    both = socket.has_dualstack_ipv6()
    server = socket.create_server(
      ('', 0),
      family=socket.AF_INET6 if both else socket.AF_INET,
      dualstack_ipv6=both,
    )
    token = secrets.token_hex(16)
    _start(self._accept, server, token)
    return server.getsockname()[1], token

  def connect(self, host: str, port: int, token: str) -> None:
    """Connects to process 0.

    Raises:
      OSError: if it cannot be reached.
    """
    line = Line(socket.create_connection((host, port), 30), self._silence)
    line.send('hello', f'{token} {self._me}')
    _, zero, _ = self._greeted(line)
    self._keep(line, zero)

  def done(self) -> None:
    """Says that this process has nothing left to do, and may end."""
    self._tell('done')

  def fail(self, why: str, status: int) -> None:
    """Ends the others; what they hear is not heard by this process.

    Args:
      why: a line.
      status: of all processes.
    """
    with self._lock:
      self._ending = True
    self._tell('ended', f'{self._me} failed: {why}', status)

  def _greeted(self, line: Line) -> tuple[str, str, int]:
    heard = line.hear()
    if isinstance(heard, str):
      line.close()
      raise ConnectionError(f'process 0 did not answer: {heard}')
    return heard

  def _accept(self, server: socket.socket, token: str) -> None:
    while True:
      line = Line(server.accept()[0], self._silence)
      _start(self._greet, line, token)

  def _greet(self, line: Line, token: str) -> None:
    heard = line.hear()
    words = 'a stranger' if isinstance(heard, str) else heard[1]
    given, _, other = words.partition(' ')
    if secrets.compare_digest(given.encode(), token.encode()):
      line.send('hello', self._me)
      self._keep(line, other)
    else:
      line.close()

  def _keep(self, line: Line, other: str) -> None:
    with self._lock:
      self._lines.append(line)
    _start(self._listen, line, other)

  def _listen(self, line: Line, other: str) -> None:
    done = False
    while not isinstance(heard := line.hear(), str):
      event, text, status = heard
      done |= event == 'done'
      if event == 'ended':
        self._finish(text, status)
    line.close()
    if not done:
      self._finish(f'{other} was lost: {heard}. {_AGAIN}', _LOST)

  def _finish(self, sentence: str, status: int) -> None:
    with self._lock:
      if self._ending:
        return
      self._ending = True
    self._tell('ended', sentence, status)
    self._end(sentence, status)

  def _tell(self, event: str, text: str = '', status: int = 0) -> None:
    with self._lock:
      lines = tuple(self._lines)
    for line in lines:
      line.send(event, text, status)

  def _send_signs(self) -> None:
    while not self._beat.wait(min(_BEAT, self._silence / 4)):
      self._tell('alive')


def _start(work: Callable[..., None], *arguments: object) -> None:
  threading.Thread(target=work, args=arguments, daemon=True).start()
