"""A recipe names sources, demonstrations, systems and benchmarks; the runner carries it out in one folder."""
