/**
 * The private keys of an account, in base64. They are read through getters, so that no `console.log`
 * and no `JSON.stringify` prints them.
 */
export declare class AccountSecrets {
    #private;
    /** @param {SecretKeys} keys */
    constructor(keys: SecretKeys);
    get masterKey(): string;
    get selfSigningKey(): string;
    get userSigningKey(): string;
    /** The private key of the key backup, or `null` if the account's backup cannot be opened. */
    get backup(): BackupKey | null;
}
export type SecretKeys = {
    masterKey: string;
    selfSigningKey: string;
    userSigningKey: string;
    backup?: BackupKey | null;
};
export type BackupKey = {
    algorithm: string;
    key: string;
    version: string;
};
export type Json = Record<string, any>;
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
export declare class NewDevice {
    #private;
    userId: string;
    deviceId: string;
    /** The base URL of the homeserver. */
    homeserver: string;
    /** When the access token ends, in seconds since 1970, or `null` if the server does not say. */
    expiresAt: number | null;
    /** The homeserver's answer to the upload of the keys. */
    uploaded: Json;
    /** `master_key`, `self_signing_key`, `user_signing_key`: public keys, as the homeserver has them. */
    identity: Json;
    /** What was uploaded: signed by the device and by the account. */
    deviceKeys: Json;
    secrets: AccountSecrets;
    /**
     * @param {{
     *   accessToken: string, userId: string, deviceId: string, homeserver: string, expiresAt: number | null,
     *   uploaded: Json, identity: Json, deviceKeys: Json, secrets: AccountSecrets,
     * }} device
     */
    constructor(device: {
        accessToken: string;
        userId: string;
        deviceId: string;
        homeserver: string;
        expiresAt: number | null;
        uploaded: Json;
        identity: Json;
        deviceKeys: Json;
        secrets: AccountSecrets;
    });
    get accessToken(): string;
}
export type Keys = {
    /**
     *   Makes the keys of a new device: the body of `POST /keys/upload` as your library would send it.
     *   It is not to be sent: the sign-in adds the account's signature, and makes the one upload.
     */
    deviceKeys: (userId: string, deviceId: string) => Json | Promise<Json>;
    /**
     *   The keys are uploaded. Resolves once everything is on disk.
     */
    keep: (device: NewDevice) => void | Promise<void>;
    /**
     *   The private keys of the account, to sign in another device or to open the key backup.
     */
    secrets: () => SecretKeys | Promise<SecretKeys>;
    /**
     *   At most 100 room keys from the backup, in the form of a key export.
     */
    roomKeys: (roomKeys: Json[]) => void | Promise<void>;
    /**
     * The sign-in of a new device failed: removes what `deviceKeys` and `keep` have stored.
     */
    discard?: () => void | Promise<void>;
};
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
export declare function newDevice(params: Record<string, unknown>): NewDevice;
/**
 * The answers of these keys to the helper.
 *
 * @param {Keys} keys
 * @returns {Record<string, import("./helper.js").Answer>}
 */
export declare function keysAnswers(keys: Keys): Record<string, import("./helper.js").Answer>;
