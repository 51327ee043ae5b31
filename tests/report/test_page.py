"""`mmcli report`: the page as a browser takes it, its files, and what the command refuses."""

import re
import webbrowser
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from contrast import contrast
from matplotlib.image import imread

ADDRESSES = {"src", "href", "srcset", "action", "data", "poster", "background", "formaction"}
MAX_BYTES = 5_000_000


def test_the_command_prints_where_the_page_is(written, command):
    written.forget_updates()

    done = command("report", written.run.path)

    assert done == (0, f"{written.run.path}/report/report.html\n", "")


def test_the_page_needs_nothing_else(page, reported):
    tags = {tag for tag, _ in page.elements}
    addresses = [value for _, attributes in page.elements for name, value in attributes.items() if name in ADDRESSES]
    css = "".join(re.findall(r"<style>(.*?)</style>", (reported / "report.html").read_text(), re.DOTALL))

    assert not tags & {"script", "link", "iframe", "object", "embed", "base", "form", "svg"}
    assert all(address.startswith(("data:image/svg+xml,", "#")) for address in addresses)
    assert "url(" not in css
    assert "@import" not in css
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    (policy,) = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert (reported / "report.html").stat().st_size < MAX_BYTES


def test_figures_in_the_page_need_nothing_else(page):
    for image in page.all("img"):
        svg = ET.fromstring(unquote(image["src"].partition(",")[2]))
        for element in svg.iter():
            assert not element.tag.endswith(("}script", "}foreignObject"))
            links = [value for name, value in element.attrib.items() if name.endswith("href")]
            assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)


def test_every_figure_has_an_alternative_text_of_its_own(page):
    texts = [image["alt"] for image in page.all("img")]

    assert len(texts) > 20
    assert len(set(texts)) == len(texts)
    assert all(len(text) > 30 for text in texts)
    assert len(texts) == len(page.all("figure")) == len(page.all("figcaption"))
    assert all(int(image["width"]) > 0 and int(image["height"]) > 0 for image in page.all("img"))


def test_headings_and_places(page):
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    targets = [link["href"].removeprefix("#") for link in page.all("a")]

    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))
    assert len(set(names)) == len(names)
    assert set(targets) <= set(names)
    assert [section["aria-labelledby"] for section in page.all("section")] == targets[1:]  # after "to the results"
    assert page.all("html")[0]["lang"] == "en"
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all("meta")


def test_the_keyboard_goes_in_the_order_of_the_page_and_reaches_what_scrolls(page):
    order = [attributes["tabindex"] for _, attributes in page.elements if "tabindex" in attributes]
    tables = [attributes for tag, attributes in page.elements if "table" in attributes.get("class", "").split()]

    assert set(order) == {"0"}
    assert len(tables) == len(page.all("table"))
    assert all((table["tabindex"], table["role"]) == ("0", "region") for table in tables)
    assert all(table["aria-label"] for table in tables)
    assert page.all("a")[0]["href"] == "#main"


def test_tables_say_what_their_rows_and_columns_are(page):
    assert {header["scope"] for header in page.all("th")} == {"row", "col"}


@pytest.mark.usefixtures("page")
def test_figures_lie_beside_the_page(reported):
    names = sorted(path.name for path in (reported / "figures").iterdir())
    stems = {Path(name).stem for name in names}

    assert names == sorted(f"{stem}{suffix}" for stem in stems for suffix in (".png", ".svg"))
    assert {"graph", "acc", "bound-vae", "trace-vae", "confusion-gmm", "agreement-gmm-mlda", "time"} <= stems
    for stem in stems:
        assert imread(reported / "figures" / f"{stem}.png").shape[1] > 600
        assert "var(" not in (reported / "figures" / f"{stem}.svg").read_text()  # drawn on white, for any reader


def test_what_others_put_into_a_run_is_shown_as_text(written, command, parse):
    written.forget_updates()
    evil = "<script>alert(1)</script>'\"{{ 7*7 }}"
    written.set_meta(status="failed", error=evil, versions={evil: evil}, data={evil: "\ud800"}, device=[evil])
    text = written.run.config.read_text()
    written.run.config.write_text(re.sub("file: [^,]*", f"file: '/{evil.replace(chr(39), chr(39) * 2)}'", text))

    done = command("report", written.run.path)

    assert (done.code, done.err) == (0, "")
    html = (written.run.path / "report" / "report.html").read_text()
    page = parse(html)
    assert page.all("script") == []
    assert "<script" not in html
    assert page.text.count(evil) == 5  # error, device, version and its name, data
    assert f"This run failed ({evil})" in page.text


