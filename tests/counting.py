"""A command that counts, saves where it is, and goes on there.

  python -m tests.counting FOLDER [forgets]

One that forgets begins anew.
"""

import pathlib
import sys
import time

STEPS = 24


def main(folder, *fault):
  folder = pathlib.Path(folder)
  saved = folder / 'checkpoints'
  saved.mkdir(parents=True, exist_ok=True)
  done = max((int(path.name) for path in saved.iterdir()), default=0)
  if done and not fault:
    print(f'Resuming at step {done} of {STEPS} from {saved} ', flush=True)
  for step in range(0 if fault else done, STEPS):
    time.sleep(0.05)
    (saved / str(step + 1)).mkdir(exist_ok=True)


if __name__ == '__main__':
  main(*sys.argv[1:])
