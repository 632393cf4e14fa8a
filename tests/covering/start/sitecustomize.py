"""Read by Python itself when it starts, in a run that is measured: the Makefile puts this directory on its path.

So no file in the environment's `site-packages` is needed, which would be read by every other Python as well.
"""

import coverage

coverage.process_startup()
