#!/usr/bin/env python3
"""A guest book: GET shows it, POST adds to it and sends the browser back. Entries are lines of the file GUESTBOOK."""
import fcntl, html, json, os, sys, urllib.parse

BOOK = os.environ.get("GUESTBOOK", os.path.join(os.pardir, "guestbook.jsonl"))


def add(name, text):
    with open(BOOK, "a") as book:
        fcntl.flock(book, fcntl.LOCK_EX)  # Each request is a process of its own.
        book.write(json.dumps([name[:80], text[:1000]]) + "\n")


def entries():
    try:
        with open(BOOK) as book:
            return [json.loads(line) for line in book]
    except FileNotFoundError:
        return []


if os.environ["REQUEST_METHOD"] == "POST":
    body = sys.stdin.buffer.read(int(os.environ.get("CONTENT_LENGTH") or 0))
    form = dict(urllib.parse.parse_qsl(body.decode(errors="replace")))
    if form.get("text"):
        add(form.get("name") or "somebody", form["text"])
    # With a Status the redirect is the browser's, and not the server's own.
    print(f"Status: 303 See Other\nLocation: {os.environ['SCRIPT_NAME']}\n")
else:
    rows = "".join(f"<li><b>{html.escape(name)}</b>: {html.escape(text)}" for name, text in entries())
    print(f"""Content-Type: text/html; charset=utf-8

<!doctype html><title>Guest book</title><h1>Guest book</h1><ul>{rows}</ul>
<form method="post"><input name="name" placeholder="name"><input name="text" placeholder="text"><button>Write</button></form>""")
