// What a TypeScript program may write; test/package.test.js checks its types.
import { createClient } from "matrix-js-sdk";
import {
  type Keys, MatrixQrError, type NewDevice, type Person, type SecretKeys, Session, grant, signIn, terminalPerson,
} from "matrix-qr";
import { clientOptions } from "matrix-qr/matrix-js-sdk";
import { DiskStore, OlmKeys, sendEncrypted } from "matrix-qr/olm-machine";

class OwnKeys implements Keys {
  deviceKeys(userId: string, deviceId: string) {
    return { device_keys: { user_id: userId, device_id: deviceId } };
  }
  async keep(device: NewDevice) {
    const { accessToken, secrets }: { accessToken: string; secrets: SecretKeys } = device;
    void [accessToken, secrets.backup?.version satisfies string | undefined];
  }
  secrets(): SecretKeys {
    return { masterKey: "", selfSigningKey: "", userSigningKey: "" };
  }
  roomKeys() {}
}

const person: Person = { ...terminalPerson(), openLink: async ({ link, host, warning }) => warning === null && link.includes(host) };
const scanning: Person = { ...person, scanCode: (problem) => (problem === null ? "TUFU" : problem) };
const signal = AbortSignal.timeout(300_000);

export async function main() {
  const { session, backupConnected } = await signIn({ directory: "a", homeserver: "b", keys: new OwnKeys(), person, signal });
  const connected: boolean = backupConnected;
  const granted = await grant({ directory: "a", keys: new OlmKeys("k"), person: scanning, scan: true, announce: "server-name" });
  const late: boolean = granted.tooLateToCancel;
  const token = await new Session("a").accessToken({ goodFor: 30 });
  const until: number | null = token.expiresAt;
  const keys = await OlmKeys.open("k", token);
  const event: string = await sendEncrypted(session, keys.machine, "!r", "m.room.message", { body: "x" });
  const store = await DiskStore.open("k");
  const client = createClient(await clientOptions(session));
  await client.initRustCrypto({ cryptoDatabasePrefix: store.name });
  // @ts-expect-error The directory is required.
  await signIn({ homeserver: "b" });
  // @ts-expect-error The person is asked for the code, and only after a yes.
  await grant({ directory: "a", scan: "TUFU" });
  // @ts-expect-error There is no such revision.
  await signIn({ directory: "a", homeserver: "b", revision: "msc1" });
  // @ts-expect-error These are not all methods.
  await signIn({ directory: "a", homeserver: "b", person: { showCode() {} } });
  return [connected, late, until, event, client, new MatrixQrError("x").deviceLeft satisfies string | null];
}
