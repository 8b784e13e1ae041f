#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Gateway API's own conformance cases against `sennit gateway`: the objects and the expectations are read from
the module sigs.k8s.io/gateway-api in Go's module cache (nothing of it is here), the Services' pods are servers
of this script, found by EndpointSlices. What needs a control plane (status, generations) is not asked; an
Ingress of our own is.  usage: gateway_kube.py SENNIT"""
import base64, http.client, http.server, json, os, re, socket, ssl, subprocess, sys, tempfile, threading, time
from urllib.parse import parse_qs, urlparse

sys.path[:0] = ["/usr/lib/python3/dist-packages"]
try:
    import yaml
except ImportError:
    print("SKIP: python3-yaml is not installed"); sys.exit(77)

MODULE = "sigs.k8s.io/gateway-api@v1.2.1"
OFFSET = 20000
sennit = sys.argv[1]


def module_dir():
    try:
        out = subprocess.run(["go", "mod", "download", "-json", MODULE], capture_output=True, text=True, timeout=100,
                             cwd=tempfile.gettempdir(), env={**os.environ, "GOFLAGS": "-mod=mod"})
        return json.loads(out.stdout)["Dir"]
    except Exception:
        return None


root = module_dir()
if not root:
    print("SKIP: the Go module sigs.k8s.io/gateway-api cannot be had"); sys.exit(77)
passed = failed = skipped = 0


def ok(name): global passed; passed += 1; print("ok", name)
def fail(name, why): global failed; failed += 1; print(f"FAIL {name}: {why}")
def skip(name, why): global skipped; skipped += 1; print(f"SKIP {name}: {why}")


# ---- pods: they answer what they got, as JSON ----
class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        n = int(self.headers.get("Content-Length", 0))
        self.rfile.read(n)
        server = self.server
        server.seen.append(self.path)
        delay = parse_qs(urlparse(self.path).query).get("delay", ["0"])[0]
        time.sleep(float(re.sub("s$", "", delay.replace("ms", "e-3"))))
        body = json.dumps({"backend": server.name, "path": self.path, "method": self.command, "host": self.headers["Host"],
                           "headers": {k.lower(): self.headers.get_all(k) for k in self.headers.keys()}}).encode()
        self.send_response(200)
        for pair in filter(None, (self.headers.get("X-Echo-Set-Header") or "").split(",")):
            k, _, v = pair.partition(":")
            self.send_header(k.strip(), v.strip())
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD": self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = do_CONNECT = answer
    def log_message(self, *a): pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    def handle_error(self, *a): pass


pods = {}


def pod(name):
    if name not in pods:
        s = Server(("127.0.0.1", 0), Echo)
        s.name, s.seen = name, []
        threading.Thread(target=s.serve_forever, daemon=True).start()
        pods[name] = s
    return pods[name].server_address[1]


# ---- expectations: composite literals of Go ----
TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|\s+|"(?:[^"\\]|\\.)*"|`[^`]*`|[A-Za-z_][\w.]*|-?\d[\w.]*|.', re.S)


class Go:
    def __init__(self, text):
        self.t = [m for m in TOKEN.findall(text) if not m.isspace() and m[:2] not in ("//", "/*")]
        self.i = 0

    def peek(self): return self.t[self.i] if self.i < len(self.t) else ""
    def next(self): self.i += 1; return self.t[self.i - 1]

    def value(self):
        tok = self.peek()
        if tok in "&*": self.next(); return self.value()
        if tok == "{": return self.literal()
        if tok[0] in '"`': return json.loads(self.next()) if tok[0] == '"' else self.next()[1:-1]
        if tok == "[": # []T{...}, [n]T{...}
            while self.next() != "]": pass
            return self.value()
        if tok == "map":
            while self.next() != "]": pass
            return self.value()
        word = self.next()
        if self.peek() == "{": return self.literal()
        if self.peek() == "(":
            depth = 0
            while True:
                c = self.next(); depth += (c == "(") - (c == ")")
                if not depth: break
            return word
        if self.peek() == "[": return self.value()
        return int(word) if word.isdigit() else {"true": True, "false": False}.get(word, word)

    def literal(self):
        self.next()
        out, pairs = [], {}
        while self.peek() != "}":
            v = self.value()
            if self.peek() == ":":
                self.next(); pairs[v] = self.value()
            else: out.append(v)
            while self.peek() not in (",", "}"): self.next() # operators and the like: not followed
            if self.peek() == ",": self.next()
        self.next()
        return pairs if pairs or not out else out


def cases_of(text):
    """(Gateway's name, case) of every []http.ExpectedResponse of a test."""
    all_gws = re.findall(r'gwNN\w*\s*:?=\s*types\.NamespacedName\{Name:\s*"([^"]+)"', text)
    blocks = list(re.finditer(r"\[\]http\.ExpectedResponse\{", text))
    for i, m in enumerate(blocks):
        gws = re.findall(r'gwNN\w*\s*:?=\s*types\.NamespacedName\{Name:\s*"([^"]+)"', text[:m.start()])
        # As many Gateways as lists of cases: they belong together in order.
        gw = all_gws[i] if len(all_gws) == len(blocks) else gws[-1] if gws else "same-namespace"
        # One list before several Gateways is for each of them.
        on = all_gws if len(blocks) == 1 and not gws and all_gws else [gw]
        for c in Go(text[m.start():]).value() or []:
            for gw in on: yield gw, c


# ---- objects ----
def load(path): return [d for d in yaml.safe_load_all(open(path).read().replace("{GATEWAY_CLASS_NAME}", "sennit")) if d]


addresses = {}


def prepare(docs):
    """Gateways get an address each, Services their pods, and the certificate is made."""
    out = []
    for d in docs:
        if d["kind"] == "Gateway":
            key = d["metadata"]["name"]
            addresses.setdefault(key, f"127.{100 + os.getpid() % 100}.7.{len(addresses) + 1}")
            d["spec"]["addresses"] = [{"type": "IPAddress", "value": addresses[key]}]
        if d["kind"] in ("Deployment", "Pod", "EndpointSlice"): continue
        out.append(d)
        if d["kind"] == "Service" and d["spec"].get("selector") or d["kind"] == "Service":
            name, ns = d["metadata"]["name"], d["metadata"].get("namespace", "default")
            out.append({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
                        "metadata": {"name": name + "-1", "namespace": ns, "labels": {"kubernetes.io/service-name": name}},
                        "ports": [{"name": p.get("name", ""), "port": pod(name)} for p in d["spec"]["ports"]],
                        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}},
                                      {"addresses": ["127.0.0.9"], "conditions": {"ready": False}}]})
    return out


