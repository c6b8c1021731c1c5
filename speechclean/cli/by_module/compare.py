"""`python -m speechclean.compare`."""

from speechclean.cli.compare import main

if __name__ == "__main__":
    main()
