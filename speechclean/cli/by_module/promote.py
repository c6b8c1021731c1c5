"""`python -m speechclean.promote`."""

from speechclean.cli.promote import main

if __name__ == "__main__":
    main()
