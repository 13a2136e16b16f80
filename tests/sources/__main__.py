"""What the gate of preprocessing says to every default of the libraries, as a table.

python -m tests.sources [timm] [torchvision] [transformers]
"""

import sys
import time

from tests.sources.every import LIBRARIES, table, trials

started = time.monotonic()
print(table(trials(False, sys.argv[1:] or LIBRARIES)))
print(f"\n{time.monotonic() - started:.0f} s")
