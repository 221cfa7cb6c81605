"""`python -m config.run`: what bin/run executes once everything is installed."""

import sys

from config.run.options import parse
from config.run.supervisor import Supervisor

if __name__ == "__main__":
    sys.exit(Supervisor(parse(sys.argv[1:])).main())
