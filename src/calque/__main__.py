"""`python -m calque`, which is what torchrun starts: `torchrun --nproc-per-node 2 -m calque run …`."""

from calque.cli import main

if __name__ == "__main__":
    main()
