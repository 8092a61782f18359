"""A recipe in words, aspect by aspect: what rows of papers differ in.

`describe` prints it, and a page of the documentation lays it beside what the
original does.
"""

from vidpetl.recipes.aspects.run import of_run, used_groups
from vidpetl.recipes.aspects.task import of_task

__all__ = ['of_run', 'of_task', 'used_groups']
