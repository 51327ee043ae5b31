"""Mixture of one latent class an item over inputs of any kind."""
