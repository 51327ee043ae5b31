"""Downloads, against a server on loopback: every way to break off, lie or refuse, and what is kept."""

import hashlib
import re
import subprocess
import sys
from http.client import HTTPMessage
from pathlib import Path
from urllib.request import Request

import pytest
from web import answers, breaks_off, gives, gives_chunks, gives_part, gives_whole, served, talks

from mmcli.errors import DataError, SaveError, UsageError
from mmcli.ingest.fetch.download import Fetcher, Patience
from mmcli.ingest.fetch.transfer import Redirects, RefusedError, Resource

CONTENT = bytes(range(256)) * 40  # 10,240 bytes
SIZE = len(CONTENT)
MD5 = hashlib.md5(CONTENT).hexdigest()
WAY = "name it with --there"


@pytest.fixture
def told():
    """The lines that are told of what goes on."""
    return []


@pytest.fixture
def web(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with served() as web:
        yield web


@pytest.fixture
def fetch(tmp_path, told):
    """Fetch a file of known size and MD5 from addresses, with three rounds and no pauses."""

    def fetch(*urls, size=SIZE, md5=MD5, most=20_000, read=Path.read_bytes, stall=10):
        fetcher = Fetcher(tmp_path / "cache", told.append, Patience(stall=stall, pauses=(0, 0, 0)))
        return fetcher.fetch(Resource("a.gz", urls, most, size, md5), read, WAY)

    return fetch


@pytest.fixture
def part(tmp_path):
    """Where a broken download is kept."""
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache" / "a.gz.part"


def kept(tmp_path):
    return {path.name: path.read_bytes() for path in (tmp_path / "cache").iterdir()}


# what goes well


def test_a_file_is_downloaded_once(web, fetch, told, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("mmcli.util.progress.SECONDS_A_LINE", 0)
    url = web.put("/a", gives(CONTENT))

    assert fetch(url) == CONTENT
    assert fetch(url) == CONTENT
    assert web.asked == [("/a", None)]
    assert told == ["downloading a.gz, 0.0 MB"]
    assert capsys.readouterr().err.splitlines()[-1] == "downloading a.gz: 0 of 0 MB"
    assert kept(tmp_path) == {"a.gz": CONTENT}


def test_a_file_of_unannounced_length(web, fetch, told):
    assert fetch(web.put("/a", gives_chunks(CONTENT[:99], CONTENT[99:])), size=None, md5=None) == CONTENT
    assert told == ["downloading a.gz"]


def test_a_redirect_is_followed(web, fetch):
    web.put("/b", gives(CONTENT))

    assert fetch(web.put("/a", answers(302, Location="/b"))) == CONTENT
    assert web.asked == [("/a", None), ("/b", None)]


def test_a_proxy_of_the_environment_is_used(web, fetch, monkeypatch):
    web.put("http://mnist.invalid/a", gives(CONTENT))
    monkeypatch.setenv("HTTP_PROXY", web.address)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    assert fetch("http://mnist.invalid/a") == CONTENT
    assert web.asked == [("http://mnist.invalid/a", None)]


def test_no_proxy_is_honoured(web, fetch, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    assert fetch(web.put("/a", gives(CONTENT))) == CONTENT


# what breaks off, and goes on


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (lambda _web: breaks_off(CONTENT[:1000], SIZE), f"ended after 1,000 of {SIZE:,} bytes"),
        (lambda web: web.stall(CONTENT[:1000], SIZE), "stalled: nothing in 0.5 s"),
        (lambda _web: gives_chunks(CONTENT[:1000], ends=False), "broke off: IncompleteRead(0 bytes read)"),
    ],
    ids=["short", "stalled", "chunked"],
)
def test_what_came_is_gone_on_with_at_the_next_mirror(broken, reason, web, fetch, told):
    first, second = web.put("/1", broken(web)), web.put("/2", gives(CONTENT))

    assert fetch(first, second, stall=0.5) == CONTENT
    assert web.asked == [("/1", None), ("/2", "bytes=1000-")]
    assert told[1:] == [f"{first}: {reason}", "downloading a.gz, 0.0 MB, from byte 1,000 on"]


def test_the_only_mirror_is_asked_again(web, fetch):
    assert fetch(web.put("/a", breaks_off(CONTENT[:1000], SIZE), gives(CONTENT))) == CONTENT
    assert web.asked == [("/a", None), ("/a", "bytes=1000-")]


def test_what_comes_by_drops_is_stalled(web, fetch, told):
    slow = web.put("/slow", web.drip(SIZE))

    assert fetch(slow, web.put("/b", gives_whole(CONTENT)), stall=0.5) == CONTENT
    assert re.fullmatch(rf"{slow}: stalled: \d+ bytes in \d+ s", told[1])


def test_a_part_of_an_earlier_process_is_gone_on_with(web, fetch, part):
    part.write_bytes(CONTENT[:5000])

    assert fetch(web.put("/a", gives(CONTENT))) == CONTENT
    assert web.asked == [("/a", "bytes=5000-")]


def test_a_part_that_is_whole_is_not_asked_for(web, fetch, part):
    part.write_bytes(CONTENT)

    assert fetch(web.put("/a", gives(CONTENT))) == CONTENT
    assert web.asked == []


def test_a_part_that_is_too_long_is_not_gone_on_with(web, fetch, part):
    part.write_bytes(CONTENT + b"x")

    assert fetch(web.put("/a", gives(CONTENT))) == CONTENT
    assert web.asked == [("/a", None)]


def test_a_server_without_ranges_sends_all_anew(web, fetch, part):
    part.write_bytes(CONTENT[:5000])

    assert fetch(web.put("/a", gives_whole(CONTENT))) == CONTENT


def test_a_part_that_goes_on_with_nothing_is_thrown_away(web, fetch, part):
    part.write_bytes(CONTENT)

    assert fetch(web.put("/a", gives(CONTENT)), size=None) == CONTENT
    assert web.asked == [("/a", f"bytes={SIZE}-"), ("/a", None)]


def test_a_part_of_another_file_is_thrown_away(web, fetch, part):
    part.write_bytes(b"x" * 5000)

    assert fetch(web.put("/a", gives(CONTENT))) == CONTENT
    assert web.asked == [("/a", "bytes=5000-"), ("/a", None)]


def test_a_busy_mirror_is_asked_again(web, fetch):
    assert fetch(web.put("/a", answers(503), answers(429), gives(CONTENT))) == CONTENT


# what is refused


def failure(fetch, *urls, **options):
    with pytest.raises(DataError) as caught:
        fetch(*urls, **options)
    text = str(caught.value)
    begun, ended = f"a.gz: cannot be downloaded from {urls[0]} (", f"); {WAY}"
    assert (text[: len(begun)], text[-len(ended) :]) == (begun, ended)
    return text[len(begun) : -len(ended)]


def test_a_mirror_that_has_it_not_is_asked_once(web, fetch, tmp_path):
    first, second = web.put("/1", answers(404)), web.put("/2", answers(500))

    assert failure(fetch, first, second) == f"answers 404 Not Found), {second} (answers 500 Internal Server Error"
    assert web.asked == [("/1", None), ("/2", None), ("/2", None), ("/2", None)]
    assert kept(tmp_path) == {}


def test_the_next_mirror_gives_what_the_first_has_not(web, fetch):
    assert fetch(web.put("/1", answers(404)), web.put("/2", gives(CONTENT))) == CONTENT


def test_wrong_bytes_are_thrown_away(web, fetch, told):
    wrong = CONTENT[::-1]
    first, second = web.put("/1", gives(wrong)), web.put("/2", gives(CONTENT))

    assert fetch(first, second) == CONTENT
    digest = hashlib.md5(wrong).hexdigest()
    assert told[1] == f"{first}: sent other bytes: MD5 {digest} where {MD5} is expected"
    assert web.asked == [("/1", None), ("/2", None)]


def test_what_cannot_be_read_is_thrown_away(web, fetch, tmp_path):
    def read(_path):
        raise DataError("no zip")

    assert failure(fetch, web.put("/a", gives(CONTENT)), md5=None, read=read) == "sent other bytes: no zip"
    assert len(web.asked) == 3
    assert kept(tmp_path) == {}


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (gives(b"<html>please log in</html>"), f"has 26 bytes where {SIZE:,} are expected"),
        (gives(CONTENT * 2), f"has 20,480 bytes where {SIZE:,} are expected"),
        (gives_chunks(*[CONTENT] * 9), f"sends more than {SIZE:,} bytes"),
        (gives_part(CONTENT[5:], f"bytes 5-{SIZE - 1}/{SIZE}"), "sends another part of the file than it was asked for"),
        (gives_part(CONTENT, "lines 0-9/10"), "sends another part of the file than it was asked for"),
        (answers(204), "answers 204"),
        (answers(302, Location="ftp://127.0.0.1/a"), "redirects to ftp://127.0.0.1/a, which is not https"),
        (
            answers(302, Location="file:///etc/passwd"),
            "answers 302 Found - Redirection to url 'file:///etc/passwd' is not allowed",
        ),
    ],
    ids=["small", "large", "endless", "part", "range", "empty", "ftp", "file"],
)
def test_a_mirror_that_lies_is_asked_once(behaviour, reason, web, fetch, tmp_path):
    assert failure(fetch, web.put("/a", behaviour), most=SIZE) == reason
    assert web.asked == [("/a", None)]
    assert kept(tmp_path) == {}


