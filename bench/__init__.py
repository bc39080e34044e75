"""Benchmarks: Orgstead beside its ceiling and beside a peer, in turn, in one run. See README.md."""
