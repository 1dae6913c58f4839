"""Speed of the machine's float32 matrix products, in GFLOP/s: the fastest of some with PyTorch.

    python bench/peer_peak.py [--size 2048] [--repeat 20]
"""

import argparse
import time

import torch


def speed(size):
    """-> GFLOP/s of one product of two square matrices."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    start = time.perf_counter()
    torch.matmul(a, b)
    return 2 * size**3 / (time.perf_counter() - start) / 1e9


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--repeat", type=int, default=20)
    args = parser.parse_args()
    print(f"{max(speed(args.size) for _ in range(args.repeat)):.1f}")


if __name__ == "__main__":
    main()
