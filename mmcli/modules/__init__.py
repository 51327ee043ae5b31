"""Modules: the contract, the messages, and a folder for each type."""
