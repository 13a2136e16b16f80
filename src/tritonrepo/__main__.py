"""`python -m tritonrepo`: the command `tritonrepo`."""

from tritonrepo.cli.main import run

if __name__ == "__main__":
    run()
