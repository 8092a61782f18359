"""Runs one program as several JAX processes on this machine, on its CPU.

  python launch/multiprocess.py --processes=2 --devices=4 -- \
    --config=configs/cofinetune_ava.py:demo --workdir=demo/run

is a pod in miniature: each process sees its own devices and they talk over
localhost. Lines of output begin with the number of their process. SIGINT and
SIGTERM go to all of them; if one fails, the others are stopped, and its exit
code is this program's. One that was interrupted and has saved (75) is no
failure: the others were, too, and end by themselves.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence

# For a process that was told to stop to write its checkpoint.
PATIENCE_SECONDS = 60.0
# For those that fail together to be gone, so that the cause is among them.
SETTLING_SECONDS = 1.0
# What `vidpetl train` leaves with when it was told to stop and has saved.
INTERRUPTED = os.EX_TEMPFAIL


def parse(argv: Sequence[str]) -> argparse.Namespace:
  """Splits own arguments from those of the program at '--'."""
  argv = list(argv)
  split = argv.index('--') if '--' in argv else len(argv)
  parser = argparse.ArgumentParser(
    description='Runs one program as several JAX processes on the CPU.',
    epilog='What stands after -- is handed to the program.',
    allow_abbrev=False,
  )
  parser.add_argument('--processes', type=int, default=2)
  parser.add_argument(
    '--devices', type=int, default=1, help='devices of each process'
  )
  parser.add_argument(
    '--module', default='vidpetl.main', help='what to run, as python -m does'
  )
  args = parser.parse_args(argv[:split])
  for name in ('processes', 'devices'):
    if getattr(args, name) < 1:
      parser.error(f'--{name} must be at least 1.')
  args.arguments = argv[split + 1 :]
  return args


def free_port() -> int:
  with socket.socket() as s:
    s.bind(('127.0.0.1', 0))
    return s.getsockname()[1]


def start(args: argparse.Namespace) -> Iterator[subprocess.Popen]:
  """Starts the processes one by one, each in its own group."""
  env = dict(os.environ, JAX_PLATFORMS='cpu', PYTHONUNBUFFERED='1')
  env['XLA_FLAGS'] = ' '.join(
    filter(
      None,
      [
        env.get('XLA_FLAGS'),
        f'--xla_force_host_platform_device_count={args.devices}',
      ],
    )
  )
  address = f'127.0.0.1:{free_port()}'
  for rank in range(args.processes):
    yield subprocess.Popen(
      [
        sys.executable,
        '-m',
        args.module,
        *args.arguments,
        f'--coordinator_address={address}',
        f'--num_processes={args.processes}',
        f'--process_id={rank}',
      ],
      env=env,
      stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
      # A Ctrl-C in the terminal would reach them twice otherwise.
      start_new_session=True,
    )


def relay(rank: int, process: subprocess.Popen, lock: threading.Lock) -> None:
  """Copies a process's output, line by line."""
  for line in process.stdout:
    with lock:
      sys.stdout.buffer.write(b'[%d] ' % rank + line.rstrip(b'\n') + b'\n')
      sys.stdout.buffer.flush()


def stop(processes: Sequence[subprocess.Popen]) -> None:
  """Ends what still runs, by force if asking does not help."""
  for process in processes:
    if process.poll() is None:
      process.terminate()
  deadline = time.monotonic() + PATIENCE_SECONDS
  for process in processes:
    try:
      process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
      process.kill()
      process.wait()


def cause(codes: Sequence[int]) -> int:
  """Returns which of several exit codes to report, as a shell would.

  One that a signal ended is the cause of what its peers then say: they end
  because it was lost.
  """
  code = next((c for c in codes if c < 0), codes[0])
  return code if code > 0 else 128 - code


def wait(
  processes: Sequence[subprocess.Popen], told_to_end: threading.Event
) -> int:
  """Returns the exit code of the first failure, once all have ended.

  Args:
    processes: that run.
    told_to_end: set when a signal was forwarded; the processes are then on
      their way out, each in its own time.
  """
  running, failure = list(processes), 0
  while running:
    if failure == 0 and any(p.poll() for p in running):
      # A peer may be gone before the system has cleared away what it lost.
      time.sleep(SETTLING_SECONDS)
    ended = [p for p in running if p.poll() is not None]
    running = [p for p in running if p not in ended]
    codes = [p.returncode for p in ended if p.returncode != 0]
    if codes and failure == 0:
      failure = cause(codes)
      if failure != INTERRUPTED and not told_to_end.is_set():
        stop(running)
    time.sleep(0.05)
  return failure


def main(argv: Sequence[str]) -> int:
  args = parse(argv)
  processes: list[subprocess.Popen] = []
  told_to_end = threading.Event()

  def forward(number, _frame):
    told_to_end.set()
    for process in processes:
      if process.poll() is None:
        process.send_signal(number)

  for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, forward)
  lock = threading.Lock()
  relays: list[threading.Thread] = []
  try:
    for rank, process in enumerate(start(args)):
      processes.append(process)
      relays.append(threading.Thread(target=relay, args=(rank, process, lock)))
      relays[-1].start()
    return wait(processes, told_to_end)
  finally:
    stop(processes)
    for thread in relays:
      thread.join()


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))
