"""One latent class that several modules share."""
