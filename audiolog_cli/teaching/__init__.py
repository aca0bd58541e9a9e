"""A network taught the user's own sounds, from a few clips in a minute or from words; and what to listen to next."""
