"""How well a color stands out from another."""


def brightness(color: str) -> float:
    """Relative luminance, WCAG 2.2."""
    channels = (int(color[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(color: str, other: str) -> float:
    dark, light = sorted((brightness(color), brightness(other)))
    return (light + 0.05) / (dark + 0.05)
