"""`python -m speechclean.reproduce`."""

from speechclean.cli.reproduce import main

if __name__ == "__main__":
    main()
