#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""contracts.py SENNIT OUT - the contract page against a scripted node: what is right, and every way to be wrong.
A real node is in tests/interop/tour.sh."""
import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

from browser import Browser

sennit, out = os.path.realpath(sys.argv[1]), sys.argv[2]
passed = failed = 0
leaks = []  # answers that show more of a node's URL than its host


def check(name, condition, said=""):
    global passed, failed
    passed, failed = passed + bool(condition), failed + (not condition)
    print(f"ok {name}" if condition else f"FAIL {name}: {str(said)[:600]}", flush=True)


# ---- the node ----
ADDRESS, OTHER, ME = "0x" + "11" * 20, "0x" + "22" * 20, "0x" + "33" * 20
TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
word = lambda n: f"{n:064x}"
text = lambda s: word(32) + word(len(s)) + s.encode().hex().ljust(64, "0")
revert = lambda data: {"code": 3, "message": "execution reverted", "data": data}
NOT_ENOUGH = "0x52d826c5" + word(int(ME, 16)) + word(5) + word(7)
ANSWERS = {  # by selector
    "0x06fdde03": "0x" + text("Fake <b>token</b>"),
    "0x70a08231": "0x" + word(2500000000000000000),
    "0xa9059cbb": revert(NOT_ENOUGH),
    "0xa1b4a9e2": revert("0x4e487b71" + word(0x11)),
    "0x2e1a7d4d": revert("0x08c379a0" + text("closed today")),
    "0x3ccfd60b": {"code": -32000, "message": "execution reverted"},
    "0x18160ddd": "0x1234",
}
LOGS = [
    {"topics": [TRANSFER, "0x" + word(int(OTHER, 16)), "0x" + word(int(ME, 16))], "data": "0x" + word(42)},
    {"topics": ["0x" + "ab" * 32], "data": "0x" + word(1)},
]


def answer(method, params):
    if method == "eth_blockNumber":
        return "0x10"
    if method == "eth_getLogs":
        return [{**log, "blockNumber": "0xf", "transactionHash": "0x" + "cd" * 32} for log in LOGS]
    if method == "eth_call":
        return "0x" if params[0]["to"] != ADDRESS else ANSWERS[params[0]["data"][:10]]
    return {"code": -32601, "message": f"the method {method} does not exist"}


class Node(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        q = json.loads(self.rfile.read(int(self.headers["content-length"])))
        many = q if isinstance(q, list) else [q]
        done = []
        for one in many:
            a = answer(one["method"], one["params"])
            wrong = isinstance(a, dict) and "code" in a
            done.append({"jsonrpc": "2.0", "id": one["id"], "error" if wrong else "result": a})
        self.reply(json.dumps(done if isinstance(q, list) else done[0]))

    def reply(self, text):
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


class Garbage(Node):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.reply("<html>not a node</html>")


def serve(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def free_ports(n):
    held = [socket.socket() for _ in range(n)]
    for s in held:
        s.bind(("127.0.0.1", 0))
    return [s.getsockname()[1] for s in held]


node, garbage = serve(Node), serve(Garbage)
gateway, board, away = free_ports(3)
page = f"http://127.0.0.1:{board}"
tmp = tempfile.mkdtemp()
files = {
    "gateway.yaml": f'listeners: [{{name: web, address: "127.0.0.1:{gateway}"}}]\nroutes: [{{name: a, redirect: {{status: 308, replace_prefix: /x}}}}]\n',
    "Fake.abi": """struct Point { int64 x; int64 y; }
function name() view returns (string)
function balanceOf(address owner) view returns (uint256)
function totalSupply() view returns (uint256)
function transfer(address to, uint256 value) returns (bool)
function walk(Point[] path, bool back, bytes4 tag) payable returns (uint8)
function panics() view returns (uint256)
function withdraw(uint256)
function withdraw()
event Transfer(address indexed from, address indexed to, uint256 value)
error NotEnough(address owner, uint256 balance, uint256 asked)
""",
    "up.yaml": f"""board: 127.0.0.1:{board}
gateway: gateway.yaml
contracts:
  - {{name: Fake, abi: Fake.abi, address: "{ADDRESS}", from: "{ME}", node: "http://127.0.0.1:{node}/secret"}}
  - {{name: Away, abi: Fake.abi, address: "{ADDRESS}", node: "http://127.0.0.1:{away}/secret"}}
  - {{name: Garbage, abi: Fake.abi, address: "{ADDRESS}", node: "http://127.0.0.1:{garbage}/secret"}}
