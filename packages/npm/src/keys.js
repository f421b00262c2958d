import { isRecord, shaped } from "./shape.js";

/**
 * The private keys of an account, in base64. They are read through getters, so that no `console.log`
 * and no `JSON.stringify` prints them.
 */
export class AccountSecrets {
  #keys;

  /** @param {SecretKeys} keys */
  constructor(keys) {
    this.#keys = keys;
  }

  get masterKey() {
    return this.#keys.masterKey;
  }

  get selfSigningKey() {
    return this.#keys.selfSigningKey;
  }

  get userSigningKey() {
    return this.#keys.userSigningKey;
  }

  /** The private key of the key backup, or `null` if the account's backup cannot be opened. */
  get backup() {
    return this.#keys.backup ?? null;
  }
}

/**
 * @typedef {object} SecretKeys
 * @property {string} masterKey
 * @property {string} selfSigningKey
 * @property {string} userSigningKey
 * @property {BackupKey | null} [backup]
 */

/**
 * @typedef {object} BackupKey
 * @property {string} algorithm
 * @property {string} key
 * @property {string} version
 */

/**
 * A JSON object of the Matrix specification.
 *
 * @typedef {Record<string, any>} Json
 */

/** The new device, and all that has to be stored of it. Its secrets are not printed. */
export class NewDevice {
  #accessToken;

  /**
   * @param {{
   *   accessToken: string, userId: string, deviceId: string, homeserver: string, expiresAt: number | null,
   *   uploaded: Json, identity: Json, deviceKeys: Json, secrets: AccountSecrets,
   * }} device
   */
  constructor(device) {
    this.#accessToken = device.accessToken;
    this.userId = device.userId;
    this.deviceId = device.deviceId;
    /** The base URL of the homeserver. */
    this.homeserver = device.homeserver;
    /** When the access token ends, in seconds since 1970, or `null` if the server does not say. */
    this.expiresAt = device.expiresAt;
    /** The homeserver's answer to the upload of the keys. */
    this.uploaded = device.uploaded;
    /** `master_key`, `self_signing_key`, `user_signing_key`: public keys, as the homeserver has them. */
    this.identity = device.identity;
    /** What was uploaded: signed by the device and by the account. */
    this.deviceKeys = device.deviceKeys;
    this.secrets = device.secrets;
  }

  get accessToken() {
    return this.#accessToken;
  }
}

/**
 * Whoever holds the keys of a device. The methods are called during `signIn`, `grant` and
 * `restoreKeys`. What they throw ends the sign-in; the new device is signed out again. Each must be
 * done within 30 seconds.
 *
 * @typedef {object} Keys
 * @property {(userId: string, deviceId: string) => Json | Promise<Json>} deviceKeys
 *   Makes the keys of a new device: the body of `POST /keys/upload` as your library would send it.
 *   It is not to be sent: the sign-in adds the account's signature, and makes the one upload.
 * @property {(device: NewDevice) => void | Promise<void>} keep
 *   The keys are uploaded. Resolves once everything is on disk.
 * @property {() => SecretKeys | Promise<SecretKeys>} secrets
 *   The private keys of the account, to sign in another device or to open the key backup.
 * @property {(roomKeys: Json[]) => void | Promise<void>} roomKeys
 *   At most 100 room keys from the backup, in the form of a key export.
 * @property {() => void | Promise<void>} [discard]
 *   The sign-in of a new device failed: removes what `deviceKeys` and `keep` have stored.
 */

/**
 * @param {Record<string, unknown>} params
 * @returns {NewDevice}
 */
export function newDevice(params) {
  const fields = shaped(params, {
    user_id: "string", device_id: "string", homeserver: "string", access_token: "string", expires_at: "number?",
    uploaded: "object", identity: "object", device_keys: "object", secrets: "object",
  });
  const { cross_signing, backup } = shaped(fields.secrets, { cross_signing: "object", backup: "object?" });
  const own = shaped(cross_signing, { master_key: "string", self_signing_key: "string", user_signing_key: "string" });
  return new NewDevice({
    userId: fields.user_id,
    deviceId: fields.device_id,
    homeserver: fields.homeserver,
    accessToken: fields.access_token,
    expiresAt: fields.expires_at,
    uploaded: fields.uploaded,
    identity: fields.identity,
    deviceKeys: fields.device_keys,
    secrets: new AccountSecrets({
      masterKey: own.master_key,
      selfSigningKey: own.self_signing_key,
      userSigningKey: own.user_signing_key,
      backup: backup && backupKey(backup),
    }),
  });
}

/**
 * @param {Record<string, unknown>} backup
 * @returns {BackupKey}
 */
function backupKey(backup) {
  const fields = shaped(backup, { algorithm: "string", key: "string", backup_version: "string" });
  return { algorithm: fields.algorithm, key: fields.key, version: fields.backup_version };
}

/**
 * The answers of these keys to the helper.
 *
 * @param {Keys} keys
 * @returns {Record<string, import("./helper.js").Answer>}
 */
export function keysAnswers(keys) {
  return {
    device_keys(params) {
      const { user_id, device_id } = shaped(params, { user_id: "string", device_id: "string" });
      return keys.deviceKeys(user_id, device_id);
    },
    async keep(params) {
      await keys.keep(newDevice(params));
    },
    async secrets() {
      const { masterKey, selfSigningKey, userSigningKey, backup } = await keys.secrets();
      const cross_signing = { master_key: masterKey, self_signing_key: selfSigningKey, user_signing_key: userSigningKey };
      if (!backup) return { cross_signing };
      return { cross_signing, backup: { algorithm: backup.algorithm, key: backup.key, backup_version: backup.version } };
    },
    async room_keys(params) {
      const { room_keys } = shaped(params, { room_keys: "array" });
      if (!room_keys.every(isRecord)) throw new TypeError("a room key is not an object");
      await keys.roomKeys(room_keys);
    },
  };
}