tmp = tempfile.TemporaryDirectory()
subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-keyout", tmp.name + "/key.pem", "-out", tmp.name + "/cert.pem", "-subj", "/CN=example.org"],
               check=True, capture_output=True)
def b64(f): return base64.b64encode(open(f"{tmp.name}/{f}", "rb").read()).decode()
secret = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
          "metadata": {"name": "tls-validity-checks-certificate", "namespace": "gateway-conformance-infra"},
          "data": {"tls.crt": b64("cert.pem"), "tls.key": b64("key.pem")}}


class Gateway:
    def __init__(self, docs, extra=""):
        self.dir = tempfile.mkdtemp(dir=tmp.name)
        os.mkdir(self.dir + "/objects")
        self.write(docs)
        with open(self.dir + "/gw.yaml", "w") as f:
            f.write(f"kubernetes: {{paths: [{self.dir}/objects], gateway_class: sennit, port_offset: {OFFSET}{extra}}}\n"
                    f"limits: {{stall_timeout: 5s}}\n")
        self.p = subprocess.Popen([sennit, "gateway", "-w", "1", "-c", self.dir + "/gw.yaml"], stderr=subprocess.PIPE, text=True)
        for line in self.p.stderr:
            if '"listening"' in line or "listening" in line: break
        threading.Thread(target=lambda: [None for _ in self.p.stderr], daemon=True).start()

    def write(self, docs):
        with open(self.dir + "/objects/.new", "w") as f: yaml.safe_dump_all(docs, f)
        os.rename(self.dir + "/objects/.new", self.dir + "/objects/all.yaml")

    def stop(self):
        self.p.terminate(); self.p.wait(20)


