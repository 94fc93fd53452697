"""The PyPI package Authlib as a client of pilotlight-server, for the tests.

    python authlib_client.py ISSUER CONFIDENTIAL_CLIENT_ID < secret and signals

Prints one line of JSON per fact: {"open": URL} where a person has to open a page, after which it waits for a line on
standard input; {"done": STEP} for every step that went as the library wants it. The first line on standard input is the
secret of the confidential client. Authlib has no DPoP of its own: here its author's joserfc makes the proofs.
"""

import base64
import hashlib
import http.server
import json
import queue
import secrets
import sys
import threading
import time

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OKPKey

ISSUER, CONFIDENTIAL = sys.argv[1:3]
SCOPE = "openid profile offline_access"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


def say(**fact):
    print(json.dumps(fact), flush=True)


def done(step):
    say(done=step)


def line():
    return sys.stdin.readline().strip()


SECRET = line()
came_back = queue.Queue()


class Callback(http.server.BaseHTTPRequestHandler):
    """A client on a loopback redirect, as a native app has it."""

    def do_GET(self):
        came_back.put(REDIRECT.removesuffix("/callback") + self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"Back in the app.")

    def log_message(self, *_):
        pass


listener = http.server.HTTPServer(("127.0.0.1", 0), Callback)
REDIRECT = f"http://127.0.0.1:{listener.server_port}/callback"
threading.Thread(target=listener.serve_forever, daemon=True).start()

metadata = requests.get(f"{ISSUER}/.well-known/openid-configuration", timeout=30).json()
assert metadata["issuer"] == ISSUER
keys = KeySet.import_key_set(requests.get(metadata["jwks_uri"], timeout=30).json())
done("discovery")


def session(client, secret=None):
    method = "client_secret_basic" if secret else "none"
    return OAuth2Session(
        client,
        secret,
        scope=SCOPE,
        redirect_uri=REDIRECT,
        code_challenge_method="S256",
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        introspection_endpoint_auth_method=method,
    )


def sign_in(app, **more):
    verifier, nonce = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
    url, state = app.create_authorization_url(
        metadata["authorization_endpoint"], code_verifier=verifier, nonce=nonce, **more
    )
    assert create_s256_code_challenge(verifier) in url
    say(open=url)
    back = came_back.get(timeout=60)
    assert line() == "visited"
    return back, verifier, nonce, state


def id_claims(token, nonce=None):
    decoded = jwt.decode(token["id_token"], keys, algorithms=["ES256", "EdDSA", "RS256"])
    claims = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER},
        sub={"essential": True},
        nonce={"essential": nonce is not None, **({"value": nonce} if nonce else {})},
    )
    claims.validate(decoded.claims)
    return decoded.claims


def refused(error, attempt):
    try:
        attempt()
    except AuthlibBaseError as problem:
        assert problem.error == error, problem
        return
    raise AssertionError(f"{error} was expected")


app = session("pilotlight")
back, verifier, nonce, state = sign_in(app)
token = app.fetch_token(
    metadata["token_endpoint"], authorization_response=back, code_verifier=verifier, state=state
)
sub = id_claims(token, nonce)["sub"]
done("sign-in")
assert app.get(metadata["userinfo_endpoint"]).json()["sub"] == sub
done("userinfo")
for _ in range(5):
    before = app.token["refresh_token"]
    app.refresh_token(metadata["token_endpoint"])
    assert app.token["refresh_token"] != before
done("refresh")
assert app.revoke_token(metadata["revocation_endpoint"], app.token["refresh_token"]).status_code == 200
refused("invalid_grant", lambda: app.refresh_token(metadata["token_endpoint"]))
done("revoke")

backend = session(CONFIDENTIAL, SECRET)
back, verifier, nonce, state = sign_in(backend)
token = backend.fetch_token(
    metadata["token_endpoint"], authorization_response=back, code_verifier=verifier, state=state
)


def introspect(presented):
    return backend.introspect_token(metadata["introspection_endpoint"], presented).json()


