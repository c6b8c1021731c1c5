"""`python -m speechclean.tracking`."""

from speechclean.cli.sync import main

if __name__ == "__main__":
    main()