def ask(addr, port, req, host, tls=False, timeout=10):
    method, path = req.get("Method", "GET"), req.get("Path", "/")
    s = socket.create_connection((addr, port + OFFSET), timeout=timeout)
    if tls:
        ctx = ssl.create_default_context(); ctx.check_hostname = False; ctx.verify_mode = ssl.CERT_NONE
        s = ctx.wrap_socket(s, server_hostname=host)
    c = http.client.HTTPConnection(addr); c.sock = s
    c.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    c.putheader("Host", host)
    for k, v in (req.get("Headers") or {}).items(): c.putheader(k, v)
    c.endheaders()
    r = c.getresponse()
    return r.status, r.getheaders(), r.read()


def first_port(docs, gw):
    for d in docs:
        if d["kind"] == "Gateway" and d["metadata"]["name"] == gw:
            return [(l["port"], l["protocol"] == "HTTPS") for l in d["spec"]["listeners"]]
    return []


def judge(case, docs, gw):
    """None where the answer is what the case expects, else what is wrong."""
    req, want = case.get("Request", {}), case.get("Response") or {}
    ports = first_port(docs, gw)
    if not ports: return f"no Gateway {gw}"
    port, tls = ports[0]
    host = req.get("Host") or "127.0.0.1"
    m = re.fullmatch(r"(.*):(\d+)", host)
    if m and int(m[2]) in [p for p, _ in ports]: port = int(m[2])
    if case.get("BackendSetResponseHeaders"):
        pairs = ",".join(f"{k}:{v}" for k, v in case["BackendSetResponseHeaders"].items())
        req = {**req, "Headers": {**(req.get("Headers") or {}), "X-Echo-Set-Header": pairs}}
    status, headers, body = ask(addresses[gw], port, req, host, tls)
    h = {}
    for k, v in headers: h.setdefault(k.lower(), []).append(v)
    codes = want.get("StatusCodes") or [want.get("StatusCode", 200)]
    if isinstance(codes, list) and status not in codes: return f"status {status}, expected {codes}: {body[:200]}"
    for k, v in (want.get("Headers") or {}).items():
        if ",".join(h.get(k.lower(), [])) != v: return f"header {k} is {h.get(k.lower())}, expected {v}"
    for k in want.get("AbsentHeaders") or []:
        if k.lower() in h: return f"header {k} is there"
    red = case.get("RedirectRequest")
    if red:
        u = urlparse(h["location"][0])
        if red.get("Scheme") and u.scheme != red["Scheme"]: return f"location {h['location']}, expected {red}"
        if red.get("Host") and u.hostname != red["Host"]: return f"location {h['location']}, expected {red}"
        if str(red.get("Port") or "") and str(u.port or {"http": 80, "https": 443}[u.scheme]) != str(red["Port"]):
            return f"location {h['location']}, expected {red}"
        if red.get("Path") and u.path != red["Path"]: return f"location {h['location']}, expected {red}"
    if status == 200 and not red:
        got = json.loads(body)
        b = case.get("Backend")
        if b and got["backend"] != b: return f"answered by {got['backend']}, expected {b}"
        exp = ((case.get("ExpectedRequest") or {}).get("Request")) or {}
        if exp.get("Path") and got["path"] != exp["Path"]: return f"the pod got {got['path']}, expected {exp['Path']}"
        if exp.get("Host") and got["host"] != exp["Host"]: return f"the pod got host {got['host']}, expected {exp['Host']}"
        for k, v in (exp.get("Headers") or {}).items():
            if ",".join(got["headers"].get(k.lower(), [])) != v: return f"the pod got {k}: {got['headers'].get(k.lower())}, expected {v}"
        for k in (case.get("ExpectedRequest") or {}).get("AbsentHeaders") or []:
            if k.lower() in got["headers"]: return f"the pod got {k}"
    return None


