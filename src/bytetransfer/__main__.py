"""`python -m bytetransfer`: the command line, where the command itself is not on the path."""

from bytetransfer.cli.main import main

if __name__ == "__main__":
    main(prog_name="bytetransfer")
