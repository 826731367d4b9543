import sys

from glm4v._cli import main

sys.exit(main())