""",
}
for name, content in files.items():
    with open(os.path.join(tmp, name), "w") as f:
        f.write(content)


def ask(what, question=None, headers=None, method=None, raw=None):
    """Status and JSON (or text) of the answer."""
    data = raw if raw is not None else None if question is None else json.dumps(question).encode()
    request = urllib.request.Request(page + "/api/contracts" + what, data, method=method,
                                     headers={"content-type": "application/json", **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=40) as r:
            status, body = r.status, r.read().decode()
    except urllib.error.HTTPError as e:
        status, body = e.code, e.read().decode()
    leaks.append(body) if "secret" in body else None
    try:
        return status, json.loads(body)
    except ValueError:
        return status, body


def fake(function, *args, **more):
    return {"contract": "Fake", "node": 0, "address": ADDRESS, "from": ME, "function": function, "args": list(args), **more}


def refuses(name, what, question, pattern, status=400):
    got, body = ask(what, question)
    said = body.get("error", "") if isinstance(body, dict) else body
    check(name, got == status and pattern in said, (got, body))


def questions():
    status, got = ask("")
    check("contracts and nodes are listed", [c["name"] for c in got["contracts"]] == ["Fake", "Away", "Garbage"], got)
    check("nodes are shown by their hosts", got["nodes"][0] == f"127.0.0.1:{node}", got)
    _, got = ask("/open", {"contract": "Fake"})
    items = {i.get("signature", i["name"]): i for i in got["contracts"][0]["items"]}
    check("selectors and topics", items["transfer(address,uint256)"]["selector"] == "0xa9059cbb"
          and items["Transfer(address,address,uint256)"]["topic"] == TRANSFER, items)
    check("overloads have names of their own", items["withdraw(uint256)"]["unique"] == "withdraw_uint256", items)
    _, got = ask("/encode", fake("walk", '[{"x":1,"y":-2}]', "true", "0xdeadbeef"))
    check("tuples, lists, booleans, bytes", got.get("data", "")[-128:] == word(1) + word((1 << 256) - 2), got)
    _, got = ask("/call", fake("name"))
    check("a read is decoded", got["result"][0]["value"] == "Fake <b>token</b>", got)
    _, got = ask("/call", fake("transfer", OTHER, "7"))
    check("a revert by its name and values", got["reverted"]["name"] == "NotEnough"
          and [v["value"] for v in got["reverted"]["args"]][1:] == ["5", "7"], got)
    _, got = ask("/call", fake("panics"))
    check("a panic in words", "overflow" in got["reverted"]["text"], got)
    _, got = ask("/call", fake("withdraw_uint256", "1"))
    check("a reason", got["reverted"]["text"] == "closed today", got)
    _, got = ask("/call", fake("withdraw"))
    check("no reason", got["reverted"]["text"] == "reverted without saying why", got)
    _, got = ask("/events", fake("name"))
    check("events decoded, others as they are", [log.get("event") for log in got["logs"]] == [None, "Transfer"]
          and got["logs"][1]["args"][2]["value"] == "42" and got["logs"][0]["topics"] == "0x" + "ab" * 32, got)
    _, got = ask("/decode", {"contract": "Fake", "data": NOT_ENOUGH})
    check("data of an error", got["error"]["name"] == "NotEnough", got)
    _, got = ask("/open", {"text": json.dumps({"abi": [{"type": "function", "name": "f", "inputs": [], "outputs": []}],
                                               "userdoc": {"methods": {"f()": {"notice": "Does it."}}}})})
    item = got["contracts"][0]["items"][0]
    check("a pasted artifact with its documentation", item["doc"] == "Does it." and item["selector"] == "0x26121ff0", got)
    status, got = ask("/encode", {"abi": got["contracts"][0]["abi"], "function": "f", "args": []})
    check("asked with the ABI that came back", got == {"data": "0x26121ff0"}, got)


def refusals():
    refuses("a pasted text that is none", "/open", {"text": "function f(uint"}, "f(uint")
    refuses("a type that does not exist", "/open", {"text": "function f(uint7 x)"}, "uint7")
    refuses("JSON that is broken", "/open", {"text": '{"abi": ['}, "1:10")
    refuses("JSON without a contract", "/open", {"text": '{"x": 1}'}, "")
    refuses("two functions with one selector", "/open",
            {"text": "function collate_propagate_storage(bytes16)\nfunction burn(uint256)"}, "selector", 400)
    refuses("an unknown contract", "/open", {"contract": "Nobody"}, "no contract Nobody")
    refuses("an unknown function, with those there are", "/encode", fake("nme"), "name()")
    refuses("an ambiguous name", "/encode", fake("withdrw"), "withdraw")
    refuses("too few arguments", "/encode", fake("transfer", OTHER), "transfer(address,uint256) takes 2")
    refuses("an argument that is no text", "/encode", fake("transfer", OTHER, 7), "value: expected a text")
    refuses("an argument that is none", "/encode", fake("transfer", "0x12", "1"), "to: address: expected 0x and 40 hex digits")
    refuses("an address with a wrong checksum", "/encode",
            fake("transfer", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD".replace("5aA", "5Aa"), "1"), "checksum")
    refuses("a number that does not fit", "/encode", fake("transfer", OTHER, str(1 << 256)), "value:")
    refuses("broken JSON in a list", "/encode", fake("walk", "[1,", "true", "0x00000000"), "path:")
    refuses("a tuple of the wrong shape", "/encode", fake("walk", '[{"x":1}]', "true", "0x00000000"), "path:")
    refuses("neither true nor false", "/encode", fake("walk", "[]", "maybe", "0x00000000"), "back: expected true or false")
    refuses("a value that is no amount", "/call", fake("walk", "[]", "true", "0x00000000", value="lots"), "0.1 ether")
    refuses("an address that is missing", "/call", fake("name", address=""), "address: expected the contract's address")
    refuses("an address that is none", "/call", fake("name", address="0x" + "1" * 39), "40 hex digits")
    refuses("no contract there", "/call", fake("name", address=OTHER), "there is no contract at 0x2222")
    refuses("an answer of another type", "/call", fake("totalSupply"), "not what totalSupply() returns")
    refuses("a node that is not configured", "/call", fake("name", node=7), "node: expected")
    refuses("a node's URL instead of its number", "/call", fake("name", node="http://127.0.0.1:1/"), "node: expected")
    refuses("more blocks than allowed", "/events", fake("name", blocks=10**9), "blocks: expected 1 to 10000")
    refuses("a node that is away", "/call", fake("name", node=1), f"127.0.0.1:{away}", 502)
    refuses("a node that is none", "/call", fake("name", node=2), f"127.0.0.1:{garbage}", 502)
    for drift in (-1, 65):
        refuses(f"a drift of {drift} blocks", "/gas", fake("transfer", OTHER, "1", drift=drift), "drift: expected 0 to 64")
    refuses("a node that cannot estimate", "/gas", fake("transfer", OTHER, "1"), "", 404)
    refuses("an unknown question", "/send", fake("transfer", OTHER, "1"), "no question is called send", 404)
    refuses("data that is no data", "/decode", {"contract": "Fake", "data": "0xabc"}, "even number of hex digits")


def strangers():
    body = json.dumps(fake("name")).encode()
    check("a form of another site", ask("/call", raw=body, headers={"content-type": "text/plain"})[0] == 415)
    check("a script of another site", ask("/call", raw=body, headers={"sec-fetch-site": "cross-site"})[0] == 403)
    check("the same, as if it navigated",
          ask("/call", raw=body, headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"})[0] == 403)
    check("a sibling site", ask("/call", raw=body, headers={"sec-fetch-site": "same-site"})[0] == 403)
    check("another host name", ask("/call", raw=body, headers={"host": "evil.example"})[0] == 421)
    check("asking before asking", ask("/call", method="OPTIONS")[0] == 405)
    check("reading a question", ask("/call", method="GET")[0] == 405)
    status, got = ask("/call", raw=b"{")
    check("a question that is no JSON", status == 400 and "1:2" in got["error"], got)
    try:  # the answer may come while the question is still being sent
        status, _ = ask("/open", raw=b'{"text":"' + b"x" * (9 << 20) + b'"}')
    except urllib.error.URLError:
        status = "closed"
    check("a question that is too large", status in (413, "closed"), status)
    check("and the board goes on", ask("")[0] == 200)


def in_the_browser():
    with Browser(os.path.join(tmp, "chrome")) as b:
        b.open(page + "/contracts#Fake/balanceOf")
        check("the page opens what the link names", b.wait("document.querySelector('#detail h2')?.innerText === 'balanceOf'"), b.text("main"))
        check("events are read", b.wait("document.querySelectorAll('#events-table td.n').length === 2"), b.text("#more"))
        b.click("#do-call")
        b.wait("document.querySelector('#answer .wrong')")
        check("an empty field is named", "owner" in b.text("#answer"), b.text("#answer"))
        b.fill(".arg", ME)
        check("calldata appears as one types", b.wait("document.querySelectorAll('.word').length === 2"), b.text("#calldata"))
        b.click("#do-call")
        check("the value, and as an amount", b.wait("document.querySelector('#answer').innerText.includes('2.5 with 18 decimals')"), b.text("#answer"))
        name = "[...document.querySelectorAll('#items button')].find(e => e.innerText.startsWith('%s')).click()"
        b.eval(name % "name")
        b.click("#do-call")
        check("a value is text, not markup", b.wait("document.querySelector('#answer .value')?.innerText === 'Fake <b>token</b>'"), b.text("#answer"))
        b.eval(name % "transfer")
        b.fill(".arg[data-i='0']", OTHER)
        b.fill(".arg[data-i='1']", "7")
        b.eval("[...document.querySelectorAll('.actions button')].find(e => e.innerText.startsWith('Try')).click()")
        check("a write is tried, not sent", b.wait("document.querySelector('#answer')?.innerText.includes('NotEnough')"), b.text("#answer"))
        b.fill("#data", NOT_ENOUGH)
        check("pasted data is explained", b.wait("document.querySelector('#data-says').innerText.includes('NotEnough')"), b.text("#data-says"))
        b.fill("#filter", "bal")
        check("the filter", b.eval("document.querySelectorAll('#items button').length") == 1)
        b.shot(f"{out}/contracts-1280.png", 1280, 1300)
        check("no script error, nothing refused by the policy",
              [s for s in b.said if "status of 400" not in s] == [], b.said)
        b.said.clear()
        b.fill("#contract", "Away")
        check("a node that is away is named", b.wait(f"document.querySelector('#events-table .wrong')?.innerText.includes('127.0.0.1:{away}')"), b.text("#more"))
        b.fill("#contract", "\0paste")
        b.fill("#text", "function f(uint7 x)")
        b.click("#read")
        check("a bad interface is explained", b.wait("document.querySelector('#choice-error').innerText.includes('uint7')"), b.text("#choice"))
        b.eval("document.querySelector('#text').value = 'x'.repeat(5 << 20)")
        b.click("#read")
        check("one that is too large", b.wait("document.querySelector('#choice-error').innerText.includes('4 MiB')"), b.text("#choice"))
        b.fill("#text", "function f(uint8 x) pure returns (uint8)")
        b.click("#read")
        check("a good one is opened", b.wait("document.querySelector('#detail h2')?.innerText === 'f' && document.querySelector('#choice-error').hidden"), b.text("main"))
        b.fill(".arg", "256")
        check("an argument that does not fit", b.wait("document.querySelector('#calldata .wrong')?.innerText.includes('x:')"), b.text("#calldata"))
        b.shot(f"{out}/contracts-400.png", 400, 1800)
        up.terminate()
        up.wait(20)
        b.click("#read")
        check("a board that is gone", b.wait("document.querySelector('#live-text').innerText.includes('no answer')"), b.text("header"))


up = subprocess.Popen([sennit, "up", "-d", os.path.join(tmp, "data"), tmp], stdout=subprocess.DEVNULL,
                      stderr=subprocess.PIPE)
try:
    for _ in range(150):
        try:
            ask("")
            break
        except urllib.error.URLError:
            time.sleep(0.1)
    questions()
    refusals()
    strangers()
    check("no answer had more of a node's URL", not leaks, leaks)
    if shutil.which("chromium"):
        in_the_browser()
    else:
        print("SKIP the page in Chromium: no chromium here (Debian package chromium)")
    up.terminate()
    check("it ends", up.wait(20) == 0, up.stderr.read())
finally:
    up.kill()
    shutil.rmtree(tmp)
print(f"{passed} passed, {failed} failed")
sys.exit(failed != 0)