assert introspect(token["access_token"])["sub"] == id_claims(token, nonce)["sub"]
assert introspect(token["refresh_token"])["active"]
backend.revoke_token(metadata["revocation_endpoint"], token["access_token"])
assert introspect(token["access_token"]) == {"active": False}
done("introspect")
own = session(CONFIDENTIAL, SECRET).fetch_token(
    metadata["token_endpoint"], grant_type="client_credentials", scope="reports"
)
assert own["scope"] == "reports" and "refresh_token" not in own
done("client credentials")


class Proofs(requests.auth.AuthBase):
    """Puts a proof into each request (RFC 9449 section 4), with the last nonce that the server gave."""

    def __init__(self, key, alg):
        self.key, self.alg, self.nonce, self.token = key, alg, None, None

    def thumbprint(self):
        return self.key.thumbprint()

    def __call__(self, request):
        claims = {"jti": secrets.token_urlsafe(16), "htm": request.method, "iat": int(time.time())}
        claims["htu"] = request.url.split("?")[0]
        if self.nonce:
            claims["nonce"] = self.nonce
        if self.token:
            digest = hashlib.sha256(self.token.encode()).digest()
            claims["ath"] = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            request.headers["Authorization"] = f"DPoP {self.token}"
        header = {"typ": "dpop+jwt", "alg": self.alg, "jwk": self.key.as_dict(private=False)}
        request.headers["DPoP"] = jwt.encode(header, claims, self.key, algorithms=[self.alg])
        return request


class Bound(OAuth2Session):
    """Authlib's session with proofs beside the client's own authentication."""

    def __init__(self, proofs, *arguments, **more):
        super().__init__(*arguments, **more)
        self.proofs = proofs
        for hook in ["access_token_response", "refresh_token_response"]:
            self.register_compliance_hook(hook, self.once_more)

    def once_more(self, response):
        """Asks again where the server wants another nonce."""
        self.proofs.nonce = response.headers.get("DPoP-Nonce", self.proofs.nonce)
        if response.status_code == 400 and response.json()["error"] == "use_dpop_nonce":
            return requests.Session().send(self.proofs(response.request), timeout=30)
        return response

    def request(self, method, url, **more):
        if url == metadata["token_endpoint"]:
            inner = more.get("auth")
            more["auth"] = lambda request: self.proofs(inner(request) if inner else request)
        return super().request(method, url, **more)


for alg, key in [("ES256", ECKey.generate_key("P-256")), ("EdDSA", OKPKey.generate_key("Ed25519"))]:
    proofs = Proofs(key, alg)
    bound = Bound(
        proofs, "pilotlight", scope=SCOPE, redirect_uri=REDIRECT, code_challenge_method="S256",
        token_endpoint_auth_method="none",
    )
    back, verifier, nonce, state = sign_in(bound, dpop_jkt=proofs.thumbprint())
    token = bound.fetch_token(
        metadata["token_endpoint"], authorization_response=back, code_verifier=verifier, state=state
    )
    assert token["token_type"] == "DPoP", token
    assert introspect(token["access_token"])["cnf"]["jkt"] == proofs.thumbprint()
    stranger = session("pilotlight")
    refused("invalid_dpop_proof", lambda: stranger.refresh_token(metadata["token_endpoint"], token["refresh_token"]))
    for _ in range(3):
        token = bound.refresh_token(metadata["token_endpoint"], token["refresh_token"])
    proofs.token = token["access_token"]
    answer = requests.get(metadata["userinfo_endpoint"], auth=proofs, timeout=30)
    assert answer.json()["sub"] == sub, answer.text
    done(f"DPoP {alg}")

device = session("pilotlight")
begun = device.post(
    metadata["device_authorization_endpoint"],
    data={"client_id": "pilotlight", "scope": SCOPE},
    withhold_token=True,
).json()
say(open=begun["verification_uri_complete"])
assert line() == "visited"
token = device.fetch_token(metadata["token_endpoint"], grant_type=DEVICE_GRANT, device_code=begun["device_code"])
assert id_claims(token)["sub"] == sub
device.refresh_token(metadata["token_endpoint"])
done("device")
# Whoever reads may be slower than we are.
line()
