"""Isolated clips and recordings of places in, soundscapes with exact annotations out. What `mix` and `train` need."""
