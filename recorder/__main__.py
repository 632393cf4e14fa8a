"""`python -m recorder`."""

from recorder.cli import main

if __name__ == "__main__":
    main()
