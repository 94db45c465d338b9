"""Protects an API with PyJWT and two calls to Counterfoil: evaluation and redeem."""

import base64
import hashlib
import json
import os
import re
import secrets
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import rfc8785

ISSUER = os.environ["COUNTERFOIL_ISSUER"]
AUDIENCE = os.environ["COUNTERFOIL_AUDIENCE"]
API_KEY = os.environ["COUNTERFOIL_API_KEY"]
PORT = int(os.environ.get("PORT", "8284"))
# What clients call and what their DPoP proofs name, whatever a proxy in between makes of it.
EXTERNAL_URL = os.environ.get("EXTERNAL_URL", f"http://localhost:{PORT}")
BODY_BYTES = 64 * 1024

with urllib.request.urlopen(f"{ISSUER}/.well-known/oauth-authorization-server", timeout=5) as reply:
    METADATA = json.load(reply)
assert METADATA["issuer"] == ISSUER, "the metadata is of another issuer (RFC 8414 §3.3)"
KEYS = jwt.PyJWKClient(METADATA["jwks_uri"])
SEEN: dict[str, float] = {}


class Refusal(Exception):
    def __init__(self, status, body, challenge=None):
        super().__init__(body.get("type"))
        self.status, self.body, self.challenge = status, body, challenge


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def digest(transaction) -> str:
    return b64(hashlib.sha256(rfc8785.dumps(transaction)).digest())


def ask(path: str, body) -> tuple[int, dict]:
    headers = {"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json"}
    request = urllib.request.Request(ISSUER + path, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"{}")


def proof_is_good(proof: str, token: str, jkt: str, method: str, uri: str) -> bool:
    """RFC 9449 §4.3, with the memory of §11.1."""
    header = jwt.get_unverified_header(proof)
    jwk = header.get("jwk", {})
    if header.get("typ") != "dpop+jwt" or jwk.get("crv") != "P-256" or "d" in jwk:
        return False
    claims = jwt.decode(proof, jwt.PyJWK(jwk, "ES256").key, algorithms=["ES256"], options={"verify_aud": False})
    thumbprint = b64(hashlib.sha256(rfc8785.dumps({name: jwk[name] for name in ("crv", "kty", "x", "y")})).digest())
    now = time.time()
    for jti in [jti for jti, until in list(SEEN.items()) if until < now]:
        SEEN.pop(jti, None)
    fresh = abs(now - claims["iat"]) <= 60 and claims["jti"] not in SEEN
    SEEN[claims["jti"]] = now + 180
    return (
        fresh
        and thumbprint == jkt
        and claims["htm"] == method
        and claims["htu"] == uri
        and claims["ath"] == b64(hashlib.sha256(token.encode()).digest())
    )


class Api(BaseHTTPRequestHandler):
    def identify(self):
        try:
            scheme, self.token = self.headers["Authorization"].split(" ", 1)
            (self.proof,) = self.headers.get_all("DPoP")
            self.uri = EXTERNAL_URL + self.path.split("?")[0]
            assert scheme.lower() == "dpop"
            assert jwt.get_unverified_header(self.token)["typ"] == "at+jwt"
            key = KEYS.get_signing_key_from_jwt(self.token)
            claims = jwt.decode(
                self.token, key.key, algorithms=["ES256"], audience=AUDIENCE, issuer=ISSUER,
                options={"require": ["exp", "iat", "sub", "jti", "client_id", "cnf"]},
            )
            assert proof_is_good(self.proof, self.token, claims["cnf"]["jkt"], self.command, self.uri)
            return claims
        except Exception as error:
            raise Refusal(401, {"type": "invalid-token"}, 'DPoP error="invalid_token", algs="ES256"') from error

    def presented(self):
        return {"access_token": self.token, "dpop": {"proof": self.proof, "method": self.command, "uri": self.uri}}

    def evaluate(self, claims, action, resource, transaction=None):
        """Raises unless policy permits. With a transaction it lodges it, and the refusal is the challenge of RFC 9470."""
        context = self.presented()
        if transaction:
            context["authorization_details"] = [transaction]
        subject = {"type": "user", "id": claims["sub"]}
        question = {"subject": subject, "action": {"name": action}, "resource": resource, "context": context}
        status, answer = ask("/access/v1/evaluation", question)
        if status != 200:
            raise Refusal(503, {"type": "unavailable"})
        if answer["decision"] is True:
            return
        said = answer.get("context", {})
        if said.get("outcome") != "step_up":
            raise Refusal(403, {"type": "denied", "reason": said.get("reason_user")})
        body = {
            "type": "insufficient-user-authentication",
            "decision_id": said["decision_id"],
            "authorization_details": [transaction],
        }
        challenge = (
            f'DPoP error="insufficient_user_authentication", acr_values="{said["acr_values"]}", '
            f'max_age={said.get("max_age", 0)}, decision_id="{said["decision_id"]}"'
        )
        raise Refusal(401, body, challenge)

    def once(self, transaction, execute):
        """Spends the token's transaction if it is exactly this one, executes it, and reports how it went."""
        redemption_id = secrets.token_urlsafe(24)
        question = {**self.presented(), "txn_digest": digest(transaction), "redemption_id": redemption_id}
        for attempt in range(3):
            # A lost reply is asked for again with the same id: the issuer answers what it answered.
            try:
                status, answer = ask("/v1/redeem", question)
                if status < 500:
                    break
            except OSError:
                status, answer = 503, {"type": "unavailable"}
        if status != 200:
            raise Refusal(status, answer)
        outcome = "failed"
        try:
            result = execute(transaction)
            outcome = "executed"
            return result
        finally:
            ask(f"/v1/redeem/{redemption_id}", {"outcome": outcome})

    def answer(self):
        found = re.fullmatch(r"/accounts/([^/?]+)(/payout)?", self.path.split("?")[0])
        if not found:
            raise Refusal(404, {"type": "not-found"})
        length = int(self.headers.get("Content-Length") or 0)
        if length > BODY_BYTES:
            raise Refusal(413, {"type": "too-large"})
        body = self.rfile.read(length)
        claims = self.identify()
        resource = {"type": "account", "id": found[1]}
        if self.command == "GET" and not found[2] and "txn" not in claims:
            self.evaluate(claims, "balance.read", resource)
            return {"balance": "1200.00"}
        if self.command == "PUT" and found[2]:
            asked = json.loads(body)
            transaction = {"type": "payout_change", "resource": resource}
            transaction |= {name: asked[name] for name in ("creditor_name", "iban", "amount")}
            if "txn" in claims:
                return self.once(transaction, lambda confirmed: {"paid_to": confirmed["iban"]})
            self.evaluate(claims, "payout.change", resource, transaction)
            raise Refusal(500, {"type": "not-confirmed"})
        raise Refusal(405, {"type": "not-allowed"})

    def serve(self):
        challenge = None
        try:
            status, body = 200, self.answer()
        except Refusal as refusal:
            status, body, challenge = refusal.status, refusal.body, refusal.challenge
        except (KeyError, TypeError, ValueError):
            status, body = 400, {"type": "invalid-request"}
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        if challenge:
            self.send_header("WWW-Authenticate", challenge)
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = serve


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", PORT), Api)
    print(f"ready on {EXTERNAL_URL}", flush=True)
    server.serve_forever()