def test_a_redirect_without_end(web, fetch):
    reason = failure(fetch, web.put("/a", answers(302, Location="/a")))

    assert reason.startswith("answers 302 The HTTP server returned a redirect error")
    assert len(web.asked) < 10


def test_https_leads_to_https_only():
    with pytest.raises(RefusedError) as caught:
        Redirects().redirect_request(
            Request("https://a.invalid/"), None, 302, "Found", HTTPMessage(), "http://b.invalid/c"
        )
    assert str(caught.value) == "redirects to http://b.invalid/c, which is not https"


def test_what_is_no_http(web, fetch):
    assert failure(fetch, web.put("/a", talks(b"SSH-2.0-OpenSSH\r\n"))) == "broke off: SSH-2.0-OpenSSH"


def test_no_network(fetch, tmp_path):
    # The name of no host can end in .invalid (RFC 2606).
    reason = failure(fetch, "http://mnist.invalid/a", "http://127.0.0.1:1/a")

    first, second = reason.split("), ")
    assert first.startswith("cannot be reached: ")
    assert second == "http://127.0.0.1:1/a (cannot be reached: Connection refused"
    assert kept(tmp_path) == {}


def test_a_broken_download_is_named_where_it_is_kept(web, fetch, tmp_path):
    url = web.put("/a", breaks_off(CONTENT[:1000], SIZE))

    with pytest.raises(DataError) as caught:
        fetch(url)
    part = tmp_path / "cache" / "a.gz.part"
    reason = f"ended after 1,000 of {SIZE:,} bytes"
    assert str(caught.value) == (
        f"a.gz: cannot be downloaded from {url} ({reason}); {part} keeps the bytes received so far; {WAY}"
    )
    assert part.read_bytes() == CONTENT[:1000]


