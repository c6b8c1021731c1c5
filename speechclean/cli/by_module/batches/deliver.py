"""`python -m speechclean.batches.deliver`."""

from speechclean.cli.deliver import main

if __name__ == "__main__":
    main()