def test_data_that_changed_are_not_shown(written, command, parse):
    written.forget_updates()
    np.savez(
        written.run.path.parent / "pictures.npz",
        images=1 - written.images,
        words=np.ones((40, 6)),
        labels=written.labels,
    )

    done = command("report", written.run.path)

    page = parse((written.run.path / "report" / "report.html").read_text())
    assert (done.code, done.err) == (0, "")
    assert "so pictures and labels are left out" in page.text
    assert "(SHA-256 differs)" in page.text


def test_a_report_replaces_an_older_one(written, command):
    folder = written.run.path / "report"
    (folder / "figures").mkdir(parents=True)
    (folder / "report.html").write_text("old")
    (folder / "figures" / "old.png").touch()
    (folder / "figures" / "mine.txt").touch()
    written.forget_updates()

    assert command("report", written.run.path).code == 0

    assert (folder / "report.html").read_text().startswith("<!doctype html>")
    assert not (folder / "figures" / "old.png").exists()
    assert (folder / "figures" / "mine.txt").exists()


def test_a_folder_of_other_things_is_left_alone(written, command, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "report.tex").touch()

    done = command("report", written.run.path, "-o", tmp_path / "thesis")

    line = f"mmcli: error: {tmp_path}/thesis: holds other things than a report; name another folder with -o\n"
    assert (done.code, done.out, done.err) == (2, "", line)
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["report.tex"]


def test_a_folder_that_cannot_be_made(written, command, tmp_path):
    (tmp_path / "file").touch()
    written.forget_updates()

    done = command("report", written.run.path, "-o", tmp_path / "file" / "report")

    reason = "cannot be written (Not a directory); name another folder with -o"
    assert (done.code, done.err) == (2, f"mmcli: error: {tmp_path}/file/report: {reason}\n")


@pytest.mark.parametrize(("there_is_one", "code"), [(True, 0), (False, 2)])
def test_open_shows_the_page_in_the_browser(written, command, monkeypatch, there_is_one, code):
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or there_is_one)
    written.forget_updates()

    done = command("report", written.run.path, "--open")

    page = written.run.path / "report" / "report.html"
    assert opened == [page.as_uri()]
    assert (done.code, done.out) == (code, f"{page}\n")
    hint = f"mmcli: error: {page}: there is no browser to show it in; open it by hand\n"
    assert done.err == ("" if there_is_one else hint)


def test_what_is_no_run_is_refused(command, tmp_path):
    line = f"mmcli: error: {tmp_path}: no run directory (no meta.json in it); name one that `mmcli train` printed\n"

    assert command("report", tmp_path) == (2, "", line)


def test_a_damaged_run_gives_exit_code_4(written, command):
    (written.run.path / "module003_gmm" / "Pdz_learn.txt").write_text("mud\n")

    done = command("report", written.run.path)

    assert (done.code, done.out, done.err.count("\n")) == (4, "", 1)
    assert "Pdz_learn.txt: damaged run: " in done.err
    assert not (written.run.path / "report").exists()


@pytest.mark.slow
def test_a_real_run(trained, command, parse, tmp_path):
    done = command("report", trained.run, "-o", tmp_path / "report")

    assert (done.code, done.err) == (0, "")
    page = parse((tmp_path / "report" / "report.html").read_text())
    figures = {figure["id"] for figure in page.all("figure")}
    assert {"figure-latent-vae-round1-class-of-gmm", "figure-latent-vae-round2-label-kinds"} <= figures


def test_text_stands_out_from_light_and_dark_paper(page, reported):
    html = (reported / "report.html").read_text()
    light, dark = (dict(re.findall(r"--(\w+(?:-\w+)?): (#\w{6})", rules)) for rules in re.findall(r":root {.*}", html))

    for colors in (light, dark):
        for ink, paper in [(i, p) for i in ("ink", "soft", "link") for p in ("paper", "page")] + [("ink", "warn")]:
            assert contrast(colors[ink], colors[paper]) > 4.5, (ink, paper)
    assert page.all("img")[0]["src"].count(f"--ink:{dark['ink']}".replace("#", "%23")) == 1  # as in the figures
