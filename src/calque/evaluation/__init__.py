"""Benchmarks to scores: official files read as they are, answers normalised by named rules, intervals by bootstrap."""
