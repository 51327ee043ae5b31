"""Examples at the end of a help page."""


def example(*lines: str) -> str:
    """Epilog of a command with command lines that a user could type as they are."""
    return "\n".join(["\b", f"Example{'s' * (len(lines) > 1)}:", *(f"  {line}" for line in lines)])  # \b: lines stay