tests = os.path.join(root, "conformance/tests")
base = load(os.path.join(root, "conformance/base/manifests.yaml"))
leave_out = {
    "httproute-backend-protocol-h2c": "the pods here speak no h2",
    "httproute-backend-protocol-websocket": "WebSockets have their own test",
    "httproute-redirect-port-and-scheme": None,
}
names = sorted(f[:-3] for f in os.listdir(tests) if f.startswith(("httproute-", "gateway-")) and f.endswith(".go"))
for name in names:
    path = os.path.join(tests, name)
    text = open(path + ".go").read()
    if not os.path.exists(path + ".yaml") or "[]http.ExpectedResponse{" not in text: continue
    if leave_out.get(name): skip(name, leave_out[name]); continue
    files = re.findall(r'"tests/([\w-]+\.yaml)"', text) or [name + ".yaml"]
    docs = prepare(base + [d for f in files for d in load(os.path.join(tests, f))] + [secret])
    g = Gateway(docs)
    wrong, n = [], 0
    try:
        for gw, case in cases_of(text):
            if not isinstance(case, dict): continue
            n += 1
            for attempt in range(8): # right at once, but for weights
                try: why = judge(case, docs, gw)
                except Exception as e: why = repr(e)
                if not why: break
                if attempt > 1: time.sleep(0.05)
            if why: wrong.append(f"{case.get('Request')}: {why}")
    finally: g.stop()
    if wrong: fail(f"{name} ({n} cases)", "\n     ".join(wrong[:6]))
    elif n: ok(f"{name} ({n} cases)")

# ---- mirror: the copies arrive ----
docs = prepare(base + load(os.path.join(tests, "httproute-request-mirror.yaml")) + [secret])
g = Gateway(docs)
pods["infra-backend-v2"].seen.clear()
why = judge({"Request": {"Path": "/mirror"}, "Backend": "infra-backend-v1"}, docs, "same-namespace")
for _ in range(100):
    if pods["infra-backend-v2"].seen: break
    time.sleep(0.02)
g.stop()
if why or pods["infra-backend-v2"].seen != ["/mirror"]: fail("mirror", f"{why} {pods['infra-backend-v2'].seen}")
else: ok("mirror")

# ---- Ingress, and changes of the folder ----
addr = f"127.{100 + os.getpid() % 100}.8.1"
def ing(path, kind, svc): return {"path": path, "pathType": kind, "backend": {"service": {"name": svc, "port": {"number": 80}}}}
objs = prepare([{"kind": "Service", "metadata": {"name": n, "namespace": "shop"}, "spec": {"selector": {"a": "b"}, "ports": [{"name": "w", "port": 80}]}}
                for n in ("ing-a", "ing-b", "ing-c")])
tls_secret = {**secret, "metadata": {"name": "cert", "namespace": "shop"}}
ingress = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "i", "namespace": "shop"},
           "spec": {"ingressClassName": "sennit", "tls": [{"hosts": ["shop.example"], "secretName": "cert"}],
                    "defaultBackend": {"service": {"name": "ing-c", "port": {"number": 80}}},
                    "rules": [{"host": "shop.example", "http": {"paths": [ing("/a", "Prefix", "ing-a"), ing("/a/b", "Exact", "ing-b"),
                                                                          ing("/gone", "Prefix", "nobody")]}}]}}
g = Gateway(objs + [tls_secret, ingress], f", ingress_class: sennit, address: {addr}")
for path, host, tls, want in [("/a", "shop.example", False, "ing-a"), ("/a/b", "shop.example", False, "ing-b"), ("/a/b/c", "shop.example", True, "ing-a"),
                              ("/ab", "shop.example", False, "ing-c"), ("/x", "other.example", True, "ing-c"), ("/gone", "shop.example", False, 503)]:
    status, _, body = ask(addr, 443 if tls else 80, {"Path": path}, host, tls)
    got = json.loads(body)["backend"] if status == 200 else status
    ok(f"ingress {host}{path}") if got == want else fail(f"ingress {host}{path}", f"{got}, expected {want}")
ingress["spec"]["rules"][0]["http"]["paths"][0] = ing("/a", "Prefix", "ing-b")
g.write(objs + [tls_secret, ingress])
for _ in range(100):
    status, _, body = ask(addr, 80, {"Path": "/a"}, "shop.example")
    if json.loads(body)["backend"] == "ing-b": break
    time.sleep(0.05)
