"""A network taught sounds of the user's own: from a few clips in a minute, or from words; what to listen to next."""
