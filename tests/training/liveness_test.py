"""Processes that watch each other, without JAX."""

import json
import queue
import socket
import subprocess
import sys

import experiments
import pytest

from vidpetl.training import liveness

MEMBER = """
import sys, time
from vidpetl.training import liveness
watch = liveness.Watch(int(sys.argv[1]))
if sys.argv[1] == '0':
  print(*watch.serve(), flush=True)
else:
  watch.connect('localhost', int(sys.argv[2]), sys.argv[3])
  print('connected', flush=True)
for event in sys.stdin:
  if event == 'done\\n':
    watch.done()
  elif event == 'fail\\n':
    watch.fail('no such file', 2)
    sys.exit(2)
  print('told', flush=True)
"""


@pytest.fixture
def members():
  """Three processes, of which each has heard that the others are there."""
  started = []

  def start(*arguments):
    process = subprocess.Popen(
      [sys.executable, '-c', MEMBER, *arguments],
      cwd=experiments.ROOT,
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )
    started.append(process)
    return process.stdout.readline().split()

  address = start('0')
  for number in '12':
    assert start(number, *address) == ['connected']
  yield started
  for process in started:
    process.kill()
    process.communicate()


def tell(process, event):
  process.stdin.write(f'{event}\n')
  process.stdin.flush()


def ended(process):
  """Returns how a process ended, and what it said."""
  return process.wait(10), process.stderr.read()


@pytest.mark.parametrize('lost', [0, 2])
def test_who_is_killed_is_named_by_all_others(members, lost):
  members[lost].kill()
  pid = members[lost].pid
  for other in {0, 1, 2} - {lost}:
    status, said = ended(members[other])
    assert status == 1
    assert said.startswith(f'error: process {lost} ({socket.gethostname()}, ')
    assert f'pid {pid}) was lost: ' in said and said.count('\n') == 1


def test_who_fails_says_why_to_all_others(members):
  tell(members[1], 'fail')
  for process in members:
    status, said = ended(process)
    assert status == 2
    assert (said == '') == (process is members[1])
    if said:
      assert said.startswith('error: process 1 (')
      assert said.endswith(' failed: no such file\n')


def test_who_is_done_may_leave(members):
  one, two = members[1:]
  tell(two, 'done')
  two.stdout.readline()
  two.kill()
  two.wait()
  # It is known by now; the loss of another is still heard of.
  one.kill()
  _, said = ended(members[0])
  assert 'process 1 (' in said and 'process 2' not in said


def _serve(silence):
  """A watch of process 0; what ends it; and its port and token."""
  ended = queue.Queue()
  watch = liveness.Watch(0, lambda *what: ended.put(what), silence)
  return watch, ended, watch.serve()


def _greet(port, token):
  peer = socket.create_connection(('localhost', port))
  hello = json.dumps(['hello', f'{token} process 1 (other, pid 1)', 0])
  peer.sendall(hello.encode() + b'\n')
  return peer


def test_who_is_silent_is_lost():
  _, ended, address = _serve(silence=0.4)
  with _greet(*address):
    sentence, status = ended.get(timeout=10)
  assert sentence.startswith('process 1 (other, pid 1) was lost: ')
  assert 'not answered for 0.4 s' in sentence and status == 1


def test_strangers_end_nothing():
  _, ended, (port, token) = _serve(silence=60)
  for words in (b'', b'GET / HTTP/1.1\r\n\r\n', b'\xff\n', b'[1]\n', b'"a"\n'):
    with socket.create_connection(('localhost', port)) as stranger:
      stranger.sendall(words)
  with _greet(port, 'guessed'):
    pass
  with _greet(port, token):
    pass
  # Only the last one was one of us.
  assert ended.get(timeout=10)[0].startswith('process 1 (')
  assert ended.empty()


def test_the_kernel_gives_up_a_host_that_is_gone_within_ten_seconds():
  with socket.socket() as connection:
    liveness.Line(connection, 60)
    option = lambda name: connection.getsockopt(socket.IPPROTO_TCP, name)
    assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    if hasattr(socket, 'TCP_USER_TIMEOUT'):
      assert option(socket.TCP_USER_TIMEOUT) == 10_000
      probes = option(socket.TCP_KEEPINTVL) * option(socket.TCP_KEEPCNT)
      assert option(socket.TCP_KEEPIDLE) + probes <= 10
