"""``python -m cirfile.cli``: the same as ``cir``."""

import sys

from cirfile.cli import main

sys.exit(main())
