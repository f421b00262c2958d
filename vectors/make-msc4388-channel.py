#!/usr/bin/env python3
"""Writes msc4388-channel.json. Needs the package `cryptography` (written with 50.0); shares no code with the Rust crates.

Follows MSC4388, section "Secure channel", step by step, and RFC 9180 where that points there. X25519 and
ChaCha20-Poly1305 are OpenSSL's; HKDF is written out from Python's `hmac`. All randomness is fixed, so every run writes the
same bytes. Before anything is written, the key schedule is checked against RFC 9180, appendix A.2.1.
"""
import base64
import hashlib
import hmac
import json
import pathlib

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

LABELS = {"AsDeployed": "MATRIX_QR_CODE_LOGIN_RESPONSE", "AsWritten": "MATRIX_QR_CODE_LOGIN response"}

KEM_SUITE = b"KEM" + (0x0020).to_bytes(2, "big")
HPKE_SUITE = b"HPKE" + b"".join(n.to_bytes(2, "big") for n in (0x0020, 0x0001, 0x0003))

# Who sends, the sequence number of that sender, the plaintext. Each is written against the token of its place in this list.
MESSAGES = [
    ("S", 0, "MATRIX_QR_CODE_LOGIN_INITIATE"),
    ("G", 0, "MATRIX_QR_CODE_LOGIN_OK"),
    ("S", 1, '{"type":"m.login.protocol_accepted"}'),
    ("G", 1, '{"type":"m.login.success"}'),
    ("S", 2, '{"type":"m.login.failure","reason":"unable_to_open_verification_uri"}'),
    ("G", 2, ""),
]

# Where the session is. The second has what may be got wrong: a slash at the end, a port, padding in the tokens.
PLACES = [
    ("https://matrix-client.matrix.org", "e8da6355-550b-4a32-a193-1619d9830668", lambda n: str(n)),
    ("http://localhost:8008/", "~", lambda n: base64.b64encode(digest(f"token {n}")).decode()),
]
BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def digest(text):
    return hashlib.sha256(text.encode()).digest()


def unpadded(data):
    return base64.b64encode(data).decode().rstrip("=")


def public(secret):
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def ecdh(secret, key):
    return X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(key))


# RFC 5869.
def extract(salt, ikm):
    return hmac.digest(salt or bytes(32), ikm, "sha256")