ok("folder is watched") if json.loads(body)["backend"] == "ing-b" else fail("folder is watched", body)
g.stop()

# ---- an API server: list, watch, 410, absence ----
PATHS = {"gateways": "Gateway", "gatewayclasses": "GatewayClass", "httproutes": "HTTPRoute", "grpcroutes": "GRPCRoute", "referencegrants": "ReferenceGrant",
         "ingresses": "Ingress", "services": "Service", "secrets": "Secret", "namespaces": "Namespace", "endpointslices": "EndpointSlice"}


class Store:
    def __init__(self):
        self.rv, self.objects, self.log, self.cond, self.floor = 100, {}, [], threading.Condition(), 0
        self.patches, self.patches_refused = [], 0
    def apply(self, o, kind="MODIFIED"):
        with self.cond:
            self.rv += 1
            o = json.loads(json.dumps(o)); o["metadata"]["resourceVersion"] = str(self.rv)
            key = (o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"])
            if kind == "DELETED": self.objects.pop(key)
            else: self.objects[key] = o
            self.log.append((self.rv, o["kind"], kind, o)); self.cond.notify_all()


store = Store()


class Api(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *a): pass
    def reply(self, code, obj):
        b = json.dumps(obj).encode()
        self.send_response(code); self.send_header("Content-Length", str(len(b))); self.end_headers(); self.wfile.write(b)
    def do_PATCH(self):
        """The status subresource: merge patches, refused where the version is not the present one."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        part = urlparse(self.path).path.split("/")
        key = (PATHS.get(part[-3]), part[part.index("namespaces") + 1] if "namespaces" in part else None, part[-2])
        with store.cond: o = json.loads(json.dumps(store.objects.get(key)))
        if self.headers.get("Authorization") != "Bearer s3cret" or self.headers["Content-Type"] != "application/merge-patch+json": return self.reply(415, {})
        if store.patches_refused: store.patches_refused -= 1; return self.reply(500, {})
        if part[-1] != "status" or not o: return self.reply(404, {})
        if body["metadata"]["resourceVersion"] != o["metadata"]["resourceVersion"]: return self.reply(409, {})
        store.patches.append(key)
        o.setdefault("status", {}).update(body["status"])
        store.apply(o)
        self.reply(200, o)
    def do_GET(self):
        u = urlparse(self.path); q = parse_qs(u.query); kind = PATHS.get(u.path.split("/")[-1])
        if self.headers.get("Authorization") != "Bearer s3cret": return self.reply(401, {"kind": "Status", "code": 401})
        if kind == "GRPCRoute": return self.reply(404, {"kind": "Status", "code": 404})
        if "watch" not in q:
            with store.cond:
                items = [{k: v for k, v in o.items() if k not in ("kind", "apiVersion")} for (k, _, _), o in store.objects.items() if k == kind]
                return self.reply(200, {"kind": kind + "List", "metadata": {"resourceVersion": str(store.rv)}, "items": items})
        at = int(q["resourceVersion"][0])
        if at < store.floor: return self.reply(410, {"kind": "Status", "code": 410})
        self.send_response(200); self.send_header("Transfer-Encoding", "chunked"); self.end_headers()
        end = time.time() + self.server.watch_s
        try:
            while time.time() < end and not self.server.closing:
                with store.cond:
                    new = [e for e in store.log if e[0] > at and e[1] == kind]
                    if not new: store.cond.wait(0.2)
                for rv, _, what, o in new:
                    line = json.dumps({"type": what, "object": o}).encode() + b"\n"
                    half = len(line) // 2 # cut where it hurts
                    for part in (line[:half], line[half:]): self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part)); self.wfile.flush()
                    at = rv
            self.wfile.write(b"0\r\n\r\n")
        except OSError: pass


def api_start(port=0, watch_s=30):
    a = Server(("127.0.0.1", port), Api); a.watch_s, a.closing = watch_s, False
    threading.Thread(target=a.serve_forever, daemon=True).start()
    return a


def until(want, path="/a", host="shop.example", n=200):
    got = None
    for _ in range(n):
        try:
            status, _, body = ask(addr, 80, {"Path": path}, host)
            got = json.loads(body)["backend"] if status == 200 else status
        except OSError: got = "nobody"
        if got == want: return True
        time.sleep(0.05)
    return got


def say(name, got): ok(name) if got is True else fail(name, f"got {got}")


for o in objs + [tls_secret, ingress]: store.apply(o)
api = api_start(); port = api.server_address[1]
with open(tmp.name + "/token", "w") as f: f.write("s3cret\n")
g = Gateway([], f", ingress_class: sennit, address: {addr}, server: 'http://127.0.0.1:{port}', token_file: {tmp.name}/token")
say("api: listed", until("ing-b"))
def route_to(svc):
    ingress["spec"]["rules"][0]["http"]["paths"][0] = ing("/a", "Prefix", svc); store.apply(ingress)
route_to("ing-a"); say("api: watched", until("ing-a"))
slice_ = next(o for o in objs if o["kind"] == "EndpointSlice" and o["metadata"]["name"] == "ing-a-1")
slice_["ports"][0]["port"] = pod("ing-c"); store.apply(slice_); say("api: endpoints move", until("ing-c"))
store.apply(ingress, "DELETED"); say("api: deleted, and its port with it", until("nobody"))
route_to("ing-b"); say("api: back again", until("ing-b"))
# The server goes, and what is known stays in use.
api.closing = True; api.shutdown(); api.server_close(); time.sleep(0.5)
say("api: outage changes nothing", until("ing-b", n=1))
route_to("ing-c"); store.floor = store.rv + 1; store.rv += 5 # what happened meanwhile is no longer in its log
api = api_start(port)
say("api: listed again after 410", until("ing-c", n=600))

# ---- statuses are written back ----
GW, V1 = "gateway.networking.k8s.io/v1", "sennit.dev/gateway"
def meta(name, **more): return {"name": name, "namespace": "shop", "generation": 3, **more}
def conds(o): return {c["type"]: (c["status"], c["reason"], c["observedGeneration"]) for c in o.get("conditions", [])}
def status_of(kind, name, ns="shop"): return store.objects[(kind, ns, name)].get("status", {})
def eventually(name, what, n=800): # watches may still be pausing after the outage
    got = None
    for _ in range(n):
        try: got = what()
        except (KeyError, IndexError, StopIteration) as e: got = repr(e)
        if got is True: return ok(name)
        time.sleep(0.05)
    fail(name, got)
other = {"parentRef": {"name": "elsewhere"}, "controllerName": "other.example/x", "conditions": [
    {"type": "Accepted", "status": "True", "reason": "Accepted", "message": "", "lastTransitionTime": "2020-01-01T00:00:00Z"}]}
route = {"apiVersion": GW, "kind": "HTTPRoute", "metadata": meta("r"), "status": {"parents": [other]},
         "spec": {"parentRefs": [{"name": "shop"}, {"name": "shop", "sectionName": "nobody"}], "hostnames": ["www.example"],
                  "rules": [{"backendRefs": [{"name": "ing-a", "port": 80}]}]}}
store.patches_refused = 1 # it is tried again
store.apply({"apiVersion": GW, "kind": "GatewayClass", "metadata": {"name": "ours", "generation": 1}, "spec": {"controllerName": V1}})
store.apply({"apiVersion": GW, "kind": "GatewayClass", "metadata": {"name": "theirs", "generation": 1}, "spec": {"controllerName": "other.example/x"}})
store.apply({"apiVersion": GW, "kind": "Gateway", "metadata": meta("shop"), "spec": {"gatewayClassName": "ours", "addresses": [{"value": addr}], "listeners": [
    {"name": "web", "port": 8100, "protocol": "HTTP"}, {"name": "udp", "port": 8101, "protocol": "UDP"}]}})
store.apply(route)
yes = lambda reason, gen=3: ("True", reason, gen)
eventually("status: class", lambda: conds(status_of("GatewayClass", "ours", None)) == {"Accepted": yes("Accepted", 1)} or status_of("GatewayClass", "ours", None))
eventually("status: gateway", lambda: conds(status_of("Gateway", "shop")) == {"Accepted": yes("Accepted"), "Programmed": yes("Programmed")}
           and status_of("Gateway", "shop")["addresses"] == [{"type": "IPAddress", "value": addr}] or status_of("Gateway", "shop"))
def listeners(): return {l["name"]: l for l in status_of("Gateway", "shop")["listeners"]}
eventually("status: listener", lambda: conds(listeners()["web"]) == {"Accepted": yes("Accepted"), "ResolvedRefs": yes("ResolvedRefs"), "Programmed": yes("Programmed")}
           and listeners()["web"]["attachedRoutes"] == 1 and [k["kind"] for k in listeners()["web"]["supportedKinds"]] == ["HTTPRoute", "GRPCRoute"] or listeners())
eventually("status: listener of another kind", lambda: conds(listeners()["udp"])["Accepted"] == ("False", "UnsupportedProtocol", 3)
           and conds(listeners()["udp"])["Programmed"] == ("False", "Invalid", 3) or listeners())
def parents(): return {(p["controllerName"], p["parentRef"].get("sectionName")): p for p in status_of("HTTPRoute", "r")["parents"]}
eventually("status: route", lambda: conds(parents()[(V1, None)]) == {"Accepted": yes("Accepted"), "ResolvedRefs": yes("ResolvedRefs")} or parents())
eventually("status: route without its listener", lambda: conds(parents()[(V1, "nobody")])["Accepted"] == ("False", "NoMatchingParent", 3) or parents())
eventually("status: another controller's stays", lambda: parents()[("other.example/x", None)] == other or parents())
eventually("status: another controller's class is left alone", lambda: not status_of("GatewayClass", "theirs", None))
def reached(name="i"): return status_of("Ingress", name).get("loadBalancer", {}).get("ingress")
here = [{"ip": addr, "ports": [{"port": 80 + OFFSET, "protocol": "TCP"}, {"port": 443 + OFFSET, "protocol": "TCP"}]}]
eventually("status: ingress", lambda: reached() == here or reached())
now = json.loads(json.dumps(store.objects[("Ingress", "shop", "i")])); now["status"] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}; store.apply(now)
eventually("status: ingress of our class says where it is now", lambda: reached() == here or reached())
store.apply({**ingress, "metadata": {"name": "plain", "namespace": "shop"}, "spec": {**ingress["spec"], "tls": []}})
eventually("status: ingress without TLS", lambda: reached("plain") == [{"ip": addr, "ports": here[0]["ports"][:1]}] or reached("plain"))
store.apply({**ingress, "metadata": {"name": "theirs", "namespace": "shop"}, "spec": {**ingress["spec"], "ingressClassName": "other"}})
time.sleep(1); n = len(store.patches); time.sleep(1)
ok("status: ingress of another class is left alone") if not status_of("Ingress", "theirs") else fail("status: ingress of another class is left alone", status_of("Ingress", "theirs"))
of_gateways = [p for p in store.patches if p[0] != "Ingress"]
ok("status: written once") if len(store.patches) == n and len(of_gateways) <= 8 else fail("status: written once", store.patches)
since = next(c for c in parents()[(V1, None)]["conditions"] if c["type"] == "Accepted")["lastTransitionTime"]
now = store.objects[("HTTPRoute", "shop", "r")]; now["spec"]["rules"][0]["backendRefs"][0]["name"] = "absent"; now["metadata"]["generation"] = 4; store.apply(now)
eventually("status: follows a change", lambda: conds(parents()[(V1, None)]) == {"Accepted": yes("Accepted", 4), "ResolvedRefs": ("False", "BackendNotFound", 4)} or parents())
times = {c["type"]: c["lastTransitionTime"] for c in parents()[(V1, None)]["conditions"]}
ok("status: times of transitions") if times["Accepted"] == since and times["ResolvedRefs"] > since else fail("status: times of transitions", (since, times))
g.stop()
print(f"{passed} passed, {failed} failed, {skipped} skipped")
sys.exit(failed > 0)
