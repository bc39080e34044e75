"""``python -m orgstead``."""

from orgstead.cli import main

if __name__ == "__main__":
    main()
