"""``python -m huracan`` is the command ``huracan``."""

from ._program import main

if __name__ == "__main__":
    main()
