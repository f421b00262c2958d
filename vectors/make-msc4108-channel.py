#!/usr/bin/env python3
"""Writes msc4108-channel.json. Needs the package `cryptography` (written with 48.0); shares no code with the Rust crates.

Follows MSC4108, section "Secure channel", step by step. The secret keys are fixed, so every run writes the same bytes.
"""
import base64
import hashlib
import json
import pathlib

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KDF = {"AsDeployed": ("HKDF-SHA512", hashes.SHA512), "AsWritten": ("HKDF-SHA256", hashes.SHA256)}

# Who sends, its message counter, the plaintext: the first message of each side is laid down by the text.
MESSAGES = [
    ("S", 0, "MATRIX_QR_CODE_LOGIN_INITIATE"),
    ("G", 0, "MATRIX_QR_CODE_LOGIN_OK"),
    ("S", 1, '{"type":"m.login.protocol_accepted"}'),
    ("G", 1, '{"type":"m.login.success"}'),
    ("S", 2, '{"type":"m.login.failure","reason":"user_cancelled"}'),
    ("G", 2, ""),
]
BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def unpadded(data):
    return base64.b64encode(data).decode().rstrip("=")


def public(secret):
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def case(dialect, g, s):
    gp, sp = public(g), public(s)
    shared = X25519PrivateKey.from_private_bytes(s).exchange(X25519PublicKey.from_public_bytes(gp))
    name, algorithm = KDF[dialect]

    def derive(label, size):
        info = f"MATRIX_QR_CODE_LOGIN_{label}|{unpadded(gp)}|{unpadded(sp)}"
        return HKDF(algorithm(), size, bytes(algorithm.digest_size), info.encode()).derive(shared)

    keys = {"S": derive("ENCKEY_S", 32), "G": derive("ENCKEY_G", 32)}
    check = derive("CHECKCODE", 2)
    # Not of the proposal: see "Bound device IDs" in docs/design.md.
    device = derive("DEVICE_ID", 20)
    messages = []
    for sender, counter, plaintext in MESSAGES:
        sealed = ChaCha20Poly1305(keys[sender]).encrypt(counter.to_bytes(12, "little"), plaintext.encode(), None)
        payload = unpadded(sealed)
        if (sender, counter) == ("S", 0):
            payload += "|" + unpadded(sp)
        messages.append({"from": sender, "counter": counter, "plaintext": plaintext, "payload": payload})
    return {
        "dialect": dialect, "kdf": name,
        "secret_g": g.hex(), "secret_s": s.hex(), "public_g": unpadded(gp), "public_s": unpadded(sp),
        "shared_secret": shared.hex(), "enckey_s": keys["S"].hex(), "enckey_g": keys["G"].hex(),
        "check_bytes": check.hex(), "check_code": f"{check[0] % 10}{check[1] % 10}",
        "device_id_bytes": device.hex(), "device_id": "".join(BASE32[byte % 32] for byte in device),
        "messages": messages,
    }


def secret(text):
    return hashlib.sha256(text.encode()).digest()


def main():
    cases = []
    for dialect in KDF:
        candidates = [case(dialect, secret("device G"), secret(f"device S, {n}")) for n in range(100)]
        cases.append(next(c for c in candidates if c["check_code"][0] != "0"))
        cases.append(next(c for c in candidates if c["check_code"][0] == "0"))
    target = pathlib.Path(__file__).with_name("msc4108-channel.json")
    target.write_text(json.dumps(cases, indent=2) + "\n")


main()
