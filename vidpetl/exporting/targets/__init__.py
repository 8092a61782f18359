"""What a run is exported to: one module each, and the folder is the list.

A module has

  write(subject, folder)        writes the model into a folder
  reader(subject, folder)       loads it again as its receiver does; returns
                                run(program's name, inputs) -> outputs
  TOLERANCE                     dtype of the run -> largest difference, see
                                `comparing`
  EXAMPLE                       how a receiver runs it, lines of Python
  NEEDS                         what a receiver has to install
"""
