"""Disk space of mmcli's dependencies and extras, in the environment of the Python that runs this; in MB, 10^6 bytes.

A dependency is counted with the packages that it requires and mmcli does not, at any depth; an extra with all that it
adds to the dependencies. A package that two dependencies require is counted with the first.
"""

import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution, requires

_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+).*?(?:extra == ['\"](?P<extra>[\w-]+)['\"])?")
MB = 10**6


def required(package: str, extra: str | None = None) -> list[str]:
    """Names of the packages that one requires itself, or by an extra."""
    found = [_REQUIREMENT.fullmatch(text) for text in requires(package) or []]
    return [match["name"].lower() for match in found if match is not None and match["extra"] == extra]


def megabytes(package: str) -> float:
    """Size of the files of a package, compiled modules included."""
    paths = [path.locate() for path in distribution(package).files or []]
    return sum(path.stat().st_size for path in paths if path.is_file()) / MB


def brought(packages: Iterable[str], known: set[str]) -> list[str]:
    """Packages that are installed, and what they require, without what is known; added to that."""
    found: list[str] = []
    for package in packages:
        if package not in known and is_installed(package):
            known.add(package)
            found += [package, *brought(required(package), known)]
    return found


def is_installed(package: str) -> bool:
    """Whether a package is here; those for other systems are not."""
    try:
        distribution(package)
    except PackageNotFoundError:
        return False
    return True


def show(name: str, packages: list[str]) -> float:
    """Print and return the size of packages together; the larger ones are named."""
    sizes = {package: megabytes(package) for package in packages}
    parts = sorted((package for package in packages if sizes[package] >= 1), key=sizes.__getitem__, reverse=True)
    total = sum(sizes.values())
    print(f"{name:14} {total:7.1f}   {', '.join(f'{package} {sizes[package]:.1f}' for package in parts)}")
    return total


def main() -> None:
    """Print a line for mmcli, for each of its dependencies, for all, and for each extra that is installed."""
    dependencies = sorted(required("mmcli"))
    known = {"mmcli", *dependencies}
    total = show("mmcli", ["mmcli"])
    for name in dependencies:
        total += show(name, [name, *brought(required(name), known)])
    print(f"{'all':14} {total:7.1f}")
    for extra in distribution("mmcli").metadata.get_all("Provides-Extra") or []:
        packages = [name for name in required("mmcli", extra) if name != "mmcli"]
        if packages and all(map(is_installed, packages)):
            show(f"[{extra}]", brought(packages, set(known)))


if __name__ == "__main__":
    main()
