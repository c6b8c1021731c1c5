"""`python -m speechclean`."""

from speechclean.cli.commands import main

if __name__ == "__main__":
    main()
