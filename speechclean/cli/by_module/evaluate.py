"""`python -m speechclean.evaluate`."""

from speechclean.cli.evaluate import main

if __name__ == "__main__":
    main()
