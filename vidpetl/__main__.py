"""`python -m vidpetl DOOR …`, where the command `vidpetl` is not installed."""

import sys

from vidpetl import cli

if __name__ == '__main__':
  sys.exit(cli.main())
