"""Multimodal latent Dirichlet allocation."""
