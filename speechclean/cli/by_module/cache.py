"""`python -m speechclean.cache`."""

from speechclean.cli.cache import main

if __name__ == "__main__":
    main()
