"""`python -m speechclean.weights`."""

from speechclean.cli.weights import main

if __name__ == "__main__":
    main()