def expand(prk, info, size):
    out, block = b"", b""
    for n in range(1, size // 32 + 2):
        block = hmac.digest(prk, block + info + bytes([n]), "sha256")
        out += block
    return out[:size]


# RFC 9180, section 4.
def labeled_extract(suite, salt, label, ikm):
    return extract(salt, b"HPKE-v1" + suite + label + ikm)


def labeled_expand(suite, prk, label, info, size):
    return expand(prk, size.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info, size)


def derive_secret_key(ikm):
    """Section 7.1.3."""
    return labeled_expand(KEM_SUITE, labeled_extract(KEM_SUITE, b"", b"dkp_prk", ikm), b"sk", b"", 32)


def decapsulate(secret, encapsulated):
    """Section 4.1: `ExtractAndExpand(dh, enc || pkR)`."""
    prk = labeled_extract(KEM_SUITE, b"", b"eae_prk", ecdh(secret, encapsulated))
    return labeled_expand(KEM_SUITE, prk, b"shared_secret", encapsulated + public(secret), 32)


def key_schedule(shared, info):
    """Section 5.1, mode_base: key, base nonce, exporter secret."""
    psk_id_hash = labeled_extract(HPKE_SUITE, b"", b"psk_id_hash", b"")
    context = b"\x00" + psk_id_hash + labeled_extract(HPKE_SUITE, b"", b"info_hash", info)
    secret = labeled_extract(HPKE_SUITE, shared, b"secret", b"")
    sizes = ((b"key", 32), (b"base_nonce", 12), (b"exp", 32))
    return [labeled_expand(HPKE_SUITE, secret, label, context, size) for label, size in sizes]


def export(exporter_secret, context, size):
    """Section 5.3."""
    return labeled_expand(HPKE_SUITE, exporter_secret, b"sec", context, size)


def seal(key, base_nonce, sequence, plaintext, aad):
    """Section 5.2."""
    nonce = bytes(a ^ b for a, b in zip(base_nonce, sequence.to_bytes(12, "big")))
    return ChaCha20Poly1305(key).encrypt(nonce, plaintext, aad)


def check_against_rfc_9180():
    enc = derive_secret_key(bytes.fromhex("909a9b35d3dc4713a5e72a4da274b55d3d3821a37e5d099e74a647db583a904b"))
    own = derive_secret_key(bytes.fromhex("1ac01f181fdf9f352797655161c58b75c656a6cc2716dcb66372da835542e1df"))
    assert public(enc).hex() == "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a"
    assert public(own).hex() == "4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a"
    shared = decapsulate(own, public(enc))
    assert shared.hex() == "0bbe78490412b4bbea4812666f7916932b828bba79942424abb65244930d69a7"
    key, nonce, exporter = key_schedule(shared, bytes.fromhex("4f6465206f6e2061204772656369616e2055726e"))
    assert key.hex() == "ad2744de8e17f4ebba575b3f5f5a8fa1f69c2a07f6e7500bc60ca6e3e3ec1c91"
    assert nonce.hex() == "5c4d98150661b848853b547f"
    assert exporter.hex() == "a3b010d4994890e2c6968a36f64470d3c824c8f5029942feb11e7a74b2921922"


def counted(text, size):
    return len(text.encode()).to_bytes(size, "big") + text.encode()


def case(dialect, place):
    base_url, session, token = place
    ikm_g, ikm_s = digest("device G"), digest(f"device S at {base_url}")
    response_nonce = digest(f"response nonce at {base_url}")
    g, s = derive_secret_key(ikm_g), derive_secret_key(ikm_s)
    gp, sp = public(g), public(s)
    shared = decapsulate(g, sp)
    key, base_nonce, exporter_secret = key_schedule(shared, b"MATRIX_QR_CODE_LOGIN")

    # Step 5, the response context.
    response_secret = export(exporter_secret, LABELS[dialect].encode(), 32)
    prk = extract(sp + response_nonce, response_secret)
    response_key, response_base_nonce = expand(prk, b"key", 32), expand(prk, b"nonce", 12)

    # Step 6.
    check = export(exporter_secret, b"MATRIX_QR_CODE_LOGIN_CHECKCODE" + gp + sp, 2)
    # Not of the proposal: see "Bound device IDs" in docs/design.md.
    device = export(exporter_secret, b"MATRIX_QR_CODE_LOGIN_DEVICE_ID" + gp + sp, 20)

    contexts = {"S": (key, base_nonce), "G": (response_key, response_base_nonce)}
    prefaces = {"S": sp, "G": response_nonce}
    messages = []
    for place_in_session, (sender, sequence, plaintext) in enumerate(MESSAGES):
        sequence_token = token(place_in_session)
        aad = counted(base_url, 2) + counted(session, 1) + counted(sequence_token, 1)
        sealed = seal(*contexts[sender], sequence, plaintext.encode(), aad)
        payload = unpadded((prefaces[sender] if sequence == 0 else b"") + sealed)
        messages.append({
            "from": sender, "sequence": sequence, "plaintext": plaintext,
            "sequence_token": sequence_token, "aad": aad.hex(), "payload": payload,
        })
    return {
        "dialect": dialect, "response_label": LABELS[dialect], "base_url": base_url, "id": session,
        "ikm_g": ikm_g.hex(), "ikm_s": ikm_s.hex(), "secret_g": g.hex(), "secret_s": s.hex(),
        "public_g": unpadded(gp), "public_s": unpadded(sp),
        "shared_secret": shared.hex(), "key": key.hex(), "base_nonce": base_nonce.hex(),
        "exporter_secret": exporter_secret.hex(), "response_nonce": response_nonce.hex(),
        "response_secret": response_secret.hex(), "response_key": response_key.hex(),
        "response_base_nonce": response_base_nonce.hex(), "check_bytes": check.hex(),
        "check_code": f"{check[0] % 9 + 1}{check[1] % 10}",
        "device_id_bytes": device.hex(), "device_id": "".join(BASE32[byte % 32] for byte in device),
        "messages": messages,
    }


def main():
    check_against_rfc_9180()
    cases = [case(dialect, place) for dialect in LABELS for place in PLACES]
    target = pathlib.Path(__file__).with_name("msc4388-channel.json")
    target.write_text(json.dumps(cases, indent=2) + "\n")


main()
