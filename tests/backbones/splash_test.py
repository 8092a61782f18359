"""TPU's attention, interpreted on a CPU; compiled for a TPU where libtpu is."""

import types

import attended
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidpetl.backbones import attending, splash
