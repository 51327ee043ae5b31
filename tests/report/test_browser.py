"""The page in headless Chromium, where there is one."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed; apt-get install chromium")


def browse(address: str, profile: Path, *options: str) -> str:
    """What headless Chromium prints; that a page has nothing to complain of is part of every test."""
    quiet = ["background-networking", "component-update", "sync", "gpu", "quic", "dev-shm-usage"]
    line = [str(CHROMIUM), "--headless", "--no-sandbox", "--no-first-run", f"--user-data-dir={profile}"]
    line += ["--enable-logging=stderr"]
    line += [f"--disable-{what}" for what in quiet]
    done = subprocess.run([*line, *options, address], capture_output=True, text=True, check=True, timeout=120)
    assert "CONSOLE" not in done.stderr
    return done.stdout


@in_a_browser
@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_and_its_figures_follow_the_readers_colours(reported, tmp_path, scheme):
    preference = f"--blink-settings=preferredColorScheme={int(scheme == 'light')}"
    options = (preference, "--window-size=1200,3000", f"--screenshot={tmp_path / 'page.png'}")

    browse((reported / "report.html").as_uri(), tmp_path / "profile", *options)

    pixels = imread(tmp_path / "page.png")[..., :3].mean(axis=2)  # (height, width), 0 to 1
    assert np.mean(pixels > 0.9 if scheme == "light" else pixels < 0.2) > 0.85
    assert pixels.std() > 0.02


MEASURE = """
<iframe id="phone" src="{address}" width="390" height="800"></iframe>
<script>
  document.getElementById("phone").onload = (event) => {{
    const page = event.target.contentDocument;
    const broken = [...page.images].filter((image) => !image.complete || !image.naturalWidth).length;
    const reached = [...page.querySelectorAll("a[href]:not(.skip), summary, [tabindex]")]
      .filter((element) => element.checkVisibility()).map((element) => element.getBoundingClientRect());
    const upwards = reached.filter((box, index) => index && box.bottom <= reached[index - 1].top).length;
    document.body.innerText = [page.documentElement.scrollWidth, page.images.length, broken, page.scripts.length,
      reached.length, upwards].join(" ");
  }};
</script>
"""


@in_a_browser
@pytest.mark.slow
def test_a_phone_shows_the_page_without_scrolling_sideways_and_the_keyboard_goes_down_it(page, reported, tmp_path):
    (tmp_path / "phone.html").write_text(MEASURE.format(address=(reported / "report.html").as_uri()))
    options = ("--allow-file-access-from-files", "--virtual-time-budget=10000", "--dump-dom")

    dom = browse((tmp_path / "phone.html").as_uri(), tmp_path / "profile", *options)

    width, images, broken, scripts, reached, upwards = map(int, re.findall(r"\d+", dom.partition("<body>")[2]))
    assert (images, broken, scripts) == (len(page.all("img")), 0, 0)
    assert width <= 390
    # The keyboard goes from the top down; what is folded away it does not reach: a table, and the config.
    folded = len(page.all("details"))
    focusable = [attributes for _, attributes in page.elements if "tabindex" in attributes]
    assert reached == len(page.all("a")) - 1 + len(page.all("summary")) + len(focusable) - folded
    assert upwards == 0