# the cache


def test_a_damaged_file_in_the_cache_is_downloaded_again(web, fetch, told, tmp_path):
    whole = tmp_path / "cache" / "a.gz"
    whole.parent.mkdir()
    whole.write_bytes(b"x")

    assert fetch(web.put("/a", gives(CONTENT))) == CONTENT
    assert told[0] == f"{whole} is damaged, and is downloaded again: 1 bytes where {SIZE:,} are expected"
    assert whole.read_bytes() == CONTENT


def test_a_cache_that_cannot_be_made(fetch, tmp_path):
    (tmp_path / "cache").write_text("")

    with pytest.raises(SaveError) as caught:
        fetch("http://mnist.invalid/a")
    remedy = "mend that, or name another cache by XDG_CACHE_HOME"
    assert str(caught.value) == f"{tmp_path / 'cache'}: cannot be written (File exists); {remedy}"


def test_a_full_disk_is_not_taken_for_a_broken_download(web, fetch, part):
    part.symlink_to("/dev/full")

    with pytest.raises(SaveError) as caught:
        fetch(web.put("/a", gives(CONTENT)))
    remedy = "mend that, or name another cache by XDG_CACHE_HOME"
    assert str(caught.value) == f"{part}: cannot be written (No space left on device); {remedy}"
    assert len(web.asked) == 1


def test_a_cache_in_use(fetch, part):
    hold = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); input()"
    arguments = [sys.executable, "-c", hold, str(part.parent / "lock")]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        with pytest.raises(UsageError) as caught:
            fetch("http://mnist.invalid/a")
        holder.communicate(b"\n")
    assert str(caught.value) == f"{part.parent}: in use by another process; wait for it, or stop it"


def test_no_place_for_a_cache(told):
    fetcher = Fetcher(None, told.append, Patience())

    with pytest.raises(SaveError) as caught:
        fetcher.fetch(Resource("a.gz", (), 1), Path.read_bytes, WAY)
    assert str(caught.value) == "there is no home folder to keep downloads in; name a folder by XDG_CACHE_HOME"
