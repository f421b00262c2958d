// Signed JSON of the Matrix specification.
import { createPublicKey, verify } from "node:crypto";

/** JSON as it is signed: without white space, the keys sorted. */
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(",")}}`;
}

export function isSigned(object, userId, keyId, publicKey) {
  const { signatures, unsigned, ...signed } = object;
  const x = Buffer.from(publicKey, "base64").toString("base64url");
  const key = createPublicKey({ format: "jwk", key: { kty: "OKP", crv: "Ed25519", x } });
  return verify(null, Buffer.from(canonical(signed)), key, Buffer.from(signatures[userId][keyId], "base64"));
}
