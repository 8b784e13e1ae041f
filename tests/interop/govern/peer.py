# SPDX-License-Identifier: Apache-2.0
"""The Python side of tests/interop/govern.sh: PyJWT, and a collector that decodes with opentelemetry-proto.
peer.py keys DIR | sign ALG KEYFILE KID | verify ALG KEYFILE | collector PORTFILE N"""
import http.server
import json
import pathlib
import sys
import time

ALGS = ["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


def keys(folder):
    """A private and a public key per algorithm, and one JWK Set of all the public ones, with names."""
    import jwt.algorithms as ja
    from cryptography.hazmat.primitives import serialization as ser
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    rsa_key = rsa.generate_private_key(65537, 2048)
    curves = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
    jwks = []
    for alg in ALGS:
        if alg.startswith("HS"):
            secret = (alg * 20).encode()[:72]
            for kind in ("private", "public"):
                (folder / f"{alg}.{kind}").write_bytes(secret)
            jwk = json.loads(ja.HMACAlgorithm.to_jwk(secret))
        else:
            key = rsa_key if alg[0] in "RP" else ec.generate_private_key(curves[alg]) if alg in curves \
                else ed25519.Ed25519PrivateKey.generate()
            (folder / f"{alg}.private").write_bytes(key.private_bytes(
                ser.Encoding.PEM, ser.PrivateFormat.PKCS8, ser.NoEncryption()))
            (folder / f"{alg}.public").write_bytes(key.public_key().public_bytes(
                ser.Encoding.PEM, ser.PublicFormat.SubjectPublicKeyInfo))
            kind = ja.RSAAlgorithm if alg[0] in "RP" else ja.ECAlgorithm if alg in curves else ja.OKPAlgorithm
            jwk = json.loads(kind.to_jwk(key.public_key()))
        jwk.pop("key_ops", None)
        jwks.append(dict(jwk, kid="k-" + alg, alg=alg, use="sig"))
    (folder / "jwks.json").write_text(json.dumps({"keys": jwks}))


def claims():
    now = int(time.time())
    return {"iss": "issuer", "sub": "alice", "aud": ["them", "us"], "exp": now + 300, "iat": now}


def collector(portfile, want):
    """Takes exports until `want` spans are there, then says what it saw."""
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as svc
    spans, resource = [], {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *a):
            pass

        def do_POST(self):
            m = svc.ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["content-length"])))
            assert self.path == "/v1/traces" and self.headers["content-type"] == "application/x-protobuf"
            for rs in m.resource_spans:
                resource.update({a.key: a.value.string_value for a in rs.resource.attributes})
                for ss in rs.scope_spans:
                    spans.extend(ss.spans)
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.end_headers()
            self.wfile.write(svc.ExportTraceServiceResponse().SerializeToString())

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    pathlib.Path(portfile).write_text(str(server.server_port))
    while len(spans) < want:
        server.handle_request()
    parents = {s.span_id: s for s in spans if not s.parent_span_id}
    children = [s for s in spans if s.parent_span_id]
    assert resource["service.name"] == "shop" and resource["service.instance.id"] == "a-1", resource
    assert len(parents) == len(children) == want // 2 and len({s.trace_id for s in spans}) == want // 2
    for s in children:
        p = parents[s.parent_span_id]
        a = {x.key: x.value for x in s.attributes}
        assert p.trace_id == s.trace_id and len(s.trace_id) == 16 and len(s.span_id) == 8
        assert a["db.system"].string_value == "postgresql ä" and a["rows"].int_value == -5
        assert a["cached"].bool_value is True and a["load"].double_value == 0.5
        assert s.status.code == 2 and s.status.message == "UNAVAILABLE" and s.trace_state == "vendor=x" and s.kind == 3
        assert 0 < s.start_time_unix_nano <= s.end_time_unix_nano and p.kind == 2 and p.name == "GET /orders/:id"
    print(f"{len(spans)} spans")


def main(verb, *args):
    if verb == "keys":
        keys(pathlib.Path(args[0]))
    elif verb == "sign":
        import jwt
        print(jwt.encode(claims(), pathlib.Path(args[1]).read_bytes(), algorithm=args[0], headers={"kid": args[2]}))
    elif verb == "verify":
        import jwt
        c = jwt.decode(sys.stdin.read().strip(), pathlib.Path(args[1]).read_bytes(), algorithms=[args[0]],
                       audience="us", issuer="issuer")
        print(args[0], c["sub"])
    elif verb == "claims":
        print(json.dumps(claims()))
    elif verb == "collector":
        collector(args[0], int(args[1]))


main(*sys.argv[1:])
